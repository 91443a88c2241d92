"""How fast cards pay: through the verbs and over HTTP, by several tills with their own connections.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

import http.client
import json
import os
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit, urlunsplit

import django
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config.embedded import postgres
from config.embedded.address import Address
from loyalty.gift_cards import cards, ledger
from loyalty.models import Campaign, CodeBatch, Redemption, Voucher
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemptions import redeem
from workspace import sql
from workspace.access import SCOPES, SYSTEM
from workspace.keys import create_api_user

from .bench_workspace import empty_workspace
from .over_http import running_product
from .report import Ratio, Report

_CLIENTS = 8
_LIMIT_P95_MS = 250.0


def run(place: Path, *, count: int, writes: bool) -> int:
    """Measure so many redemptions each way; returns 1 where the ledger is not whole afterwards."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Redemptions", versions, has_targets=True)
    with empty_workspace():
        _make_cards(2 * count)
        _measure(report, "through the verbs", count, _by_verb)
        _user, key = create_api_user(
            name="till",
            actor=SYSTEM,
            at=timezone.now(),
            scopes=SCOPES,
            requests_per_minute=10_000_000,
        )
        with running_product(place, DATABASE_URL=_database()) as address:
            _measure(report, "over HTTP", count, lambda till: _by_http(till, address, key))
        is_wrong = Redemption.objects.filter(state="succeeded").count() != 2 * count
        is_wrong |= not cards.examine().is_well or sum(ledger.account_sums().values()) != 0
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


def _database() -> str:
    """The address of the database that this connection has."""
    parts = urlsplit(os.environ.get("DATABASE_URL") or postgres.connection_url(settings.VAR))
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@transaction.atomic
def _make_cards(count: int) -> None:
    """Cards of contacts, each of which pays once."""
    at = timezone.now()
    campaign = Campaign.objects.create(key="bench", name="Benchmark", amount_minor=2500)
    sql.execute(
        "INSERT INTO contacts_contact (email) SELECT 'c' || n || '@example.com'"
        " FROM generate_series(1, %s) n",
        [count],
    )
    batch = CodeBatch.objects.create(
        campaign=campaign,
        kind="generated",
        code_count=count,
        amount_minor=2500 * count,
        created_at=at,
    )
    sql.execute(
        "INSERT INTO loyalty_voucher (campaign_id, batch_id, code, initial_minor, balance_minor,"
        " holder_id, published_at) SELECT %s, %s, 'BENCH-' || row_number() OVER (ORDER BY id),"
        " 2500, 2500, id, %s FROM contacts_contact",
        [campaign.pk, batch.pk, at],
    )
    ledger.issue_batch(batch, at=at)


def _by_verb(_till: int) -> Callable[[str], None]:
    def pay(code: str) -> None:
        order = OrderFacts(reference=f"order {code}", amount_minor=5500)
        wishes = [Redeemable(code, 1000)]
        redeem(redeemables=wishes, order=order, actor=SYSTEM, at=timezone.now())

    return pay


def _by_http(_till: int, address: Address, key: str) -> Callable[[str], None]:
    till = http.client.HTTPConnection(address.host, address.port, timeout=60)
    headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json"}

    def pay(code: str) -> None:
        body = {
            "redeemables": [{"object": "voucher", "id": code, "gift": {"credits": 1000}}],
            "order": {"source_id": f"order {code}", "amount": 5500},
        }
        till.request("POST", "/api/redemptions/", json.dumps(body), headers)
        answer = till.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise AssertionError(f"{answer.status}: {text!r}")

    return pay


def _measure(
    report: Report, way: str, count: int, make: Callable[[int], Callable[[str], None]]
) -> None:
    unused = Voucher.objects.filter(redeemed_count=0).order_by("pk")
    codes = list(unused.values_list("code", flat=True)[:count])

    def work(till: int) -> list[float]:
        taken, pay = [], make(till)
        try:
            for code in codes[till::_CLIENTS]:
                began_at = perf_counter()
                pay(code)
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
        f"Redemptions {way}, {_CLIENTS} clients",
        ("redemptions", "a second", "median ms", "p95 ms"),
        [
            (
                f"{len(times):,}",
                f"{len(times) / total:,.0f}",
                f"{statistics.median(times) * 1000:.1f}",
                f"{p95:.1f}",
            )
        ],
    )
    report.ratios.append(Ratio("–", f"p95 in ms {way}", p95, _LIMIT_P95_MS))
