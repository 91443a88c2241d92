"""Segments on the timeline of a contact: entered and left, why, and only for who may know."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission

from contacts import profiles
from contacts.events import IncomingEvent, record_events
from contacts.models import EventDefinition
from contacts.timeline import Filters, Item, counts, page
from segments.models import MembershipChange, Segment
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact, make_tag
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db
ONLY = Filters(kinds=frozenset({"segment"}))


def change(
    segment: Segment, contact_id: int, minute: int, cause: str, kind: str = "entered"
) -> None:
    MembershipChange.objects.create(
        segment=segment, contact_id=contact_id, at=NOW + minute * MINUTE, kind=kind, cause=cause
    )


def person(*permissions: str) -> Actor:
    """Somebody in no group, who has these permissions."""
    user = User.objects.create_user(f"person{User.objects.count()}")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return actor_of_user(user)


def walk(contact_id: int, actor: Actor, size: int) -> Iterator[list[Item]]:
    after = None
    while found := page(contact_id, actor=actor, after=after, limit=size):
        yield found
        after = found[-1].place


def test_a_refresh_tells_who_entered_and_left() -> None:
    anna = make_contact(city="Warszawa").pk
    segment = make_segment("poles", name="Poles in town")
    refresh(segment, as_of=NOW + HOUR, cause="scheduled")
    profiles.update_contact(anna, changes={"city": "Berlin"}, actor=SYSTEM, at=NOW + 2 * HOUR)
    refresh(segment, as_of=NOW + 3 * HOUR, cause="requested")
    left, entered = page(anna, actor=SYSTEM, filters=ONLY)
    assert (entered.title, left.title) == ("Entered “Poles in town”", "Left “Poles in town”")
    assert entered.text == "when the segment was refreshed on time"
    assert left.data == {"segment": "poles", "change": "left", "cause": "requested"}
    assert left.url == f"/admin/segments/segment/{segment.pk}/change/"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("event:review_left", "because of the event “Left a review”"),
        ("event:unheard_of", "because of the event “unheard_of”"),
        ("tag:vip", "because of the tag “Very important”"),
        ("segment:other", "because of the segment “Other”"),
        ("time", "as time passed"),
        ("contact", "because the profile changed"),
        ("something new", "something new"),
    ],
)
def test_a_cause_is_told_in_words(cause: str, words: str) -> None:
    EventDefinition.objects.create(name="review_left", label="Left a review")
    make_tag("vip", label="Very important")
    make_segment("other")
    anna = make_contact().pk
    change(make_segment("poles"), anna, 0, cause)
    (item,) = page(anna, actor=SYSTEM, filters=ONLY)
    assert item.text == words


def test_what_a_hidden_segment_did_leaves_no_trace_and_no_gap() -> None:
    anna = make_contact().pk
    Group.objects.create(name="Poland")
    hidden = make_segment("zzyzx-secret", name="Zzyzx secret", groups=["Poland"])
    shown = make_segment("shown", name="Shown")
    for minute in range(40):
        change(hidden, anna, minute, "time", "entered" if minute % 2 else "left")
        if minute % 10 == 0:
            change(shown, anna, minute, "segment:zzyzx-secret")
    record_events([IncomingEvent(anna, "visit", NOW + DAY)], received_at=NOW + DAY)
    outside, blind = person("view_contact", "view_segment"), person("view_contact")
    chunks = list(walk(anna, outside, 2))
    # As many as without the hidden one: the visit, four changes, and since when she is known.
    assert [len(chunk) for chunk in chunks] == [2, 2, 2]
    told = str(chunks)
    assert "zzyzx" not in told.lower()
    assert told.count("because of another segment") == 4
    assert "'cause': 'segment'" in told
    count = {one.source.kind: one.count for one in counts(anna, actor=outside)}
    assert (count["segment"], count["event"]) == (4, 1)
    wanted = Filters(segment="zzyzx-secret")
    assert page(anna, actor=outside, filters=wanted) == []
    assert len(page(anna, actor=SYSTEM, filters=wanted, limit=100)) == 40
    for text in ("zzyzx", "Zzyzx secret"):
        assert page(anna, actor=outside, filters=Filters(text=text)) == []
    assert {item.kind for item in page(anna, actor=blind)} == {"event", "change"}
    assert "segment" not in {one.source.kind for one in counts(anna, actor=blind)}
