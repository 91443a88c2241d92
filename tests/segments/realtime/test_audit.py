"""The nightly audit finds nothing; where somebody meddled, it puts members right and cries out."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.schedule import SCHEDULE
from contacts import touches
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from segments import health, tasks
from segments.models import Finding, Following, Membership, MembershipChange, Segment
from segments.realtime import audit, clock, following, state
from tests.segments.factories import HOUR, NOW, make_contacts, make_segment, member_ids, refresh
from tests.segments.realtime.test_clock import lately
from tests.segments.realtime.test_following import live
from workspace.access import SYSTEM
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db


def _audit(at: Any = NOW) -> list[tuple[str, int, int, bool]]:
    found = audit.audit_all(at=at)
    return [(one.segment_key, one.missing, one.surplus, bool(one.skipped)) for one in found]


def test_where_all_went_well_it_finds_nothing_and_writes_nothing() -> None:
    make_contacts("Warszawa", "Paris")
    live()
    before = MembershipChange.objects.count()
    assert _audit() == [("poles", 0, 0, False)]
    assert not Finding.objects.exists()
    assert MembershipChange.objects.count() == before


def test_who_is_still_to_be_asked_is_not_wrong() -> None:
    ania, bartek = make_contacts("Warszawa", "Warszawa")
    segment = live()
    recent = live("lately", lately())
    record_events([IncomingEvent(ania, "visit", NOW)], received_at=NOW)
    while following.follow(NOW):
        pass
    # Touched and not asked yet; owed; and turned by time since the last look.
    Contact.objects.filter(pk=ania).update(city="Paris")
    Contact.objects.filter(pk=bartek).update(city="Paris")
    touches.take(10)
    touches.touch([ania], "contact")
    state.owe([(segment.pk, bartek, "contact")])
    at = NOW + 2 * HOUR
    assert _audit(at) == [("poles", 0, 0, False), ("lately", 0, 0, False)]
    assert member_ids(recent) == {ania}
    touches.touch_everyone(["contact"])
    assert _audit(at) == [("poles", 0, 0, True), ("lately", 0, 0, False)]
    clock.tick(at)
    assert member_ids(recent) == set()


def test_members_that_somebody_meddled_with_are_put_right_and_it_is_an_alarm() -> None:
    ania, bartek, celine = make_contacts("Warszawa", "Warszawa", "Paris")
    owner = User.objects.create_superuser("owner", email="owner@example.com")
    segment = live(owner=owner, mail_findings=True)
    Membership.objects.filter(contact_id=ania).delete()
    Membership.objects.create(segment=segment, contact_id=celine, entered_at=NOW)
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("check_memberships", as_of=NOW, stdout=out, stderr=err)
    assert "1 were missing, 1 too many" in err.getvalue()
    assert member_ids(segment) == {ania, bartek}
    causes = MembershipChange.objects.filter(cause="audit").order_by("contact_id")
    assert list(causes.values_list("contact_id", "kind")) == [(ania, "entered"), (celine, "left")]
    (told,) = health.findings_of(segment, actor=SYSTEM)
    assert told.is_grave
    assert "1 were missing" in told.message
    assert AuditEntry.objects.get(action="segment.members_put_right").object_id == str(segment.pk)
    assert not audit.examine().is_well
    call_command("check_memberships", "poles", as_of=NOW, json=True, stdout=(out := StringIO()))
    assert json.loads(out.getvalue()) == {
        "segment": "poles",
        "missing": 0,
        "surplus": 0,
        "skipped": None,
    }
    assert not Finding.objects.exists()
    # By night the owner is told.
    Membership.objects.filter(contact_id=ania).delete()
    assert tasks.audit_memberships() == 1
    assert [message.to for message in mail.outbox] == [["owner@example.com"]]
    name = tasks.audit_memberships.name
    assert SCHEDULE["Compare members with a full evaluation"]["task"] == name


def test_doctor_says_when_nobody_looks() -> None:
    segment = make_segment(refresh_mode="realtime")
    refresh(segment, as_of=timezone.now())
    assert audit.examine().is_well
    Following.objects.update(followed_until=timezone.now() - HOUR)
    found = audit.examine()
    assert not found.is_well
    assert "run_rounds" in found.sentence


def test_the_command_names_what_it_cannot_compare() -> None:
    make_segment("once")
    with pytest.raises(CommandError, match="There is no segment nowhere"):
        call_command("check_memberships", "nowhere")
    with pytest.raises(CommandError, match="Not in real time, or not calculated yet: once"):
        call_command("check_memberships", "once")
    assert Segment.objects.count() == 1
