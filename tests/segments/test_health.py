"""What is wrong with segments is found, kept while it is so, told, and mailed once."""

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.schedule import SCHEDULE
from contacts.models import AttributeDefinition, Contact, ContactTag, MetricDefinition, Tag
from segments import checkups, exports, health, health_mail, lifecycle, membership, tasks
from segments.criteria import find_contradiction
from segments.facts import criteria_of
from segments.models import Finding, Segment, SegmentAction
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    refresh,
)
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, User, UserGroup

pytestmark = pytest.mark.django_db
_IMPOSSIBLE = {
    "combinator": "and",
    "rules": [
        {"field": "contact.lead_score", "operator": ">", "value": 60},
        {"field": "contact.lead_score", "operator": "<", "value": 18},
    ],
}
_DAILY: dict[str, Any] = {"refresh_mode": "interval", "refresh_amount": 1, "refresh_unit": "day"}


def _outsider() -> Actor:
    may = frozenset({"segments.view_segment"})
    return Actor(AuditEntry.ActorKind.USER, 4711, "Outsider", permissions=may)


def _found(*, at: datetime = NOW, but: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Which findings there are after a round, as (segment, kind, key)."""
    checkups.check_all(as_of=at)
    rows = Finding.objects.exclude(kind__in=but).order_by("segment__key", "kind", "key")
    return list(rows.values_list("segment__key", "kind", "key"))


def _told(segment: Segment, actor: Actor = SYSTEM) -> list[str]:
    return [told.message for told in health.findings_of(segment, actor=actor)]


# --- Contradictions -----------------------------------------------------------------------------


def test_a_contradiction_is_found_when_it_is_saved_and_gone_when_it_is_mended() -> None:
    segment = make_segment("vip", _IMPOSSIBLE)
    (told,) = health.findings_of(segment, actor=SYSTEM)
    assert told.kind == "contradiction"
    assert told.message.startswith("Nobody can ever fit: these never hold together: ")
    assert "60" in told.message
    assert "18" in told.message
    assert told.advice
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=lives_in("Warszawa"))
    assert health.findings_of(segment, actor=SYSTEM) == []
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=_IMPOSSIBLE)
    assert Finding.objects.get().found_at == NOW


def test_loyalty_members_only_contradicts_who_is_no_member() -> None:
    rule = {"field": "loyalty.is_member", "operator": "=", "value": False}
    segment = make_segment("vip", {"combinator": "and", "rules": [rule]})
    assert not Finding.objects.exists()
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, members_only=True)
    assert set(Finding.objects.get().data["paths"]) == {"members_only", "rules[0]"}


def test_a_contradiction_has_no_members() -> None:
    Contact.objects.bulk_create(Contact(lead_score=score) for score in (0, 17, 18, 60, 61))
    segment = make_segment("vip", _IMPOSSIBLE)
    refresh(segment)
    assert find_contradiction(criteria_of(segment)) is not None
    assert segment.member_count == 0


def test_a_contradiction_names_no_segment_of_others() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    make_segment("hidden", name="Secret plan", groups=["Poland"])
    rules = [
        {"field": "segment", "operator": "in", "value": ["hidden"]},
        {"field": "segment", "operator": "notIn", "value": ["hidden"]},
    ]
    segment = make_segment("vip", {"combinator": "and", "rules": rules})
    assert "Secret plan" in _told(segment)[0]
    (message,) = _told(segment, _outsider())
    assert "never hold together" in message
    assert "Secret" not in message
    assert "hidden" not in message


# --- Late ---------------------------------------------------------------------------------------


def test_a_refresh_is_late_after_its_time_and_some_patience() -> None:
    segment = make_segment("daily", at=NOW, **_DAILY)
    refresh(segment)
    patience = checkups.LATE_AFTER + DAY * 0.1
    assert checkups.check_late(as_of=NOW + DAY + patience).counts == {"late": 0}
    assert checkups.check_late(as_of=NOW + DAY + patience + HOUR).counts == {"late": 1}
    assert _told(segment)[0].startswith("Its refresh is late: its members are those of 2 Mar")
    refresh(segment, as_of=NOW + 2 * DAY)
    checkups.check_late(as_of=NOW + 2 * DAY)
    assert _told(segment) == []


def test_a_refresh_that_fails_again_and_again_is_late() -> None:
    segment = make_segment("daily", **_DAILY)
    refresh(segment)
    Segment.objects.update(failure="It took too long.", failed_at=NOW + 2 * DAY)
    assert checkups.check_late(as_of=NOW + 2 * DAY).counts == {"late": 1}


def test_a_first_calculation_that_nobody_does_is_late() -> None:
    segment = make_segment("new", at=NOW)
    assert checkups.check_late(as_of=NOW + HOUR).counts == {"late": 0}
    checkups.check_late(as_of=NOW + 2 * HOUR)
    assert _told(segment) == ["Its first calculation has been waiting for more than an hour."]


def test_what_is_calculated_once_or_out_of_use_is_never_late() -> None:
    refresh(make_segment("once"))
    resting = make_segment("resting", **_DAILY)
    refresh(resting)
    lifecycle.inactivate(resting, actor=SYSTEM, at=NOW)
    assert checkups.check_late(as_of=NOW + 90 * DAY).counts == {"late": 0}


# --- Unused -------------------------------------------------------------------------------------


def test_what_nothing_uses_for_thirty_days_is_unused() -> None:
    for key in ("alone", "named", "acted", "exported", "young"):
        make_segment(key, lives_in(key), at=NOW - 40 * DAY)
    Segment.objects.filter(key="young").update(created_at=NOW - 29 * DAY)
    make_segment("above", is_in("named"), at=NOW)
    SegmentAction.objects.create(
        segment=Segment.objects.get(key="acted"),
        kind="export",
        author_kind="user",
        state="done",
        created_at=NOW - 3 * DAY,
        finished_at=NOW - 3 * DAY,
    )
    exported = Segment.objects.get(key="exported")
    exports.request_export(segment=exported, actor=SYSTEM, at=NOW - 3 * DAY)
    but = ("empty_field", "late")
    assert _found(but=but) == [("alone", "unused", "")]
    (message,) = [m for m in _told(Segment.objects.get(key="alone")) if "Nothing" in m]
    assert message == (
        "Nothing uses it: no segment, schedule or plan, and for 30 days no action or export."
    )
    later = [key for key, _kind, _key in _found(at=NOW + 40 * DAY, but=(*but, "duplicate"))]
    assert later == ["above", "acted", "alone", "young"], "the file still waits to be written"


# --- Fields always empty ------------------------------------------------------------------------


def test_fields_that_no_contact_has_are_told_by_their_labels() -> None:
    AttributeDefinition.objects.create(key="shoe", label="Shoe size", type="number")
    MetricDefinition.objects.create(key="orders", label="Orders")
    tags = [Tag.objects.create(key=key, label=key.upper()) for key in ("vip", "new")]
    (contact,) = make_contacts("Warszawa")
    ContactTag.objects.create(contact_id=contact, tag=tags[0])
    rules = [
        {"field": "contact.city", "operator": "=", "value": "Warszawa"},
        {"field": "contact.phone", "operator": "null"},
        {"field": "attribute.shoe", "operator": ">", "value": 40},
        {"field": "metric.orders", "operator": ">", "value": 4},
        {"field": "tag", "operator": "in", "value": ["vip", "new"]},
        {"field": "event.purchase", "operator": ">=", "value": 1},
    ]
    segment = make_segment("vip", {"combinator": "or", "rules": rules})
    assert [key for _segment, _kind, key in _found()] == [
        *("attribute.shoe", "contact.phone", "event.purchase", "metric.orders", "tag:new"),
    ]
    assert "It asks for “Shoe size”, which no contact has." in _told(segment)
    Contact.objects.update(attributes={"shoe": 42}, phone="+48 22 111")
    assert [key for _segment, _kind, key in _found()] == [
        *("event.purchase", "metric.orders", "tag:new"),
    ]


# --- Never changing, duplicates -----------------------------------------------------------------


def test_what_is_refreshed_for_nothing_is_told() -> None:
    make_contacts("Warszawa")
    start = NOW - 45 * DAY
    still, moving = (
        make_segment(key, at=start, **_DAILY, criteria=lives_in("Warszawa", key))
        for key in ("still", "moving")
    )
    for segment in (still, moving):
        for day in range(0, 44, 2):
            if segment == moving and day == 40:
                make_contacts("moving")
            membership.refresh(segment.pk, as_of=start + DAY * day, cause="test")
    kinds = [(key, kind) for key, kind, _ in _found(but=("unused", "late"))]
    assert kinds == [("still", "unchanging")]
    assert "Nobody entered or left at any of its last 14 calculations." in _told(still)


def test_the_same_criteria_in_another_order_are_duplicates() -> None:
    make_contacts("Warszawa")
    one, two = (
        {"field": "contact.city", "operator": "=", "value": "Warszawa"},
        {"field": "contact.lead_score", "operator": ">=", "value": 0},
    )
    first = make_segment("first", {"combinator": "and", "rules": [one, two]}, name="First")
    nested = {"combinator": "and", "rules": [two, {"combinator": "or", "rules": [one]}]}
    make_segment("second", nested, name="Second")
    make_segment("third", {"combinator": "or", "rules": [one, two]})
    make_segment("members", {"combinator": "and", "rules": [one, two]}, members_only=True)
    assert _found() == [("first", "duplicate", "criteria"), ("second", "duplicate", "criteria")]
    assert _told(first) == ["It says the same as “Second”."]


def test_the_same_members_calculation_after_calculation_are_duplicates() -> None:
    ids = make_contacts("Warszawa", "Warszawa", "Kraków", "Kraków")
    Contact.objects.filter(pk__in=ids[:2]).update(country="PL")
    by_country = {"field": "contact.country", "operator": "=", "value": "PL"}
    make_segment("city", lives_in("Warszawa"))
    make_segment("country", {"combinator": "and", "rules": [by_country]})
    make_segment("as-many", lives_in("Kraków"))
    for hour in range(3):
        assert _found() == []
        for segment in Segment.objects.all():
            refresh(segment, as_of=NOW + hour * HOUR)
    assert _found() == [("city", "duplicate", "members"), ("country", "duplicate", "members")]


def test_a_duplicate_is_told_only_to_who_may_know_the_other() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    make_contacts("Warszawa")
    seen = make_segment("seen")
    make_segment("hidden", name="Secret plan", groups=["Poland"])
    checkups.check_all(as_of=NOW)
    assert _told(seen) == ["It says the same as “Secret plan”."]
    assert _told(seen, _outsider()) == []
    assert health.findings_by_segment([seen], actor=_outsider()) == {}


# --- Keeping, telling, mailing ------------------------------------------------------------------


def test_what_stays_so_keeps_its_time_and_what_is_out_of_use_has_no_findings() -> None:
    segment = make_segment("vip", _IMPOSSIBLE)
    first = checkups.check_all(as_of=NOW + DAY)
    assert [finding.kind for finding in first.new] == ["late"]
    again = checkups.check_all(as_of=NOW + 2 * DAY)
    assert again.new == []
    times = dict(Finding.objects.values_list("kind", "found_at"))
    assert times == {"contradiction": NOW, "late": NOW + DAY}
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    segment.refresh_from_db()
    assert health.findings_of(segment, actor=SYSTEM) == []
    checkups.check_all(as_of=NOW + 3 * DAY)
    assert not Finding.objects.exists()


def _has_no_score() -> dict[str, Any]:
    rule = {"field": "contact.lead_score", "operator": "null"}
    return {"combinator": "and", "rules": [rule]}


def _owner(*groups: Group) -> User:
    owner = User.objects.create_user("anna", email="anna@example.com", is_staff=True)
    owner.user_permissions.add(Permission.objects.get(codename="view_segment"))
    owner.groups.set(groups)
    return owner


def test_an_owner_who_wants_it_gets_one_mail_for_each_finding() -> None:
    make_segment("vip", _IMPOSSIBLE, name="Very\nimportant", owner=_owner(), mail_findings=True)
    make_segment("quiet", _has_no_score(), owner=User.objects.get())
    assert health_mail.mail_findings(at=NOW) == 1
    (letter,) = mail.outbox
    assert letter.to == ["anna@example.com"]
    assert letter.subject == "Segment “Very important”: nobody can fit"
    assert "60" in letter.body
    assert "/admin/segments/segment/" in letter.body
    assert health_mail.mail_findings(at=NOW + DAY) == 0, "not every night"
    checkups.check_all(as_of=NOW + 2 * DAY)
    assert health_mail.mail_findings(at=NOW + 2 * DAY) == 1, "only what is new: it is late"


def test_no_mail_tells_what_the_owner_may_not_know() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    owner = _owner()
    make_contacts("Warszawa")
    make_segment("mine", owner=owner, mail_findings=True)
    make_segment("hidden", name="Secret plan", groups=["Poland"])
    moved = make_segment("moved", _IMPOSSIBLE, owner=owner, mail_findings=True)
    moved.groups.add(group)
    checkups.check_all(as_of=NOW)
    assert health_mail.mail_findings(at=NOW) == 0
    assert mail.outbox == []


def test_what_cannot_be_sent_is_sent_next_time(settings: Any) -> None:
    make_segment("vip", _IMPOSSIBLE, owner=_owner(), mail_findings=True)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert health_mail.mail_findings(at=NOW) == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert health_mail.mail_findings(at=NOW) == 1


def test_a_round_costs_the_same_for_few_and_many() -> None:
    def cost(first: int, last: int) -> int:
        for number in range(first, last):
            make_segment(f"s{number}", lives_in(f"city {number}"), at=NOW - 60 * DAY, **_DAILY)
        with CaptureQueriesContext(connection) as captured:
            checkups.check_all(as_of=NOW)
        return len(captured)

    make_contacts("Warszawa")
    assert cost(0, 2) == cost(2, 20)


def test_the_command_prints_what_it_finds() -> None:
    make_segment("vip", _IMPOSSIBLE)
    output = StringIO()
    call_command("check_segments", "--json", "--as-of", NOW.isoformat(), stdout=output)
    (line,) = output.getvalue().splitlines()
    found = json.loads(line)
    assert (found["segment"], found["kind"], found["others"]) == ("vip", "contradiction", [])
    output = StringIO()
    call_command("check_segments", stdout=output, as_of=NOW + timedelta(minutes=1))
    assert output.getvalue().startswith("vip: Nobody can ever fit")
    Segment.objects.update(status="inactive")
    output = StringIO()
    call_command("check_segments", stdout=output)
    assert output.getvalue() == "Nothing is wrong.\n"


def test_criteria_that_became_wrong_are_no_finding_of_health() -> None:
    segment = make_segment("vip")
    Segment.objects.filter(pk=segment.pk).update(criteria=has_attribute("hat", 7))
    assert _found() == []


def test_a_check_that_takes_too_long_does_not_keep_the_others_from_telling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_contacts("Warszawa")
    make_segment("bad", _IMPOSSIBLE)
    monkeypatch.setattr(checkups, "_SAME_MEMBERS", "SELECT pg_sleep(5), %s, %s::int[], %s")
    monkeypatch.setattr(checkups, "_LIMIT", {"statement_timeout": "200ms"})
    checked = checkups.check_all(as_of=NOW)
    assert checked.counts["contradiction"] == 1
    assert "duplicate" not in checked.counts


def test_beat_looks_every_night_and_for_late_refreshes_every_hour() -> None:
    make_segment("bad", _IMPOSSIBLE, owner=_owner(), mail_findings=True, at=timezone.now())
    assert tasks.check_segments()["contradiction"] == 1
    assert [letter.subject for letter in mail.outbox] == ["Segment “Bad”: nobody can fit"]
    assert tasks.find_late_refreshes() == {"late": 0}
    asked = {str(round_["task"]) for round_ in SCHEDULE.values()}
    assert {"segments.tasks.check_segments", "segments.tasks.find_late_refreshes"} <= asked
