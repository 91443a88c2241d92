"""Sources of events in the API: their write keys, what they sent, what is held."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.models import Contact
from integrations import sources, user_hashes
from integrations.digestion import digest
from integrations.models import HeldEvent, Source, WriteKey
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.integrations.sending import basic
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def send(write_key: str, call: str, body: dict[str, Any]) -> int:
    """Send by a write key; the status of the answer."""
    answer = Client().post(
        f"/v1/{call}",
        body,
        content_type="application/json",
        headers={"Authorization": basic(write_key)},
    )
    return answer.status_code


@pytest.fixture
def write_key(db: None) -> str:
    """The write key of a source that was there before."""
    return sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())[1]


@pytest.fixture
def sent(write_key: str) -> None:
    """The shop sent something good, something that is no good, and the good once more."""
    good = {"userId": "u1", "event": "Order", "messageId": "m1"}
    send(write_key, "track", good)
    send(write_key, "track", {"userId": "u1", "messageId": "m2"})
    send(write_key, "track", good)
    digest(timezone.now())


def test_a_source_is_created_with_a_key_that_is_told_once(program: Program) -> None:
    answer = program.post("/api/sources/", {"name": "Online Shop", "kind": "web"})
    assert answer.status_code == 201
    made = answer.json()
    assert (made["key"], made["kind"], made["enabled"]) == ("online-shop", "web", True)
    assert send(made["write_key"], "track", {"userId": "u1", "event": "Order"}) == 200
    read = program.get("/api/sources/online-shop/").json()
    assert "write_key" not in read
    (told,) = read["write_keys"]
    assert made["write_key"].startswith(told["hint"])
    assert told["last_used_at"] is not None
    assert made["write_key"] not in program.get("/api/sources/").content.decode()


def test_a_source_that_cannot_be_is_a_problem(program: Program, write_key: str) -> None:
    assert_problem(program.post("/api/sources/", {"name": "shop"}), 409, "source_exists")
    answer = program.post("/api/sources/", {"name": "x", "key": "no spaces"})
    assert assert_problem(answer, 400)["errors"][0]["path"] == "key"
    assert_problem(program.post("/api/sources/", {"name": "x", "color": "red"}), 400, "invalid")
    assert_problem(program.get("/api/sources/none/"), 404, "source_unknown")
    assert_problem(program.delete("/api/sources/shop/"), 405)


def test_a_source_is_changed_disabled_and_enabled(program: Program, write_key: str) -> None:
    answer = program.patch("/api/sources/shop/", {"description": "The till", "enabled": False})
    assert (answer.json()["description"], answer.json()["enabled"]) == ("The till", False)
    assert send(write_key, "track", {}) == 401
    assert [one["key"] for one in program.get("/api/sources/?enabled=false").json()["results"]]
    assert program.patch("/api/sources/shop/", {"enabled": True}).json()["enabled"] is True
    assert send(write_key, "track", {}) == 200


def test_keys_are_rotated_with_and_without_grace(program: Program, write_key: str) -> None:
    second = program.post("/api/sources/shop/rotate-key/", {"grace_seconds": 60}).json()
    assert [send(key, "track", {}) for key in (write_key, second["write_key"])] == [200, 200]
    third = program.post("/api/sources/shop/rotate-key/", {"grace_seconds": 0}).json()
    keys = (write_key, second["write_key"], third["write_key"])
    assert [send(key, "track", {}) for key in keys] == [401, 401, 200]
    answer = program.post("/api/sources/shop/rotate-key/", {"grace_seconds": -1})
    assert_problem(answer, 400, "invalid")


def test_one_key_can_be_retired_but_not_the_last(program: Program, write_key: str) -> None:
    only = WriteKey.objects.get()
    path = f"/api/sources/shop/write-keys/{only.pk}/retire/"
    assert_problem(program.post(path), 409, "last_write_key")
    program.post("/api/sources/shop/rotate-key/")
    assert program.post(path).status_code == 200
    assert send(write_key, "track", {}) == 401


def test_a_website_asks_for_signed_users(program: Program, write_key: str) -> None:
    program.post("/api/sources/", {"name": "Site", "kind": "web"})
    made = program.post("/api/sources/site/user-secret/").json()["user_secret"]
    source = Source.objects.get(key="site")
    assert user_hashes.user_secrets(source, at=timezone.now()) == [made]
    assert program.get("/api/sources/site/").json()["requires_user_hash"] is True
    assert program.delete("/api/sources/site/user-secret/").status_code == 204
    assert program.get("/api/sources/site/").json()["requires_user_hash"] is False
    answer = program.post("/api/sources/shop/user-secret/")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_website_source")


def test_a_webhook_gets_a_signing_secret(program: Program, write_key: str) -> None:
    program.post("/api/sources/", {"name": "Hook", "kind": "webhook"})
    made = program.post("/api/sources/hook/signing-secret/").json()["signing_secret"]
    assert sources.signing_secrets(Source.objects.get(key="hook"), at=timezone.now()) == [made]
    assert program.get("/api/sources/hook/").json()["has_signing_secret"] is True
    path = "/api/sources/hook/signing-secret/"
    assert program.post(path, {"secret": "agreed upon"}).json()["signing_secret"] == "agreed upon"
    assert_problem(program.post(path, {"secret": "short"}), 400, "source_invalid")
    answer = program.post("/api/sources/shop/signing-secret/")
    assert_problem(answer, 409, "no_webhook_source")


@pytest.mark.usefixtures("sent")
def test_the_log_and_the_counts_say_what_became_of_each_event(program: Program) -> None:
    page = program.get("/api/sources/shop/events/?page_size=2").json()
    assert [one["outcome"] for one in page["results"]] == ["duplicate", "refused"]
    rest = program.get(page["next"]).json()
    assert [one["name"] for one in rest["results"]] == ["Order"]
    assert rest["results"][0]["contact"] == Contact.objects.get().pk
    refused = program.get("/api/sources/shop/events/?outcome=refused").json()["results"]
    assert [one["message_id"] for one in refused] == ["m2"]
    today = program.get("/api/sources/shop/counts/?days=2").json()[0]
    assert (today["accepted"], today["refused"], today["duplicate"]) == (1, 1, 1)
    assert_problem(program.get("/api/sources/shop/counts/?days=0"), 400, "invalid")
    assert_problem(program.get("/api/sources/shop/events/?contact=0"), 400, "invalid")


@pytest.mark.usefixtures("sent")
def test_what_is_held_is_corrected_and_used_again(program: Program) -> None:
    (held,) = program.get("/api/sources/shop/held/?state=open").json()["results"]
    assert (held["message_id"], held["outcome"]) == ("m2", "refused")
    body = {"ids": [held["id"]], "changes": {"event": "Review"}}
    (told,) = program.post("/api/sources/shop/held/replay/", body).json()["results"]
    assert (told["id"], told["is_resolved"]) == (held["id"], True)
    assert HeldEvent.objects.get().state == "replayed"
    names = program.get("/api/events/").json()["results"]
    assert {one["name"] for one in names} == {"Order", "Review"}


@pytest.mark.usefixtures("sent")
def test_what_is_held_is_dismissed_at_its_own_source_only(program: Program) -> None:
    sources.create_source(name="Blog", actor=SYSTEM, at=timezone.now())
    ids = {"ids": [HeldEvent.objects.get().pk]}
    for verb in ("replay", "dismiss"):
        answer = program.post(f"/api/sources/blog/held/{verb}/", ids)
        assert_problem(answer, 404, "held_event_unknown")
    assert program.post("/api/sources/shop/held/dismiss/", ids).json() == {"dismissed": 1}
    assert program.get("/api/sources/shop/held/?state=open").json()["results"] == []


@pytest.mark.usefixtures("sent")
def test_who_may_only_read_changes_nothing(make_program: MakeProgram) -> None:
    reader, stranger = make_program("integrations:read"), make_program("contacts:write")
    assert reader.get("/api/sources/shop/held/").status_code == 200
    for path in ("", "rotate-key/", "signing-secret/", "held/replay/", "held/dismiss/"):
        send_ = reader.patch if path == "" else reader.post
        assert_problem(send_(f"/api/sources/shop/{path}", {}), 403, "not_allowed")
    for path in ("", "shop/", "shop/events/", "shop/held/", "shop/counts/"):
        assert_problem(stranger.get(f"/api/sources/{path}"), 403, "not_allowed")


def test_people_need_the_permission(staff: Callable[..., Program], write_key: str) -> None:
    assert staff("integrations.view_source").get("/api/sources/shop/").status_code == 200
    assert_problem(staff().get("/api/sources/shop/"), 403)


def test_the_same_creation_twice_makes_one_source(program: Program) -> None:
    first, second = (
        program.post("/api/sources/", {"name": "Shop"}, **{"Idempotency-Key": "k"}).json()
        for _time in range(2)
    )
    assert first == second
    assert Source.objects.count() == 1


def test_a_rotation_longer_than_a_year_is_refused(program: Program, write_key: str) -> None:
    seconds = int(timedelta(days=366).total_seconds())
    answer = program.post("/api/sources/shop/rotate-key/", {"grace_seconds": seconds})
    assert_problem(answer, 400, "invalid")
