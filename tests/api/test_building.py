"""What a program that builds criteria asks: counts of the parts, values, what part of all it is."""

import pytest

from contacts.models import Contact, Tag
from tests.api.conftest import MakeProgram, Program, assert_problem

pytestmark = pytest.mark.django_db
IN_OSLO = {"field": "contact.city", "operator": "=", "value": "Oslo"}
IN_ROME = {"field": "contact.city", "operator": "=", "value": "Rome"}


@pytest.fixture(autouse=True)
def _people(db: None) -> None:
    Contact.objects.bulk_create(Contact(city=city) for city in ("Oslo", "Oslo", "Rome", "Paris"))


def test_a_preview_says_what_part_of_all_contacts_it_is(program: Program) -> None:
    asked = {"criteria": {"combinator": "and", "rules": [IN_OSLO]}}
    body = program.post("/api/segments/preview/", asked).json()
    assert (body["count"], body["total"], body["share"]) == (2, 4, 0.5)


def test_every_part_is_counted_at_its_path(program: Program) -> None:
    document = {
        "combinator": "or",
        "rules": [
            IN_OSLO,
            {"combinator": "and", "rules": [IN_OSLO, IN_ROME]},
            {"field": "no.field"},
        ],
    }
    body = program.post("/api/segments/counts/", {"criteria": document}).json()
    assert body["counts"] == {
        "rules[0]": {"count": 2, "exact": True},
        "rules[1]": {"count": 0, "exact": True},
        "rules[1].rules[0]": {"count": 2, "exact": True},
        "rules[1].rules[1]": {"count": 1, "exact": True},
    }
    assert_problem(program.post("/api/segments/counts/", {}), 400)


def test_values_are_suggested(program: Program, make_program: MakeProgram) -> None:
    Tag.objects.create(key="vip", label="Very important")
    address = "/api/segments/values/?field="
    body = program.get(f"{address}contact.city&q=o").json()
    assert [one["value"] for one in body["values"]] == ["Oslo", "Rome"]
    reader = make_program("segments:read")
    assert reader.get(f"{address}contact.city").json() == {"values": []}
    [tag] = reader.get(f"{address}tag").json()["values"]
    assert tag == {"value": "vip", "label": "Very important", "count": None}
    assert_problem(program.get(f"{address}tag&segment=no"), 404)
    assert_problem(program.get(f"{address}tag&colour=red"), 400)
    assert_problem(make_program("contacts:read").get(f"{address}tag"), 403)
