"""How fast contacts and events come in: in bulk, and one by one.

What comes in stays in: the workspace is made anew for the next run.
"""

import csv
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np

from contacts.events import IncomingEvent, record_events
from contacts.imports import import_contacts
from contacts.models import AttributeDefinition, Contact
from contacts.profiles import save_by_external_id
from segments.synthetic import vocabulary as words
from workspace.access import SYSTEM

from .bench_workspace import Size, empty_workspace
from .clock import seconds
from .questions import AS_OF
from .report import Ratio, Report

_COLUMNS = ("external_id", "email", "first_name", "last_name", "city", "country", "t1", "n4")
_ONE_BY_ONE = 500
_BATCHES = {1: 300, 100: 20_000, 1000: 100_000, 10_000: 200_000}


def measure_import(report: Report, size: Size, folder: Path) -> None:
    """New contacts from a file, into an empty workspace and into ours; and one by one."""
    file = folder / "import.csv"
    row_count = min(size.contact_count, 1_000_000)
    _write(file, row_count)
    with empty_workspace():
        for key, kind in (("t1", "text"), ("n4", "number")):
            AttributeDefinition.objects.create(key=key, label=key, type=kind)
        alone = seconds(partial(_import, file, (row_count, 0, 0)))
        alone_again = seconds(partial(_import, file, (0, row_count, 0)))
    among = seconds(partial(_import, file, (row_count, 0, 0)))
    among_again = seconds(partial(_import, file, (0, row_count, 0)))
    one_by_one = seconds(_save_one_by_one) / _ONE_BY_ONE
    file.unlink()
    report.add_table(
        f"Importing {row_count:,} contacts with eight columns (contacts a second)",
        ("", "all new", "nothing changed"),
        [
            (
                "into an empty workspace",
                f"{row_count / alone:,.0f}",
                f"{row_count / alone_again:,.0f}",
            ),
            (
                f"beside {size.contact_count:,} others",
                f"{row_count / among:,.0f}",
                f"{row_count / among_again:,.0f}",
            ),
            ("one by one", f"{1 / one_by_one:,.0f}", ""),
        ],
    )
    ratio = row_count / among * one_by_one
    report.ratios.append(Ratio("19", "import / one by one, beside others", ratio, 50, False))
    rate = row_count / alone / 50_000
    name = "imported contacts a second / 50,000, into an empty workspace"
    report.ratios.append(Ratio("–", name, rate, 1, False))


def _import(file: Path, expected: tuple[int, int, int]) -> None:
    result = import_contacts(file, columns=None, update=True, actor=SYSTEM, at=AS_OF)
    found = (result.created, result.unchanged, result.rejected)
    if found != expected:
        raise AssertionError(f"{expected} were imported as {found}")


def measure_ingestion(report: Report) -> None:
    """Events of random contacts, in batches of several sizes, each of its own transaction."""
    rng = np.random.default_rng(11)
    ids = np.fromiter(Contact.objects.values_list("pk", flat=True).iterator(), dtype=np.int64)
    rates = {}
    for batch, total in _BATCHES.items():
        events = _events(rng, ids, total)
        parts = [events[start : start + batch] for start in range(0, total, batch)]
        taken = seconds(partial(_record, parts))
        rates[batch] = total / taken
    rows = [(f"{batch:,}", f"{rate:,.0f}") for batch, rate in rates.items()]
    report.add_table("Recording events", ("batch", "events a second"), rows)
    ratio = rates[1000] / rates[1]
    report.ratios.append(Ratio("16", "events in batches of 1,000 / one by one", ratio, 30, False))


def _write(file: Path, row_count: int) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        writer.writerows(_row(number) for number in range(row_count))


def _row(number: int) -> tuple[str | int, ...]:
    return (
        f"new-{number}",
        f"new{number}@example.org",
        words.FIRST_NAMES[number % len(words.FIRST_NAMES)],
        words.LAST_NAMES[number % len(words.LAST_NAMES)],
        words.CITIES[number % len(words.CITIES)],
        words.COUNTRIES[number % len(words.COUNTRIES)],
        f"val_1_{number % 5}",
        number % 10_000,
    )


def _save_one_by_one() -> None:
    for number in range(_ONE_BY_ONE):
        external_id, email, first_name, last_name, city, country, t1, n4 = _row(number)
        save_by_external_id(
            f"single-{external_id}",
            changes={
                "email": f"single-{email}",
                "first_name": first_name,
                "last_name": last_name,
                "city": city,
                "country": country,
                "attributes": {"t1": t1, "n4": n4},
            },
            actor=SYSTEM,
            at=AS_OF,
        )


def _events(rng: np.random.Generator, ids: "np.ndarray", total: int) -> list[IncomingEvent]:
    names = rng.choice(words.EVENT_NAMES, total, p=list(words.EVENT_SHARES.values())).tolist()
    contacts, spread = rng.choice(ids, total).tolist(), rng.random(total).tolist()
    return [
        IncomingEvent(
            contact_id=contact,
            name=name,
            occurred_at=AS_OF + timedelta(days=20 * share),
            properties={"amount": 12.5, "product": "item-00001"} if name in words.TRADES else {},
        )
        for contact, name, share in zip(contacts, names, spread, strict=True)
    ]


def _record(batches: list[list[IncomingEvent]]) -> None:
    for batch in batches:
        recorded = record_events(batch, received_at=AS_OF + timedelta(days=21))
        if recorded.accepted != len(batch):
            raise AssertionError(f"{len(batch)} events were recorded as {recorded}")
