"""What uses a segment is found, and told only to who may know of it."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.test import RequestFactory

from segments import criteria, exports, lifecycle, uses
from segments.admin.on_contacts import SegmentFilter
from segments.errors import SegmentArchived, SegmentInactive, SegmentUnknown
from segments.export_schedules import create_schedule
from segments.export_settings import Wanted
from segments.facts import catalog_for, check_criteria
from segments.models import Segment
from segments.uses import Use, register_use, used_ids, uses_of
from tests.segments.factories import NOW, is_in, make_segment
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


def _outsider(*permissions: str) -> Actor:
    may = frozenset(permissions or {"segments.view_segment"})
    return Actor(AuditEntry.ActorKind.USER, 4711, "Outsider", permissions=may)


@pytest.fixture
def poland() -> Group:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    return group


@pytest.fixture
def in_a_journey() -> Iterator[None]:
    """A room on a floor above: one journey that uses every segment."""

    def find(segment: Segment) -> list[Use]:
        return [Use(f"Welcome {segment.name}", key="welcome", url="/j/1/", state="live")]

    register_use("tests.journey", "Journey", find)
    yield
    del uses._kinds["tests.journey"]


def _inactive(segment: Segment) -> Segment:
    return lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)


def _archived(segment: Segment) -> Segment:
    return lifecycle.archive(_inactive(segment), actor=SYSTEM, at=NOW)


def test_segments_that_name_it_are_found_by_name_with_their_page() -> None:
    base = make_segment("base")
    make_segment("b", is_in("base"), name="Beta")
    make_segment("a", is_in("base"), name="alpha")
    assert [(use.kind, use.name, use.key, use.state) for use in uses_of(base, actor=SYSTEM)] == [
        ("segment", "alpha", "a", "active"),
        ("segment", "Beta", "b", "active"),
    ]
    assert all(use.url.startswith("/admin/segments/") for use in uses_of(base, actor=SYSTEM))


def test_archived_segments_use_nothing() -> None:
    base = make_segment("base")
    above = make_segment("above", is_in("base"))
    assert used_ids([base, above]) == {base.pk}
    _archived(above)
    assert used_ids([base, above]) == set()
    assert uses_of(base, actor=SYSTEM) == []


def test_files_that_are_still_to_be_written_are_uses(in_a_journey: None) -> None:
    base = make_segment("base")
    export = exports.request_export(segment=base, actor=SYSTEM, at=NOW)
    found = uses_of(base, actor=SYSTEM)
    assert [(use.kind, use.name) for use in found] == [
        ("export", f"CSV #{export.pk}"),
        ("tests.journey", "Welcome Base"),
    ]
    hidden = uses_of(base, actor=_outsider())[0]
    assert (hidden.is_hidden, hidden.count) == (True, 1)


def test_what_one_may_not_know_of_is_counted_without_its_name(poland: Group) -> None:
    base = make_segment("base")
    make_segment("seen", is_in("base"))
    for key in ("one", "two"):
        make_segment(key, is_in("base"), name=f"Secret {key}", groups=["Poland"])
    found = uses_of(base, actor=_outsider())
    assert [(use.name, use.count, use.is_hidden) for use in found] == [
        ("Seen", 1, False),
        ("2 that you may not see", 2, True),
    ]
    assert not any("ecret" in f"{use.name}{use.key}{use.url}" for use in found)


def test_a_kind_is_registered_once(in_a_journey: None) -> None:
    with pytest.raises(ValueError, match=r"tests\.journey"):
        register_use("tests.journey", "Journey", lambda _segment: [])


def test_inactive_and_archived_segments_are_offered_in_no_picker() -> None:
    make_segment("used")
    resting = _inactive(make_segment("resting"))
    _archived(make_segment("gone"))
    assert [found.key for found in lifecycle.usable_segments(SYSTEM)] == ["used"]
    fields = criteria.describe(catalog_for(SYSTEM))["fields"]
    (offered,) = (field for field in fields if field["field"] == "segment")
    assert [choice["key"] for choice in offered["choices"]] == ["used"]
    request = RequestFactory().get("/")
    request._regulars_actor = SYSTEM  # type: ignore[attr-defined]
    shown = SegmentFilter(request, {}, Segment, None)
    assert [key for key, _name in shown.lookup_choices] == ["used"]
    # Its page leads to the list of its contacts.
    asking = RequestFactory().get("/", {"segment": resting.key})
    asking._regulars_actor = SYSTEM  # type: ignore[attr-defined]
    shown = SegmentFilter(asking, {"segment": [resting.key]}, Segment, None)
    assert ("resting", "Resting") in shown.lookup_choices


def test_criteria_that_name_an_inactive_or_archived_segment_stay_right() -> None:
    for key, turn in (("resting", _inactive), ("gone", _archived)):
        make_segment(f"above-{key}", is_in(turn(make_segment(key)).key))
        assert check_criteria(is_in(key), SYSTEM) == ()


def test_only_an_active_segment_can_begin_to_be_used(poland: Group) -> None:
    segment = make_segment("vip", name="VIPs", groups=["Poland"])
    assert lifecycle.require_usable(segment, actor=SYSTEM) == segment
    with pytest.raises(SegmentUnknown):
        lifecycle.require_usable(segment, actor=_outsider())
    assert not lifecycle.usable_segments(_outsider()).exists()
    _inactive(segment)
    with pytest.raises(SegmentInactive, match="VIPs” is inactive: nothing new can use it"):
        lifecycle.require_usable(segment, actor=SYSTEM)
    with pytest.raises(SegmentInactive):
        create_schedule(Wanted(segment=segment), actor=SYSTEM, at=NOW, amount=1, unit="day")
    _archived(segment)
    with pytest.raises(SegmentArchived, match="VIPs"):
        lifecycle.require_usable(segment, actor=SYSTEM)
