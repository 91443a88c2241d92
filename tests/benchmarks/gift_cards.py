"""How fast codes are made, and given: to the contacts of a segment in sets, and one by one.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

import statistics
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import django
from django.db import connection, transaction
from django.utils import timezone

from loyalty.gift_cards import campaigns, publications
from loyalty.gift_cards.publications import Wish
from loyalty.models import Campaign, Publication, Voucher
from workspace import jobs, sql
from workspace.access import SYSTEM

from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Ratio, Report

_CODES_LIMIT_SECONDS = 60
_PUBLICATIONS_LIMIT_SECONDS = 60
# So many of a segment are one transaction, as distributions have it.
_PORTION = 5_000
_CLIENTS = 8
_SINGLES = 2_000


def run(*, code_count: int, publication_count: int, writes: bool) -> int:
    """Measure; returns 1 where a code is missing, or was given twice."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Gift cards", versions, has_targets=True)
    with empty_workspace():
        codes_of = _measure_codes(report, code_count)
        is_wrong = Voucher.objects.count() != code_count
        is_wrong |= _measure_publications(report, codes_of, publication_count)
        _measure_singles(report, codes_of)
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


def _measure_codes(report: Report, count: int) -> Campaign:
    campaign = campaigns.create_campaign(
        actor=SYSTEM,
        at=timezone.now(),
        name="Benchmark",
        amount_minor=2500,
        code_config={"length": 10, "prefix": "REV-"},
        vouchers_count=count,
        join_once=True,
    )
    job = campaign.job
    assert job is not None
    taken = seconds(lambda: jobs.run(job.pk))
    report.add_table(
        "Codes made by a job",
        ("codes", "seconds", "codes a second"),
        [(f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}")],
    )
    report.ratios.append(
        Ratio("–", f"seconds for {count:,} codes", taken, _CODES_LIMIT_SECONDS * count / 1_000_000)
    )
    campaign.refresh_from_db()
    return campaign


def _measure_publications(report: Report, campaign: Campaign, count: int) -> bool:
    sql.execute(
        "INSERT INTO contacts_contact (email) SELECT 'c' || n || '@example.com'"
        " FROM generate_series(1, %s) n",
        [count],
    )
    ids = [row[0] for row in sql.lists("SELECT id FROM contacts_contact ORDER BY id")]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) contacts_contact, loyalty_voucher")

    def give() -> None:
        for start in range(0, len(ids), _PORTION):
            portion = ids[start : start + _PORTION]
            with transaction.atomic():
                wishes = [Wish(contact_id, f"bench:{contact_id}") for contact_id in portion]
                publications.publish_many(campaign, wishes, at=timezone.now())

    taken = seconds(give)
    report.add_table(
        "A code for each contact of a segment",
        ("contacts", "seconds", "publications a second"),
        [(f"{count:,}", f"{taken:.1f}", f"{count / taken:,.0f}")],
    )
    name = f"seconds for {count:,} publications"
    report.ratios.append(Ratio("–", name, taken, _PUBLICATIONS_LIMIT_SECONDS * count / 100_000))
    given = Publication.objects.values("voucher_id").distinct().count()
    return given != count


def _measure_singles(report: Report, campaign: Campaign) -> None:
    """One by one, by several clients with connections of their own."""
    Campaign.objects.filter(pk=campaign.pk).update(join_once=False)
    ids = [row[0] for row in sql.lists("SELECT id FROM contacts_contact ORDER BY id LIMIT 1000")]

    def work(client: int) -> list[float]:
        taken = []
        try:
            for number in range(_SINGLES // _CLIENTS):
                began_at = perf_counter()
                publications.publish(
                    campaign=campaign.key,
                    contact_id=ids[(client * 101 + number) % len(ids)],
                    source_id=f"single:{client}:{number}",
                    actor=SYSTEM,
                    at=timezone.now(),
                )
                taken.append(perf_counter() - began_at)
        finally:
            connection.close()
        return taken

    began_at = perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        times = sorted(one for found in pool.map(work, range(_CLIENTS)) for one in found)
    total = perf_counter() - began_at
    p95 = statistics.quantiles(times, n=20)[-1] * 1000
    report.add_table(
        f"Publications one by one, {_CLIENTS} clients",
        ("publications", "a second", "median ms", "p95 ms"),
        [
            (
                f"{len(times):,}",
                f"{len(times) / total:,.0f}",
                f"{statistics.median(times) * 1000:.1f}",
                f"{p95:.1f}",
            )
        ],
    )
