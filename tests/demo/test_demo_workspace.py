"""The demo workspace: believable, complete, the same every time, and gone without a trace."""

import json
import stat
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django_celery_beat.models import PeriodicTask

from config.demo import logins, shop
from config.demo.loading import WorkspaceInUse, is_empty, load_demo_data
from config.demo.people import invent_people
from config.demo.removal import find_demo_data, remove_demo_data
from config.demo.stories import tell_stories
from contacts.models import (
    ConsentState,
    Contact,
    ContactTag,
    Event,
    EventStatistic,
    Identity,
    LastSeen,
    MetricValue,
    Tag,
    Url,
)
from integrations import received_events
from integrations.held import replay
from integrations.models import HeldEvent, ReceivedEvent, Source, SourceCount, Template
from integrations.source_counts import daily_courses
from journeys import checking
from journeys.models import Journey, Message, Participant
from loyalty.gift_cards import publications
from loyalty.models import (
    Campaign,
    CardPosting,
    Claim,
    Mechanism,
    Member,
    PointsPosting,
    Publication,
    Redemption,
    RuleAssignment,
    Voucher,
)
from loyalty.reports.figures import figures_of
from segments.models import Calculation, Membership, MembershipChange, RuleEvent, Segment
from tests.loyalty.raw_cards import sums_of_accounts
from workspace import sql
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

AT = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


@pytest.fixture
def logins_in(tmp_path, settings):
    settings.VAR = tmp_path
    return tmp_path / "demo_logins.json"


def test_invented_people_and_their_year_are_the_same_every_time() -> None:
    def tell() -> list[tuple[object, ...]]:
        rng = Random(5)
        stories = tell_stories(rng, invent_people(rng, at=AT)[:300], at=AT)
        return [(s.person.email, s.person.consents, len(s.happenings)) for s in stories]

    assert tell() == tell()


def test_nothing_invented_lies_in_the_future_or_before_we_met() -> None:
    rng = Random(5)
    for story in tell_stories(rng, invent_people(rng, at=AT), at=AT):
        for happening in story.happenings:
            assert story.person.created_at <= happening.occurred_at <= AT
        times = [at for _key, _state, at in story.person.consents]
        assert all(story.person.created_at <= at <= AT for at in times)


@pytest.mark.walk
@pytest.mark.django_db
def test_the_demo_workspace_is_whole_and_goes_away_without_a_trace(
    logins_in, django_capture_on_commit_callbacks
) -> None:
    loaded = load_demo_data(at=AT)

    assert Contact.objects.filter(is_demo=True).count() == loaded.contact_count == 5000
    assert set(Contact.objects.values_list("country", flat=True)) == {"PL", "DE", "FR", "US"}
    assert Identity.objects.filter(namespace="email").count() == 5000
    assert Event.objects.filter(definition__name="purchase").count() > 10_000
    by_statistics = sql.one("SELECT sum(event_count) FROM contacts_eventstatistic")
    assert Event.objects.count() == loaded.event_count == by_statistics
    missing_url = sql.one(
        "SELECT count(*) FROM contacts_event e WHERE (e.properties->>'url' IS NOT NULL)"
        " <> EXISTS (SELECT FROM contacts_url u WHERE u.id = e.url_id"
        " AND u.url = e.properties->>'url')"
    )
    assert missing_url == 0
    assert sql.one("SELECT count(*) FROM contacts_event_default") == 0
    # The derived amount is what was paid.
    assert Event.objects.filter(definition__name="purchase", amount__isnull=True).count() == 0
    assert 1000 < Member.objects.filter(left_at=None).count() < loaded.member_count
    assert ConsentState.objects.filter(state="withdrawn").count() > 100
    assert MetricValue.objects.filter(metric__key="lifetime_value").count() == 5000

    states = {
        (segment.status, str(segment.calculation_state(at=AT))) for segment in Segment.objects.all()
    }
    assert states >= {
        ("active", "ready"),
        ("active", "expired"),
        ("active", "failed"),
        ("inactive", "ready"),
        ("inactive", "waiting"),
        ("archived", "ready"),
    }
    for segment in Segment.objects.exclude(status="archived").filter(calculated_at__isnull=False):
        count = Membership.objects.filter(segment=segment).count()
        assert 5 <= segment.member_count == count < 2500, segment.key
    history = Calculation.objects.filter(segment__key="loyal_customers").order_by("at")
    assert len(set(history.values_list("member_count", flat=True))) > 5, "the chart has life"
    tasks = PeriodicTask.objects.filter(name__contains="segment", enabled=True)
    by_the_clock = Segment.objects.filter(refresh_mode="interval").values_list("pk", flat=True)
    assert {f"[{pk}]" for pk in by_the_clock} <= set(tasks.values_list("args", flat=True))
    assert Contact.objects.get(last_name="Scott", city="Scranton").membership_set.filter(
        segment__key="reviewers"
    )

    assert set(Source.objects.values_list("name", "kind")) == {
        ("Website", "web"),
        ("Shop server", "server"),
    }
    waiting = list(HeldEvent.objects.order_by("pk"))
    assert sorted(held.code for held in waiting) == [
        "event_missing",
        "no_user_anon_id",
        "wrong_value",
    ]
    for source in Source.objects.all():
        assert received_events.newest_id(source.pk) > 0
        course = daily_courses([source.pk], until=AT)[source.pk]
        assert course.total > 1000
        assert course.unused > 0
    nameless = next(held for held in waiting if held.code == "event_missing")
    (replayed,) = replay([nameless.pk], actor=SYSTEM, at=AT, changes={"event": "review_left"})
    assert replayed.is_resolved

    cards = Campaign.objects.get(key="review_gift_cards")
    figures = figures_of([cards.pk], at=AT)[cards.pk]
    assert figures.published > 100
    assert min(figures.redemptions, figures.rolled_back, figures.held_out, figures.expired) > 0
    assert figures.outstanding_minor + figures.redeemed_minor + figures.expired_minor == (
        figures.published_minor
    )
    assert set(Member.objects.filter(left_at=None).values_list("tier", flat=True)) == {
        *("bronze", "silver", "gold", "platinum")
    }
    assert Claim.objects.filter(mechanism__key="free_coffee").count() > 20

    lives = dict(Journey.objects.values_list("key", "state"))
    assert lives == {
        "after_the_first_order": "live",
        "first_message_and_reactions": "draft",
        "win_back": "draft",
    }
    for journey in Journey.objects.all():
        found = checking.faults_of(journey, actor=SYSTEM, at=AT)
        assert checking.errors_among(found) == [], journey.key
    outcomes = set(Participant.objects.values_list("state", "outcome"))
    assert outcomes == {("waiting", ""), ("done", "ended")}
    assert Participant.objects.filter(goal_at__isnull=False).count() > 5
    assert set(Message.objects.values_list("state", flat=True)) == {"sent", "left_out"}

    told = json.loads(logins_in.read_text("utf-8"))
    assert stat.S_IMODE(logins_in.stat().st_mode) == 0o600
    assert [login["role"] for login in told] == ["Administrator", "Marketer", "Loyalty manager"]
    request = RequestFactory().get("/")
    for login in told:
        person = authenticate(request, username=login["username"], password=login["password"])
        assert person is not None
        assert person.is_staff

    with pytest.raises(WorkspaceInUse):
        load_demo_data(at=AT)
    call_command("load_demo_data", if_empty=True)
    assert Contact.objects.count() == 5000

    # Somebody began to work with it: a contact and a segment of their own.
    own = Contact.objects.create(first_name="Own")
    ContactTag.objects.create(contact=own, tag=Tag.objects.get(key="vip"))
    segment = Segment.objects.create(
        key="own",
        name="Own",
        criteria={
            "combinator": "and",
            "rules": [
                {"field": "segment", "operator": "in", "value": ["newcomers"]},
                {"field": "attribute.cups_per_day", "operator": ">", "value": 2},
            ],
        },
    )
    guest = Contact.objects.filter(is_demo=True)[0]
    Membership.objects.create(segment=segment, contact=guest, entered_at=AT)
    Segment.objects.filter(pk=segment.pk).update(member_count=1)
    boss = User.objects.create_superuser("boss")

    with django_capture_on_commit_callbacks(execute=True):
        removed = remove_demo_data(actor=SYSTEM, at=AT + timedelta(hours=1))

    assert removed.removed.contact_count == 5000
    assert removed.kept_keys == ("cups_per_day", "newcomers", "vip")
    assert removed.kept_logins == ()
    assert list(Contact.objects.all()) == [own]
    assert not logins_in.exists()
    for left in (
        Journey,
        Participant,
        Message,
        Template,
        RuleEvent,
        Source,
        ReceivedEvent,
        HeldEvent,
        SourceCount,
    ):
        assert not left.objects.exists(), left
    for gone in (Campaign, Claim, CardPosting, Mechanism, PointsPosting, Redemption, Voucher):
        assert gone.objects.count() == 0, gone
    for model in (Event, EventStatistic, Identity, LastSeen, Member, MetricValue, Url, Membership):
        assert model.objects.count() == 0, model
    assert set(Segment.objects.values_list("key", "member_count")) == {("own", 0), ("newcomers", 0)}
    assert set(MembershipChange.objects.values_list("segment__key", flat=True)) <= {"newcomers"}
    assert list(Tag.objects.values_list("key", "is_demo")) == [("vip", False)]
    assert list(User.objects.all()) == [boss]
    assert AuditEntry.objects.filter(action="demo.removed").count() == 1

    remove_demo_data(actor=SYSTEM, at=AT + timedelta(hours=2))
    assert AuditEntry.objects.filter(action="demo.removed").count() == 1, "nothing was left to do"
    assert not find_demo_data().is_any


@pytest.mark.long
@pytest.mark.django_db
def test_a_campaign_of_which_somebody_has_a_card_stays_and_adds_up(logins_in) -> None:
    load_demo_data(at=AT)
    own = Contact.objects.create(first_name="Own")
    campaign = Campaign.objects.get(key="review_gift_cards")
    RuleAssignment.objects.filter(campaign=campaign).delete()
    publications.publish(campaign=campaign, contact_id=own.pk, actor=SYSTEM, at=AT)
    value = sums_of_accounts(campaign)

    removed = remove_demo_data(actor=SYSTEM, at=AT + timedelta(hours=1))

    assert "review_gift_cards" in removed.kept_keys
    campaign.refresh_from_db()
    assert not campaign.is_demo
    assert sums_of_accounts(campaign) == value
    assert list(Voucher.objects.exclude(holder=None).values_list("holder", flat=True)) == [own.pk]
    assert Publication.objects.get().contact_id == own.pk


@pytest.mark.django_db
def test_removing_the_demo_locks_nobody_out(logins_in) -> None:
    for login in logins.make_logins():
        assert login["password"]
    marketer = User.objects.get(username="marketer")

    with pytest.raises(NotAllowed):
        remove_demo_data(actor=actor_of_user(marketer), at=AT)
    removed = remove_demo_data(actor=SYSTEM, at=AT)

    assert removed.kept_logins == ("admin",), "no other administrator exists"
    assert list(User.objects.values_list("username", flat=True)) == ["admin"]


@pytest.mark.django_db
def test_a_workspace_in_use_gets_no_demo(logins_in, capsys) -> None:
    Contact.objects.create(first_name="Real")
    call_command("load_demo_data", if_empty=True)
    with pytest.raises(CommandError, match="in use"):
        call_command("load_demo_data")
    assert Contact.objects.count() == 1
    assert not is_empty()
    assert not logins_in.exists()


def test_prices_are_exact_in_json() -> None:
    assert all(product.price == round(product.price, 2) for product in shop.PRODUCTS)
