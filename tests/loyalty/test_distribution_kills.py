"""Whatever is killed, each contact gets exactly one card and one message: real processes."""

import random
import sys
import time
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from contacts.event_definitions import define_events
from contacts.models import Contact, Event
from integrations import sources
from integrations.models import Delivery
from loyalty.distribution import distributing, distributions
from loyalty.models import Campaign, DistributionTask, Publication, Voucher
from segments import membership
from tests.commands import command
from tests.house.test_make_run import wait_until
from tests.integrations.test_digestion import receive, track
from tests.loyalty.distributions import make_distribution, make_template
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import lives_in, make_segment
from workspace import sql
from workspace.access import SYSTEM

_WAITS = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted"
    " AND relation = 'integrations_delivery'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def send_to_members(count: int) -> tuple[Any, Campaign]:
    """A distribution by e-mail that has to reach so many contacts."""
    now = timezone.now()
    Contact.objects.bulk_create(
        Contact(city="Oslo", email=f"p{number}@example.com") for number in range(count)
    )
    segment = make_segment("reviewers", lives_in("Oslo"))
    membership.refresh(segment.pk, as_of=now, cause="test")
    campaign = make_campaign(count=count + 5)
    distribution = make_distribution(
        is_active=False,
        trigger={"kind": "manual", "key": "reviewers"},
        campaign=campaign.key,
        channel="email",
        template=make_template().key,
    )
    assert distributions.send(distribution, actor=SYSTEM, at=now) == count
    return distribution, campaign


def assert_each_has_one(count: int) -> None:
    """One card, one event and one message for each contact, and each code for one of them."""
    assert set(DistributionTask.objects.values_list("state", flat=True)) == {"done"}
    given = Publication.objects.filter(state="success")
    assert given.count() == given.values("contact").distinct().count() == count
    assert Voucher.objects.filter(published_at__isnull=False).count() == count
    assert Event.objects.filter(message_id__startswith="publication:").count() == count
    keys = Delivery.objects.filter(key__startswith="distribution-task:")
    assert keys.count() == keys.values("contact").distinct().count() == count


@pytest.mark.walk
def test_what_a_killed_round_had_begun_is_done_once_by_the_next(transactional_db: None) -> None:
    send_to_members(40)
    with command("run_rounds"), transaction.atomic():
        # It gets as far as the messages: all cards are given, and nothing is committed.
        sql.execute("LOCK TABLE integrations_delivery IN EXCLUSIVE MODE")
        assert wait_until(lambda: sql.one(_WAITS), seconds=60)
    # As soon as the server has noticed that nobody is there any more.
    assert wait_until(
        lambda: (
            not distributing.distribute(timezone.now())
            and not DistributionTask.objects.filter(state="pending").exists()
        ),
        seconds=30,
    )
    assert_each_has_one(40)


@pytest.mark.walk
def test_a_review_brings_a_card_within_a_second(transactional_db: None) -> None:
    shop, _key = sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())
    rule = {"field": "event.review_left", "operator": ">=", "value": 1}
    define_events({"review_left"})
    segment = make_segment(
        "reviewers", {"combinator": "and", "rules": [rule]}, refresh_mode="realtime"
    )
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test")
    make_distribution(campaign=make_campaign(count=10).key, at=timezone.now())
    seconds = []
    with command("run_rounds"):
        for number in range(4):
            begun = time.monotonic()
            left = track(user_id=f"u{number}", event="review_left", messageId=f"r{number}")
            receive(shop, [left], at=timezone.now())
            assert wait_until(
                lambda: Publication.objects.count() == number + 1,  # noqa: B023
                seconds=60,
            )
            seconds.append(time.monotonic() - begun)
        # A second review gives none.
        again = track(user_id="u0", event="review_left", messageId="again")
        receive(shop, [again], at=timezone.now())
        time.sleep(0.5)
    assert Publication.objects.count() == 4
    sys.stdout.write(f"from the review to the card: {[round(one, 2) for one in seconds]} s\n")
    # The first one waits for the process to begin.
    assert min(seconds[1:]) < 1


@pytest.mark.long
def test_ten_kills_among_thousands_lose_nobody_and_give_nobody_two(transactional_db: None) -> None:
    send_to_members(20_000)
    dice = random.Random(7)
    for _kill in range(10):
        before = DistributionTask.objects.exclude(state="pending").count()
        with command("run_rounds"):
            wait_until(
                lambda: DistributionTask.objects.exclude(state="pending").count() > before,  # noqa: B023
                seconds=60,
            )
            time.sleep(dice.random() / 2)
    with command("run_rounds"):
        assert wait_until(
            lambda: not DistributionTask.objects.filter(state="pending").exists(), seconds=300
        )
    assert_each_has_one(20_000)
