"""The loyalty membership of a contact over HTTP."""

import pytest

from tests.api.conftest import MakeProgram, Program
from tests.factories import make_contact

pytestmark = pytest.mark.django_db


def test_the_api_takes_and_gives_a_membership(program: Program) -> None:
    contact = make_contact()
    path = f"/api/members/{contact.pk}/"
    assert program.get(path).json()["is_member"] is False
    sent = {"tier": "gold", "points": 7, "joined_at": "2025-01-02T00:00:00Z"}
    answer = program.put(path, sent)
    assert answer.status_code == 200
    assert answer.json() == {
        "contact_id": contact.pk,
        "is_member": True,
        "card_number": "",
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
