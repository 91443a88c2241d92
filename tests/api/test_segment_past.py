"""The past of segments over HTTP: members then, and fixed lists of who came and went."""

import pytest
from django.contrib.auth.models import Group

from contacts.models import Contact
from segments.models import Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace import jobs
from workspace.models import Job, UserGroup

pytestmark = pytest.mark.django_db
PATH = "/api/segments/poles/"


@pytest.fixture
def ids(db: None) -> list[int]:
    """Three were in; a day later the last one had left, and a fourth one came."""
    ids = make_contacts("Warszawa", "Warszawa", "Warszawa", "Paris")
    segment = make_segment("poles")
    refresh(segment)
    Contact.objects.filter(pk=ids[2]).update(city="Paris")
    Contact.objects.filter(pk=ids[3]).update(city="Warszawa")
    refresh(segment, as_of=NOW + DAY)
    return ids


def _ids(program: Program, address: str) -> list[int]:
    found = program.get(address).json()
    return [member["contact"]["id"] for member in found["results"]]


def test_members_of_a_past_moment_come_by_pages(program: Program, ids: list[int]) -> None:
    then = (NOW + HOUR).isoformat().replace("+00:00", "Z")
    assert _ids(program, f"{PATH}members/?as_of={then}") == ids[:3]
    first = program.get(f"{PATH}members/?as_of={then}&page_size=2").json()
    second = program.get(first["next"]).json()
    assert [member["contact"]["id"] for member in second["results"]] == [ids[2]]
    assert _ids(program, second["previous"]) == ids[:2]
    assert first["results"][0]["entered_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert _ids(program, f"{PATH}members/?as_of=2020-01-01T00:00:00Z") == []


def test_the_future_and_nonsense_are_refused(program: Program, ids: list[int]) -> None:
    answer = program.get(f"{PATH}members/?as_of=2999-01-01T00:00:00Z")
    assert_problem(answer, 400, "past_not_yet")
    assert program.get(f"{PATH}members/?as_of=yesterday").status_code == 400


def test_a_segment_is_made_of_who_left(program: Program, ids: list[int]) -> None:
    body = {
        "of": "left",
        "since": NOW.isoformat(),
        "until": (NOW + DAY).isoformat(),
        "name": "Gone",
    }
    answer = program.post(f"{PATH}list/", body)
    assert answer.status_code == 202, answer.content
    assert answer.json()["segment"] == "gone"
    jobs.run(Job.objects.latest("pk").pk)
    assert member_ids(Segment.objects.get(key="gone")) == {ids[2]}
    assert program.get("/api/segments/gone/").json()["source"] == "list"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"of": "everyone"}, "of"),
        ({"of": "members", "since": NOW.isoformat()}, "since"),
        ({"of": "left", "since": (NOW + DAY).isoformat(), "until": NOW.isoformat()}, "since"),
        ({"of": "members", "key": "from-file"}, "key"),
        ({"of": "members", "colour": "red"}, "colour"),
    ],
)
def test_faults_are_told_at_their_places(
    program: Program, ids: list[int], body: dict[str, str], path: str
) -> None:
    answer = program.post(f"{PATH}list/", {"name": "X", **body})
    assert answer.status_code == 400, answer.content
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert Segment.objects.count() == 1


def test_the_past_of_other_groups_does_not_exist(make_program: MakeProgram) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    make_segment("poles", groups=["Poland"])
    other = make_program()
    assert other.get(f"{PATH}members/?as_of=2020-01-01T00:00:00Z").status_code == 404
    assert other.post(f"{PATH}list/", {"of": "members", "name": "X"}).status_code == 404
