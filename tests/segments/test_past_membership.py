"""Who was in at a past moment, who came and went between two, and segments made of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.erasure import erase_contact
from contacts.models import Contact, Identity
from segments import fixed_lists, lifecycle, past
from segments.errors import PastForgotten, PastNotYet, SegmentUnknown
from segments.fixed_lists import Choice
from segments.models import Calculation, ListedContact, MembershipChange, Segment
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from tests.segments.test_lifecycle import _group, _person
from workspace import jobs, partitions, sql
from workspace.access import SYSTEM
from workspace.errors import NotAllowed

pytestmark = pytest.mark.django_db
TICK = timedelta(microseconds=1)
# Calculations lie in several months, so that the log has several partitions.
MOMENTS = [NOW - 70 * DAY, NOW - 35 * DAY, NOW - 34 * DAY, NOW - HOUR, NOW]


def _calculated(*members: set[int], ids: list[int]) -> Segment:
    """A segment that had these members (places in `ids`) at the calculations of MOMENTS."""
    segment = make_segment(at=MOMENTS[0])
    for at, wanted in zip(MOMENTS, members, strict=False):
        Contact.objects.filter(pk__in=ids).update(city="Paris")
        Contact.objects.filter(pk__in=[ids[place] for place in wanted]).update(city="Warszawa")
        refresh(segment, as_of=at)
    return segment


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sets(st.integers(0, 5)), min_size=5, max_size=5), st.booleans())
def test_the_past_is_what_the_calculations_said(db: None, states: Any, is_archived: bool) -> None:
    ids = make_contacts(*["Paris"] * 6)
    segment = _calculated(*states, ids=ids)
    if is_archived:
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW + HOUR)
        lifecycle.archive(segment, actor=SYSTEM, at=NOW + HOUR)
        segment.refresh_from_db()
    said = [[ids[place] for place in sorted(wanted)] for wanted in states]
    try:
        for at, wanted in zip(MOMENTS, said, strict=True):
            for moment in (at, at + TICK):
                assert past.members_at(segment, at=moment, limit=10) == wanted
                assert past.look_back(segment, at=moment, now=NOW + DAY).count == len(wanted)
        assert past.members_at(segment, at=MOMENTS[0] - TICK, limit=10) == []
        for first, since in enumerate(MOMENTS):
            for last, until in list(enumerate(MOMENTS))[first:]:
                flow = past.flow_between(segment, since=since, until=until)
                came, went = states[last] - states[first], states[first] - states[last]
                assert (flow.entered, flow.left) == (len(came), len(went))
                page = past.flow_page(segment, "entered", since=since, until=until, limit=10)
                assert [member.contact_id for member in page] == [ids[n] for n in sorted(came)]
                page = past.flow_page(segment, "left", since=since, until=until, limit=10)
                assert [member.contact_id for member in page] == [ids[n] for n in sorted(went)]
    finally:
        Segment.objects.all().delete()
        sql.execute("DELETE FROM segments_membershipchange")
        Contact.objects.all().delete()


def test_both_ways_to_read_the_log_say_the_same() -> None:
    ids = make_contacts(*["Paris"] * 6)
    segment = _calculated({0, 1, 2}, {1, 2, 3}, {3, 4}, {0, 4, 5}, {4, 5}, ids=ids)
    texts = set()
    for at in MOMENTS:
        texts.add(past.members_query(segment, at=at).text)
        forth = sql.rows(past._FROM_BEGINNING, [segment.pk, at, 0])
        back = sql.rows(past._FROM_PRESENT, [segment.pk, 0, segment.pk, at, 0])
        assert {row["contact_id"] for row in forth} == {row["contact_id"] for row in back}
    assert texts == {past._FROM_BEGINNING, past._FROM_PRESENT}


def test_a_moment_has_the_version_that_its_members_were_calculated_by() -> None:
    make_contacts("Warszawa", "Kraków", "Kraków")
    segment = make_segment()
    refresh(segment)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + HOUR, criteria=lives_in("Kraków"))
    # Changed, but not calculated yet: those of the first version are in.
    moment = past.look_back(segment, at=NOW + 2 * HOUR, now=NOW + DAY)
    assert moment.version is not None
    assert (moment.count, moment.version.number) == (1, 1)
    refresh(segment, as_of=NOW + 3 * HOUR)
    moment = past.look_back(segment, at=NOW + 3 * HOUR, now=NOW + DAY)
    assert moment.version is not None
    assert (moment.count, moment.version.number) == (2, 2)


def test_before_the_first_calculation_nobody_was_in() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment, as_of=NOW + DAY)
    moment = past.look_back(segment, at=NOW + HOUR, now=NOW + 2 * DAY)
    assert (moment.count, moment.calculation) == (0, None)
    assert moment.version is not None
    assert past.look_back(segment, at=NOW - DAY, now=NOW).version is None


def test_the_future_is_refused() -> None:
    with pytest.raises(PastNotYet):
        past.look_back(make_segment(), at=NOW + TICK, now=NOW)


def test_what_the_log_does_not_reach_any_more_is_refused() -> None:
    ids = make_contacts("Paris", "Paris")
    segment = _calculated({0}, {0, 1}, {1}, ids=ids)
    gone, *_kept = partitions.months(MembershipChange._meta.db_table)
    partitions.drop_month(MembershipChange._meta.db_table, gone)
    with pytest.raises(PastForgotten):
        past.look_back(segment, at=MOMENTS[0], now=NOW)
    # From the present the rest is still known.
    query = sql.rows(past._FROM_PRESENT, [segment.pk, 0, segment.pk, MOMENTS[1], 0])
    assert {row["contact_id"] for row in query} == set(ids)


def test_pages_of_a_moment_turn_both_ways() -> None:
    ids = make_contacts(*["Warszawa"] * 5)
    Contact.objects.filter(pk=ids[0]).update(email="a@example.com")
    Identity.objects.create(namespace="user_id", value="u-1", contact_id=ids[0])
    segment = make_segment()
    refresh(segment)
    Contact.objects.update(city="Paris")
    refresh(segment, as_of=NOW + DAY)
    first = past.members_page_at(segment, at=NOW, limit=2)
    assert [member.contact_id for member in first] == ids[:2]
    assert (first[0].email, first[0].external_id, first[0].entered_at) == (
        "a@example.com",
        "u-1",
        NOW,
    )
    second = past.members_page_at(segment, at=NOW, after=ids[1], limit=2)
    assert [member.contact_id for member in second] == ids[2:4]
    back = past.last_before(segment, at=NOW, before=ids[4], limit=2)
    assert [member.contact_id for member in back] == ids[2:4]


def test_a_calculation_as_of_an_earlier_moment_is_where_the_log_has_it() -> None:
    (ania,) = make_contacts("Paris")
    segment = make_segment()
    refresh(segment, as_of=NOW)
    Contact.objects.update(city="Warszawa")
    refresh(segment, as_of=NOW + HOUR)
    Contact.objects.update(city="Paris")
    refresh(segment, as_of=NOW)
    last = Calculation.objects.latest("pk")
    assert past.logged_at(last) == NOW + HOUR + TICK
    assert past.members_at(segment, at=NOW + HOUR, limit=5) == [ania]
    assert past.members_at(segment, at=past.logged_at(last), limit=5) == []


def _filled(choice: Choice, **given: Any) -> Segment:
    actor = given.pop("actor", SYSTEM)
    made, job = fixed_lists.request_list(
        choice, actor=actor, at=NOW + DAY, name=given.pop("name", "Fixed"), **given
    )
    assert made.calculation_state(at=NOW) == "waiting"
    done = jobs.run(job.pk)
    assert done is not None
    assert done.state == "succeeded", done.message
    made.refresh_from_db()
    return made


def test_a_segment_is_made_of_who_entered_who_left_and_who_was_in() -> None:
    ids = make_contacts(*["Paris"] * 4)
    segment = _calculated({0, 1}, {1, 2, 3}, ids=ids)
    span = {"since": MOMENTS[0], "until": MOMENTS[1]}
    for kind, places in (("entered", {2, 3}), ("left", {0}), ("members", {1, 2, 3})):
        made = _filled(Choice(segment, kind, **span), name=kind)  # type: ignore[arg-type]
        assert member_ids(made) == {ids[place] for place in places}
        assert (made.source, made.member_count) == ("list", len(places))
        causes = MembershipChange.objects.filter(segment=made).values_list("cause", flat=True)
        assert set(causes) == {"list"}


def test_a_fixed_list_stays_as_it_is_but_for_the_erased() -> None:
    ids = make_contacts("Warszawa", "Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment)
    made = _filled(Choice(segment, "members", NOW))
    Contact.objects.update(city="Paris")
    make_contacts("Warszawa")
    erase_contact(ids[0], actor=SYSTEM, at=NOW + DAY)
    refresh(made, as_of=NOW + 2 * DAY)
    assert member_ids(made) == set(ids[1:])
    assert set(ListedContact.objects.values_list("contact_id", flat=True)) == set(ids[1:])


def test_who_was_erased_is_passed_over() -> None:
    ids = make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment)
    erase_contact(ids[0], actor=SYSTEM, at=NOW)
    assert member_ids(_filled(Choice(segment, "members", NOW))) == {ids[1]}


def test_filling_twice_changes_nothing() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    choice = Choice(segment, "members", NOW)
    made = _filled(choice)
    fixed_lists.fill(made, choice, actor=SYSTEM, at=NOW + DAY)
    made.refresh_from_db()
    assert (made.version_number, made.versions.count()) == (1, 1)


def test_its_name_does_not_tell_of_a_segment_that_others_may_not_know() -> None:
    team = _group("Team", "segment")
    _group("Others", "segment")
    make_contacts("Warszawa")
    segment = make_segment("secret", name="Secret plan", groups=["Team"])
    refresh(segment)
    member = _person("member", team)
    made = _filled(Choice(segment, "members", NOW), actor=member, groups=["Team"])
    assert made.contact_list is not None
    assert "Secret" not in made.contact_list.title
    with pytest.raises(SegmentUnknown):
        fixed_lists.request_list(
            Choice(segment, "members", NOW),
            actor=_person("outside", Group.objects.get(name="Others")),
            at=NOW,
            name="X",
            groups=["Others"],
        )


def test_making_one_needs_the_permission_and_a_moment_that_is_over() -> None:
    segment = make_segment()
    reader = _person("reader", may=("view_segment",))
    with pytest.raises(NotAllowed):
        fixed_lists.request_list(Choice(segment, "members", NOW), actor=reader, at=NOW, name="X")
    with pytest.raises(PastNotYet):
        fixed_lists.request_list(
            Choice(segment, "members", NOW + DAY), actor=SYSTEM, at=NOW, name="X"
        )
    assert Segment.objects.count() == 1
