"""Webhooks and deliveries over HTTP: secrets told once, faults named, sent again by hand."""

from typing import Any

import pytest
from django.utils import timezone

from integrations import announcements
from integrations.announcements import Fact
from integrations.models import Connection, Delivery
from segments.announcements import ARCHIVED, REFRESHED
from tests.api.conftest import Program, assert_problem
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
URL = "https://example.com/hook"


@pytest.fixture
def made(program: Program) -> Any:
    """A webhook as it was told when it was made."""
    answer = program.post("/api/webhooks/", {"url": URL, "types": [REFRESHED]})
    assert answer.status_code == 201
    return answer.json()


def announce(*keys: str) -> None:
    announcements.announce(REFRESHED, [Fact(key, {"n": key}) for key in keys], at=timezone.now())


def test_a_secret_is_told_once(program: Program, made: Any) -> None:
    assert made["secret"].startswith("whsec_")
    path = f"/api/webhooks/{made['id']}/"
    read = program.get(path).json()
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert (read["url"], read["types"], read["enabled"]) == (URL, [REFRESHED], True)
    assert made["secret"] not in program.get("/api/webhooks/").content.decode()
    changed = program.post(f"{path}rotate-secret/", {"grace_seconds": 60}).json()
    assert changed["secret"] not in {made["secret"], ""}
    trail = str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert made["secret"] not in trail
    assert changed["secret"] not in trail
    assert made["secret"] not in Connection.objects.get().sealed_secret


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"url": "http://169.254.169.254/", "types": [REFRESHED]}, "url", "private_address"),
        ({"url": URL, "types": ["no.such"]}, "types", "unknown_type"),
        ({"url": URL, "types": []}, "types", "required"),
        ({"url": URL}, "types", "required"),
        ({"url": URL, "types": [REFRESHED], "color": 1}, "color", "unknown_field"),
    ],
)
def test_faults_are_named_and_nothing_is_made(
    program: Program, body: Any, path: str, code: str
) -> None:
    problem = assert_problem(program.post("/api/webhooks/", body), 400)
    assert [(one["path"], one["code"]) for one in problem["errors"]] == [(path, code)]
    assert not Connection.objects.exists()


def test_a_webhook_is_changed_disabled_and_enabled(program: Program, made: Any) -> None:
    path = f"/api/webhooks/{made['id']}/"
    answer = program.patch(path, {"types": [REFRESHED, ARCHIVED], "enabled": False})
    assert answer.json()["types"] == [ARCHIVED, REFRESHED]
    assert answer.json()["enabled"] is False
    assert program.get("/api/webhooks/?enabled=true").json()["results"] == []
    assert len(program.get(f"/api/webhooks/?type={ARCHIVED}").json()["results"]) == 1
    assert_problem(program.post(f"{path}test/"), 409, "webhook_disabled")
    assert program.patch(path, {"enabled": True, "waiting": "drop"}).json()["enabled"] is True
    assert_problem(program.patch(path, {"url": "nonsense"}), 400, "webhook_invalid")
    assert_problem(program.get("/api/webhooks/999/"), 404, "webhook_unknown")


def test_deleting_says_how_many_deliveries_went_with_it(program: Program, made: Any) -> None:
    announce("a", "b")
    path = f"/api/webhooks/{made['id']}/"
    assert program.delete(path).json() == {"deleted_deliveries": 2}
    assert_problem(program.get(path), 404)


def test_types_are_listed_with_words(program: Program) -> None:
    types = {one["name"]: one["label"] for one in program.get("/api/webhooks/types/").json()}
    assert types[ARCHIVED] == "A segment was archived"


def test_a_test_is_a_delivery_whose_state_one_can_ask_for(program: Program, made: Any) -> None:
    answer = program.post(f"/api/webhooks/{made['id']}/test/")
    assert answer.status_code == 202
    told = program.get(f"/api/deliveries/{answer.json()['id']}/").json()
    assert (told["kind"], told["state"], told["attempts"]) == ("webhook.test", "queued", 0)
    assert told["payload"]["type"] == "webhook.test"
    assert told["tries"] == []


def test_deliveries_are_listed_filtered_and_sent_again(program: Program, made: Any) -> None:
    announce("a", "b", "c")
    Delivery.objects.exclude(key__contains=":c:").update(
        state="failed", finished_at=timezone.now(), attempts=13, last_error="It answered 500."
    )
    path = f"/api/deliveries/?connection={made['id']}"
    assert len(program.get(path).json()["results"]) == 3
    failed = program.get(f"{path}&state=failed").json()["results"]
    assert [one["last_error"] for one in failed] == ["It answered 500."] * 2
    again = program.post(f"/api/deliveries/{failed[0]['id']}/retry/").json()
    assert (again["state"], again["attempts"], again["key"]) == ("queued", 0, failed[0]["key"])
    assert program.post(f"/api/webhooks/{made['id']}/retry-failed/").json() == {"retried": 1}
    Delivery.objects.update(state="delivered", finished_at=timezone.now())
    path = f"/api/deliveries/{failed[0]['id']}/retry/"
    assert_problem(program.post(path), 409, "delivery_not_failed")
    assert_problem(program.post("/api/deliveries/999999/retry/"), 404, "delivery_unknown")
    assert_problem(program.get("/api/deliveries/?state=nonsense"), 400)
