"""How fast metrics are uploaded to a vendor: all of them, then nothing, then a tenth that changed.

The vendor is its sandbox in a process of its own, on this machine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from multiprocessing import get_context

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
    with empty_workspace(), _vendor(contact_count) as (url, given):
        allowed = [ip_network("127.0.0.0/8")]
        with override_settings(DOTDIGITAL_URL=url, OUTBOUND_ALLOW=allowed):
            rows = _measure(contact_count, given)
    report.add_table(
        "Records of contacts, with the metrics computed before",
        ("what", "sent", "seconds", "a second"),
        [
            (what, f"{sent:,}", f"{taken:.1f}", f"{sent / taken:,.0f}" if sent else "–")
            for what, sent, taken in rows
        ],
    )
    is_wrong = [sent for _what, sent, _taken in rows] != [
        contact_count, 0, (contact_count + 9) // 10,
    ]  # fmt: skip
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


def _measure(count: int, given: dict[str, str]) -> list[tuple[str, int, float]]:
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
        kind="dotdigital", credentials=given, websites=[website], actor=SYSTEM, at=at
    )
    rows = []
    for what in ("the first upload", "nothing changed", "a tenth changed"):
        if what == "a tenth changed":
            sql.execute(
                "UPDATE contacts_contact SET birth_date = '1980-01-01' WHERE id IN ("
                " SELECT contact_id FROM contacts_websitemetrics ORDER BY contact_id LIMIT %s)",
                [(count + 9) // 10],
            )
        taken = seconds(lambda: syncing.run_sync(connection.pk, "metrics"))
        done = connection.syncs.order_by("-pk").first()
        rows.append((what, int(done.counts["sent"]) if done else 0, taken))
    assert not UploadedRecord.objects.exclude(state="sent").exists()
    return rows


@contextmanager
def _vendor(count: int) -> Iterator[tuple[str, dict[str, str]]]:
    """The vendor in another process, which knows all contacts already."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=vendor_box.serve, args=(there, count), daemon=True)
    process.start()
    there.close()
    try:
        url, given = here.recv()
        yield url, given
    finally:
        process.terminate()
        process.join()
