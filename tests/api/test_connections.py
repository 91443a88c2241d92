"""External authorizations over HTTP: credentials go in and never come out."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from integrations.models import VendorConnection
from integrations.sandbox.server import Fault, Response
from integrations.vendors import leaving
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.integrations.vendors.acme import PASSWORD, RIGHT, Acme, acme, make_site
from workspace import jobs
from workspace.models import Job

pytestmark = pytest.mark.django_db
ROOM = "/api/connections/"


@pytest.fixture
def vendor(settings: Any) -> Iterator[Acme]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with acme() as sandbox:
        yield sandbox


def authorize(program: Program, *sites: str, **given: Any) -> Any:
    body = {"kind": "acme", "credentials": RIGHT, "websites": sites, **given}
    return program.post(ROOM, body)


def made(program: Program, *sites: str) -> dict[str, Any]:
    for key in sites:
        make_site(key)
    answer = authorize(program, *sites)
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_one_asks_what_can_be_connected_and_connects_it(program: Program, vendor: Acme) -> None:
    kinds = program.get(f"{ROOM}kinds/").json()
    (known,) = [one for one in kinds if one["kind"] == "acme"]
    assert [one["name"] for one in known["credentials"]] == ["username", "password"]
    assert known["credentials"][1]["secret"] is True
    assert known["syncs"][0] == {"name": "metrics", "label": "Metrics", "periodic": True}
    assert known["deletes_data"] is True
    connection = made(program, "a")
    assert (connection["state"], connection["account"]) == ("first_data", "Acme GmbH")
    assert connection["websites"] == ["a"]
    assert connection["first_data_by"] > connection["authorized_at"]
    assert program.get(ROOM).json()["results"][0]["id"] == connection["id"]
    assert program.get(f"{ROOM}?website=b").json()["results"] == []
    assert len(program.get(f"{ROOM}?state=first_data").json()["results"]) == 1
    assert program.get(f"{ROOM}?state=revoked").json()["results"] == []
    assert_problem(program.get(f"{ROOM}?state=nothing"), 400)


def test_a_refusal_is_400_with_the_vendors_words_and_every_fault(
    program: Program, vendor: Acme
) -> None:
    make_site("a")
    wrong = {"username": "apiuser", "password": "wrong-one"}
    body = assert_problem(authorize(program, "a", credentials=wrong), 400, "connection_invalid")
    assert body["detail"] == "Login failed for apiuser:••••."
    assert body["errors"][0]["code"] == "credentials_rejected"
    body = assert_problem(authorize(program, credentials={}, settings={"pace": "mad"}), 400)
    assert [one["path"] for one in body["errors"]] == [
        *("credentials.username", "credentials.password", "settings.pace", "websites"),
    ]
    assert_problem(authorize(program, "unknown"), 404, "website_unknown")
    assert not VendorConnection.objects.exists()


def test_a_key_of_idempotency_makes_one_connection(program: Program, vendor: Acme) -> None:
    make_site("a")
    body = {"kind": "acme", "credentials": RIGHT, "websites": ["a"]}
    vendor.fail_next(Fault(Response(503)))
    refused = program.post(ROOM, body, Idempotency_Key="once")
    assert_problem(refused, 400)
    answers = [program.post(ROOM, body, Idempotency_Key="once") for _time in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert VendorConnection.objects.count() == 1
    assert_problem(
        program.post(ROOM, {**body, "name": "other"}, Idempotency_Key="once"),
        409,
        "idempotency_key_reused",
    )


def test_no_answer_has_a_credential(program: Program, vendor: Acme) -> None:
    room = f"{ROOM}{made(program, 'a', 'b')['id']}/"
    texts = [
        program.get(ROOM),
        program.get(room),
        program.patch(room, {"name": "Other", "settings": {"pace": "fast"}}),
        program.post(f"{room}test/"),
        program.post(f"{room}credentials/", {"credentials": RIGHT}),
        program.post(f"{room}pause/"),
        program.post(f"{room}resume/"),
        program.post(f"{room}sync/"),
        program.get(f"{room}websites/"),
        program.delete(f"{room}websites/a/"),
        program.get(f"{room}calls/"),
        program.get(f"{room}syncs/"),
        program.delete(room),
    ]
    for answer in texts:
        assert answer.status_code < 300, answer.content
        assert PASSWORD not in answer.content.decode()
        assert "€" not in answer.content.decode()
    assert_problem(program.patch(room, {"credentials": RIGHT}), 400)


def test_what_one_can_do_with_it(program: Program, vendor: Acme) -> None:
    room = f"{ROOM}{made(program, 'a', 'b')['id']}/"
    assert program.post(f"{room}pause/").json()["state"] == "paused"
    assert_problem(program.post(f"{room}sync/"), 409, "connection_not_active")
    assert program.post(f"{room}resume/").json()["state"] == "first_data"
    started = program.post(f"{room}sync/", {"names": ["metrics"]})
    assert started.status_code == 202
    jobs.run(Job.objects.get(kind="integrations.sync").pk)
    assert program.get(room).json()["state"] == "authorized"
    (sync,) = program.get(f"{room}syncs/").json()["results"]
    assert (sync["state"], sync["counts"]["sent"]) == ("succeeded", 2)
    calls = program.get(f"{room}calls/?page_size=1").json()
    assert calls["results"][0]["method"] == "POST"
    assert "Authorization: ••••" in calls["results"][0]["request"]
    tried = program.post(f"{room}test/").json()
    assert tried == {
        "ok": True, "message": "Acme takes the credentials.", "account": "Acme GmbH", "code": "",
    }  # fmt: skip


def test_websites_join_and_leave(program: Program, vendor: Acme) -> None:
    room = f"{ROOM}{made(program, 'a', 'b')['id']}/"
    make_site("c")
    assert len(program.post(f"{room}websites/", {"websites": ["c"]}).json()) == 3
    left = program.delete(f"{room}websites/a/")
    assert left.status_code == 202
    assert left.json()[0]["state"] == "leaving"
    assert program.post(f"{room}retry-leaving/").status_code == 202
    assert_problem(program.delete(f"{room}websites/a/"), 400, "connection_invalid")
    leaving.run_leaving(program.get(room).json()["id"], sleep=lambda seconds: None)
    assert program.get(f"{room}websites/").json()[0]["deleted_count"] == 2500
    assert program.get(room).json()["websites"] == ["b", "c"]


def test_access_is_revoked_given_again_and_forgotten(program: Program, vendor: Acme) -> None:
    connection = made(program, "a")
    room = f"{ROOM}{connection['id']}/"
    assert_problem(program.delete(f"{room}?delete_data=1"), 400)
    assert_problem(program.delete(f"{room}?forget=true"), 409, "connection_not_active")
    going = program.delete(f"{room}?delete_data=true")
    assert (going.status_code, going.json()["state"]) == (202, "revoking")
    assert program.delete(room).json()["state"] == "revoked"
    back = program.post(f"{room}credentials/", {"credentials": RIGHT, "websites": ["a"]})
    assert back.json()["state"] == "first_data"
    assert_problem(
        program.post(f"{room}credentials/", {"credentials": RIGHT, "websites": ["a"]}), 400
    )
    program.delete(room)
    assert program.delete(f"{room}?forget=true").status_code == 200
    assert_problem(program.get(room), 404, "connection_unknown")


def test_scopes_say_who_may(make_program: MakeProgram, vendor: Acme) -> None:
    reader = make_program("integrations:read")
    writer = make_program("integrations:write", "integrations:read")
    connection = made(writer, "a")
    assert reader.get(f"{ROOM}{connection['id']}/").status_code == 200
    assert_problem(authorize(reader, "a"), 403)
    assert_problem(reader.delete(f"{ROOM}{connection['id']}/"), 403)
    assert_problem(make_program("contacts:read").get(ROOM), 403)


def test_websites_have_a_resource_of_their_own(program: Program, make_program: MakeProgram) -> None:
    room = "/api/websites/"
    made_ = program.post(room, {"name": "Shop", "domain": "https://Shop.example/x"})
    assert made_.status_code == 201
    assert made_.json()["domain"] == "shop.example"
    assert program.patch(f"{room}shop/", {"name": "Store"}).json()["name"] == "Store"
    assert_problem(program.post(room, {"name": "store"}), 400, "website_invalid")
    assert_problem(make_program("integrations:write").get(room), 403)
    assert [one["key"] for one in program.get(room).json()["results"]] == ["shop"]
    assert program.delete(f"{room}shop/").status_code == 204
    assert_problem(program.get(f"{room}shop/"), 404, "website_unknown")
