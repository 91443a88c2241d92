"""The past on the screen: members then, two calculations compared, fixed lists made of them."""

from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from segments import lifecycle, past_files
from segments.models import Calculation, Segment
from tests.admin.conftest import MakePerson
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
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Job


def _address(page: str, segment: Segment) -> str:
    return reverse(f"admin:segments_segment_{page}", args=[segment.pk])


@pytest.fixture
def moved(db: None) -> tuple[Segment, list[int]]:
    """Ania and Bartek were in at first; Bartek left, Celine came."""
    ids = make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment)
    Contact.objects.filter(pk=ids[1]).update(city="Paris")
    Contact.objects.filter(pk=ids[2]).update(city="Warszawa")
    refresh(segment, as_of=NOW + DAY)
    return segment, ids


def _then(client: Client, segment: Segment, at: str) -> Any:
    return client.get(_address("members", segment), {"as_of": at})


def test_the_members_of_a_moment_are_shown_with_the_criteria_of_then(
    admin: Client, moved: tuple[Segment, list[int]]
) -> None:
    segment, ids = moved
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + HOUR, criteria=lives_in("Paris"))
    page = _then(admin, segment, (NOW + HOUR).isoformat())
    assert [member.contact_id for member, _contact in page.context["rows"]] == ids[:2]
    text = page.content.decode()
    assert "2 members on" in text
    assert "Warszawa" in text
    assert "Version 1, in force then" in text
    assert "Make a segment of these" in text


def test_a_moment_may_be_written_in_the_time_of_the_workspace(
    admin: Client, moved: tuple[Segment, list[int]], settings: Any
) -> None:
    local = timezone.localtime(NOW).strftime("%Y-%m-%dT%H:%M")
    page = _then(admin, moved[0], local)
    assert page.context["count"] == "2"
    assert f'value="{local}"' in page.content.decode()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("", "That is no date and time."),
        ("yesterday", "That is no date and time."),
        ("2999-01-01T00:00", "Choose a moment that is over."),
        ("0001-01-01T00:00", "It was not calculated before that moment"),
        ("2020-01-01T00:00", "It was not calculated before that moment"),
    ],
)
def test_moments_of_which_nothing_can_be_said_say_so(
    admin: Client, moved: tuple[Segment, list[int]], at: str, said: str
) -> None:
    assert said in _then(admin, moved[0], at).content.decode()


def test_pages_of_the_past_are_turned_over(admin: Client) -> None:
    ids = make_contacts(*["Warszawa"] * 60)
    segment = make_segment()
    refresh(segment)
    first = _then(admin, segment, NOW.isoformat())
    assert (len(first.context["rows"]), first.context["next"]) == (50, ids[49])
    query: dict[str, Any] = {"as_of": NOW.isoformat(), "after": ids[49]}
    second = admin.get(_address("members", segment), query)
    assert [member.contact_id for member, _contact in second.context["rows"]] == ids[50:]
    back = admin.get(
        _address("members", segment),
        {"as_of": NOW.isoformat(), "before": second.context["previous"]},
    )
    assert [member.contact_id for member, _contact in back.context["rows"]] == ids[:50]


def test_two_calculations_are_compared(admin: Client, moved: tuple[Segment, list[int]]) -> None:
    segment, ids = moved
    first, last = Calculation.objects.order_by("pk")
    url = _address("compare", segment)
    # In whichever order they are named.
    for begin, end in ((first, last), (last, first)):
        page = admin.get(url, {"from": begin.pk, "to": end.pk})
        assert (page.context["entered"], page.context["left"]) == ("1", "1")
        assert [member.contact_id for member, _contact in page.context["rows"]] == [ids[2]]
    left = admin.get(f"{url}?from={first.pk}&to={last.pk}&kind=left")
    assert [member.contact_id for member, _contact in left.context["rows"]] == [ids[1]]
    beginning = admin.get(url, {"to": first.pk})
    assert beginning.context["net"] == "+2"
    assert "From the beginning" in beginning.content.decode()


def test_calculations_of_other_segments_are_not_found(
    admin: Client, moved: tuple[Segment, list[int]]
) -> None:
    other = make_segment("other")
    refresh(other)
    foreign = other.calculations.get().pk
    queries: list[dict[str, Any]] = [
        *({"to": foreign}, {"from": foreign, "to": foreign}, {}, {"to": "x"})
    ]
    for query in queries:
        assert admin.get(_address("compare", moved[0]), query).status_code == 404


def test_a_segment_is_made_of_who_left(admin: Client, moved: tuple[Segment, list[int]]) -> None:
    segment, ids = moved
    first, last = Calculation.objects.order_by("pk")
    page = admin.get(f"{_address('compare', segment)}?from={first.pk}&to={last.pk}&kind=left")
    url = page.context["list_url"]
    form = admin.get(url)
    assert form.context["count"] == "1"
    assert form.context["form"]["name"].value().startswith("Poles: left from")
    answer = admin.post(url, {"name": "Gone", "readiness_hours": "5"}, follow=True)
    assert "“Gone” is being filled." in answer.content.decode()
    jobs.run(Job.objects.latest("pk").pk)
    made = Segment.objects.get(name="Gone")
    assert (made.source, member_ids(made)) == ("list", {ids[1]})
    overview = admin.get(_address("change", made)).content.decode()
    assert "Contacts on the fixed list" in overview


def test_a_segment_is_made_of_the_members_of_a_moment(
    admin: Client, moved: tuple[Segment, list[int]]
) -> None:
    segment, ids = moved
    url = _then(admin, segment, NOW.isoformat()).context["list_url"]
    assert quote(NOW.isoformat()) in url
    admin.post(url, {"name": "Then"})
    jobs.run(Job.objects.latest("pk").pk)
    assert member_ids(Segment.objects.get(name="Then")) == set(ids[:2])


def test_the_history_is_drawn_by_period_and_each_point_leads_on(
    admin: Client, moved: tuple[Segment, list[int]]
) -> None:
    segment, _ids = moved
    page = admin.get(_address("history", segment), {"period": "all"})
    first, last = Calculation.objects.order_by("pk")
    compare = _address("compare", segment)
    links = page.context["course_links"]
    assert f"{compare}?to={first.pk}" in links
    assert f"{compare}?from={first.pk}&to={last.pk}" in links
    assert "2 members, 1 entered, 1 left" in page.context["course_texts"]
    week = admin.get(_address("history", segment), {"period": "7d"})
    assert week.context["course_links"] == "[]"
    assert len(week.context["calculations"]) == 2


def test_a_long_history_is_drawn_by_day(admin: Client) -> None:
    segment = make_segment()
    Calculation.objects.bulk_create(
        Calculation(
            segment=segment,
            at=NOW + number * HOUR,
            version_number=1,
            member_count=number,
            entered_count=1,
            left_count=0,
            cause="test",
        )
        for number in range(240)
    )
    page = admin.get(_address("history", segment), {"period": "all"})
    assert str(page.context["step"]) == "by day"
    rows = page.context["flow_chart"]["rows"]
    assert sum(row[1] for row in rows) == 240
    assert len(rows) in {10, 11}
    assert page.context["size_chart"]["rows"][-1][1] == 239
    assert page.context["next"]


def test_others_see_no_past_and_who_may_not_add_gets_no_button(
    admin: Client,
    make_person: MakePerson,
    scoped_group: Group,
) -> None:
    make_contacts("Warszawa")
    segment = make_segment(groups=["Poland"])
    refresh(segment)
    calculation = segment.calculations.get().pk
    outsider = make_person("segments.view_segment", "segments.add_segment")
    reader = make_person("segments.view_segment", groups=(scoped_group,))
    make = f"{_address('make_list', segment)}?kind=entered&to={calculation}"
    assert outsider.get(_address("compare", segment), {"to": calculation}).status_code == 404
    assert outsider.get(make).status_code == 404
    page = reader.get(_address("compare", segment), {"to": calculation})
    assert (page.status_code, page.context["list_url"]) == (200, "")
    assert reader.get(make).status_code == 403


def test_who_was_in_and_who_left_can_be_downloaded_and_it_is_logged(
    admin: Client, make_person: MakePerson, moved: tuple[Segment, list[int]]
) -> None:
    segment, ids = moved
    Contact.objects.filter(pk=ids[1]).update(email="bartek@example.com")
    first, last = Calculation.objects.order_by("pk")
    page = admin.get(f"{_address('compare', segment)}?from={first.pk}&to={last.pk}&kind=left")
    answer: Any = admin.get(page.context["file_url"])
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "bartek@example.com" in lines[1]
    then = _then(admin, segment, NOW.isoformat()).context["file_url"]
    answer = admin.get(then)
    assert len(b"".join(answer.streaming_content).splitlines()) == 3
    logged = AuditEntry.objects.filter(action="segment.past_downloaded").order_by("pk")
    assert [entry.changes["rows"] for entry in logged] == [[None, 1], [None, 2]]
    reader = make_person("segments.view_segment")
    assert reader.get(then).status_code == 403
    assert _then(reader, segment, NOW.isoformat()).context["file_url"] == ""


def test_too_many_for_a_file_at_once_are_told_to_become_a_segment(
    admin: Client, moved: tuple[Segment, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_files, "ROWS_AT_ONCE", 1)
    url = _then(admin, moved[0], NOW.isoformat()).context["file_url"]
    page = admin.get(url, follow=True)
    assert "Make a segment of them, and export that." in page.content.decode()
