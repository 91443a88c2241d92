"""The loyalty membership of a contact over HTTP."""

import pytest

from loyalty.gift_cards import card_numbers
from tests.api.conftest import MakeProgram, Program
from tests.factories import NOW, make_contact
from tests.loyalty.factories import make_member

pytestmark = pytest.mark.django_db


def test_the_api_takes_and_gives_a_membership(program: Program) -> None:
    contact = make_contact()
    path = f"/api/members/{contact.pk}/"
    assert program.get(path).json()["is_member"] is False
    sent = {"tier": "gold", "points": 7, "joined_at": "2025-01-02T00:00:00Z"}
    answer = program.put(path, sent)
    assert answer.status_code == 200
    told = answer.json()
    assert card_numbers.is_valid(told.pop("card_number"))
    assert told == {
        "contact_id": contact.pk,
        "is_member": True,
        "points_earned": 0,
        "points_spent": 0,
        "left_at": None,
        **sent,
    }
    shown = program.get(f"/api/contacts/{contact.pk}/").json()["loyalty"]
    assert shown == {"is_member": True, **sent}
    assert program.patch(path, {"tier": ""}).json()["points"] == 7
    assert program.delete(path).json()["is_member"] is False
    assert program.put(path, {"colour": "red"}).status_code == 400
    assert program.put(path, {"points": 1.5}).status_code == 400
    assert program.get("/api/members/99999999/").status_code == 404


def test_the_scope_of_loyalty_is_needed(make_program: MakeProgram) -> None:
    contact = make_contact()
    path = f"/api/members/{contact.pk}/"
    reader = make_program("loyalty:read")
    assert reader.get(path).status_code == 200
    assert reader.put(path, {}).status_code == 403
    assert make_program("contacts:write").get(path).status_code == 403


def test_members_are_listed_and_found(program: Program) -> None:
    anna = make_member(5, tier="gold", card_number="A1", joined_at=NOW)
    ben = make_member(50, left_at=NOW)

    def found(query: str = "") -> list[int]:
        return [one["contact_id"] for one in program.get(f"/api/members/{query}").json()["results"]]

    assert found() == [anna, ben]
    assert found("?is_member=true") == found("?tier=gold") == found("?card_number=A1") == [anna]
    assert found("?is_member=false") == found("?points_min=6") == [ben]
    assert found("?joined_after=2026-03-01T00:00:00Z") == [anna]
    assert found("?ordering=-contact_id&page_size=1") == [ben]
    assert program.get("/api/members/?colour=red").status_code == 400


def test_a_card_has_one_member(program: Program) -> None:
    make_member(card_number="A1")
    contact = make_contact()
    answer = program.put(f"/api/members/{contact.pk}/", {"card_number": "A1"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == "card_number"
