"""Many who give codes at the same time, on connections of their own; workers that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection, transaction

from loyalty.errors import NoVoucherSuitable
from loyalty.gift_cards import codes, ledger, publications
from loyalty.gift_cards.publications import Wish
from loyalty.models import Campaign, CodeBatch, Publication, Voucher
from tests.factories import make_contact
from tests.loyalty.gift_cards import NOW, make_campaign
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[int], Any], count: int, clients: int) -> list[Any]:
    """What each of `count` calls gave, `clients` at a time."""

    def apart(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(apart, range(count)))


def give(campaign: Campaign, contact_id: int, source_id: str | None = None) -> str:
    try:
        publication = publications.publish(
            campaign=campaign, contact_id=contact_id, source_id=source_id, actor=SYSTEM, at=NOW
        )
    except NoVoucherSuitable:
        return ""
    assert publication.voucher is not None
    return publication.voucher.code


@pytest.mark.parametrize(
    ("asked", "pool", "clients"),
    [(12, 6, 6), pytest.param(200, 100, 40, marks=pytest.mark.long)],
)
def test_more_ask_than_there_are_codes(asked: int, pool: int, clients: int) -> None:
    campaign = make_campaign(count=pool)
    contacts = [make_contact().pk for _ in range(asked)]
    given = at_once(lambda number: give(campaign, contacts[number]), asked, clients)
    codes_given = [code for code in given if code]
    assert len(codes_given) == len(set(codes_given)) == pool
    assert given.count("") == asked - pool
    assert Publication.objects.filter(state="success").count() == pool


@pytest.mark.parametrize("asked", [8, pytest.param(50, marks=pytest.mark.long)])
def test_the_same_source_id_at_once_is_one_publication(asked: int) -> None:
    campaign = make_campaign(count=asked, join_once=False)
    contact_id = make_contact().pk
    given = at_once(lambda _number: give(campaign, contact_id, "review-1"), asked, 8)
    assert len(set(given)) == 1
    assert Voucher.objects.filter(published_at__isnull=False).count() == 1


def test_who_joins_many_times_at_once_joins_once() -> None:
    campaign = make_campaign(count=20)
    contact_id = make_contact().pk
    given = at_once(lambda number: give(campaign, contact_id, f"s{number}"), 8, 8)
    assert len(set(given)) == 1
    assert Voucher.objects.filter(published_at__isnull=False).count() == 1


def test_two_crowds_at_once_share_the_codes() -> None:
    campaign = make_campaign(count=60)
    contacts = [make_contact().pk for _ in range(40)]

    def crowd(number: int) -> list[str]:
        # Half of the contacts are in both, in another order.
        ids = contacts[:30] if number else contacts[:9:-1]
        with transaction.atomic():
            wishes = [Wish(one, f"crowd:{one}") for one in ids]
            return [one.code for one in publications.publish_many(campaign, wishes, at=NOW)]

    at_once(crowd, 2, 2)
    of_contact = Counter(Publication.objects.values_list("contact_id", flat=True))
    assert set(of_contact) == set(contacts)
    assert set(of_contact.values()) == {1}
    published = Publication.objects.values_list("voucher_id", flat=True)
    assert len(set(published)) == 40


_WORKER = """
import django
django.setup()
from loyalty import codes
from workspace import jobs
codes.PORTION = 200
jobs.run({job_id})
"""


@pytest.mark.long
def test_a_worker_that_is_killed_loses_and_doubles_no_code() -> None:
    campaign = make_campaign()
    job = codes.generate_codes(campaign, 50_000, actor=SYSTEM, at=NOW)
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER.format(job_id=job.pk)],
        env={
            **os.environ,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
    )
    deadline = time.monotonic() + 60
    while CodeBatch.objects.count() < 3:
        assert time.monotonic() < deadline, "it never began"
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    made = Voucher.objects.count()
    assert 0 < made < 50_000
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    done = jobs.run(job.pk)
    assert done is not None
    assert (done.state, done.result["made"]) == ("succeeded", 50_000)
    campaign.refresh_from_db()
    assert Voucher.objects.count() == campaign.voucher_count == 50_000
    assert ledger.account_sums()["cards"] == 50_000 * 2500
