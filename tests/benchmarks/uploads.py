"""How fast metrics are uploaded to a vendor: all of them, then nothing, then a tenth that changed.

The vendor is its sandbox in a process of its own, on this machine.
"""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from multiprocessing import get_context
from time import process_time

import django
from django.test import override_settings
from django.utils import timezone

from integrations.models import UploadedRecord
from integrations.vendors import connections, syncing
from workspace import sql
from workspace.access import SYSTEM
from workspace.models import Website

from . import vendor_box
from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Report


def run(*, contact_count: int, writes: bool) -> int:
    """Measure with so many; returns 1 where one is not at the vendor in the end."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Uploads of metrics", versions, has_targets=False)
    with empty_workspace(), _vendor(contact_count) as vendor:
        allowed = [ip_network("127.0.0.0/8")]
        with override_settings(DOTDIGITAL_URL=vendor.url, OUTBOUND_ALLOW=allowed):
            rows = _measure(contact_count, vendor)
    report.add_table(
        "Records of contacts, with the metrics computed before",
        ("what", "sent", "seconds", "a second", "worked: we", "the vendor"),
        [
            (
                one.what,
                f"{one.sent:,}",
                f"{one.seconds:.1f}",
                f"{one.sent / one.seconds:,.0f}" if one.sent else "–",
                f"{one.ours:.1f} s",
                f"{one.vendors:.1f} s",
            )
            for one in rows
        ],
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    report.add_table("Memory of the process", ("", ""), [("greatest (MB)", str(memory))])
    is_wrong = [one.sent for one in rows] != [
        contact_count, 0, (contact_count + 9) // 10,
    ]  # fmt: skip
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


@dataclass(frozen=True, slots=True)
class _Vendor:
    """Where it is, how to authorize there, and how many seconds it has worked by now."""

    url: str
    given: dict[str, str]
    worked: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Measured:
    """How long a synchronization took, and of that the processor in this process and theirs.

    The database works besides.
    """

    what: str
    sent: int
    seconds: float
    ours: float
    vendors: float


def _measure(count: int, vendor: _Vendor) -> list[_Measured]:
    at = timezone.now()
    sql.execute(
        "WITH people AS (INSERT INTO contacts_contact (email, birth_date)"
        "  SELECT 'c' || n || '@example.com', '1990-01-01' FROM generate_series(1, %s) n"
        "  RETURNING id, email)"
        " INSERT INTO contacts_identity (namespace, value, contact_id)"
        " SELECT 'email', email, id FROM people",
        [count],
    )
    sql.execute("ANALYZE contacts_contact, contacts_identity")
    website = Website.objects.create(key="main", name="Main")
    connection = connections.authorize_connection(
        kind="dotdigital", credentials=vendor.given, websites=[website], actor=SYSTEM, at=at
    )
    rows = []
    for what in ("the first upload", "nothing changed", "a tenth changed"):
        if what == "a tenth changed":
            sql.execute(
                "UPDATE contacts_contact SET birth_date = '1980-01-01' WHERE id IN ("
                " SELECT contact_id FROM contacts_websitemetrics ORDER BY contact_id LIMIT %s)",
                [(count + 9) // 10],
            )
        ours, theirs = process_time(), vendor.worked()
        taken = seconds(lambda: syncing.run_sync(connection.pk, "metrics"))
        done = connection.syncs.order_by("-pk").first()
        sent = int(done.counts["sent"]) if done else 0
        ours, theirs = process_time() - ours, vendor.worked() - theirs
        rows.append(_Measured(what, sent, taken, ours, theirs))
    assert not UploadedRecord.objects.exclude(state="sent").exists()
    return rows


@contextmanager
def _vendor(count: int) -> Iterator[_Vendor]:
    """The vendor in another process, which knows all contacts already."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=vendor_box.serve, args=(there, count), daemon=True)
    process.start()
    there.close()
    try:
        url, given = here.recv()

        def worked() -> float:
            here.send("worked")
            return float(here.recv())

        yield _Vendor(url, given, worked)
    finally:
        process.terminate()
        process.join()
