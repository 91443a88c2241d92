"""The commands of this room: keys, people, the doctor."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import EventStatistic
from tests.factories import make_contact
from workspace.access import SCOPES, actor_of_user
from workspace.keys import find_api_user
from workspace.models import ApiUser, Job, User, UserGroup
from workspace.roles import ROLES

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().strip()


def test_a_key_is_printed_once_and_works() -> None:
    group = Group.objects.create(name="Poland")
    key = run("create_api_key", "shop", "--scope", "contacts:read", "--group", "Poland")
    api_user = find_api_user(key)
    assert api_user is not None
    assert api_user.scopes == ["contacts:read"]
    assert list(api_user.groups.all()) == [group]


def test_without_scopes_a_key_has_every_scope() -> None:
    found = json.loads(run("create_api_key", "shop", "--json"))
    assert found["id"] == ApiUser.objects.get().pk
    assert found["scopes"] == list(SCOPES)
    assert find_api_user(found["key"])


@pytest.mark.parametrize(
    "arguments",
    [("shop",), ("x", "--scope", "contacts:fly"), ("x", "--group", "Nowhere"), (" ",)],
)
def test_a_key_that_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    run("create_api_key", "shop")
    with pytest.raises(CommandError):
        run("create_api_key", *arguments)
    assert ApiUser.objects.count() == 1


def test_a_role_says_what_one_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    poland = Group.objects.create(name="Poland")
    monkeypatch.setenv("STAFF_PASSWORD", "correct horse battery")
    printed = run("create_staff", "mara", "--role", "marketer", "--group", "Poland")
    assert "correct horse" not in printed
    mara = User.objects.get(username="mara")
    assert mara.check_password("correct horse battery")
    actor = actor_of_user(mara)
    assert actor.may("segments.archive_segment")
    assert actor.may("contacts.delete_contact")
    assert not actor.may("workspace.add_apiuser")
    assert not actor.is_admin
    assert poland.pk in actor.group_ids
    role = UserGroup.objects.get(group__name="Marketer")
    assert role.is_role


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("analyst", "segments.export_segment", "segments.change_segment"),
        ("loyalty manager", "loyalty.change_member", "contacts.change_contact"),
        ("integrator", "workspace.add_apiuser", "segments.change_segment"),
    ],
)
def test_each_role_has_its_limits(role: str, may: str, may_not: str) -> None:
    run("create_staff", "anna", "--role", role)
    actor = actor_of_user(User.objects.get())
    assert actor.may(may)
    assert not actor.may(may_not)


def test_an_administrator_may_do_everything() -> None:
    found = json.loads(run("create_staff", "root", "--role", "administrator", "--json"))
    root = User.objects.get()
    assert root.is_superuser
    assert root.check_password(found["password"])
    again = json.loads(run("create_staff", "root", "--role", "administrator", "--json"))
    assert again["created"] is False
    assert "password" not in again


def test_roles_that_are_none_are_refused() -> None:
    with pytest.raises(CommandError, match="marketer"):
        run("create_staff", "anna", "--role", "king")
    assert not User.objects.exists()
    assert set(ROLES) == {"marketer", "analyst", "loyalty_manager", "integrator", "administrator"}


def examine() -> tuple[int, dict[str, dict[str, Any]]]:
    out, status = StringIO(), 0
    try:
        call_command("doctor", "--json", stdout=out)
    except SystemExit as ended:
        status = int(ended.code or 0)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return status, {line["part"]: line for line in lines}


def test_the_doctor_looks_at_every_part() -> None:
    status, found = examine()
    assert list(found) == [
        *("database", "broker", "worker", "migrations", "letters", "clock"),
        *(
            "time zone",
            "beat",
            "rounds",
            "work",
            "statistics",
            "followers",
            "outbox",
            "bounces",
            "authorizations",
        ),
        *(
            "inbox",
            "membership",
            "rule_events",
            "suspicions",
            "cards",
            "journeys",
            "readings",
            "mail",
            "disk",
        ),
    ]
    assert {part for part in found if not found[part]["ok"]} == {"worker", "beat", "rounds"}, (
        "none of them runs beside the tests"
    )
    assert status == 1


def test_the_doctor_finds_a_statistic_that_is_not_true() -> None:
    contact = make_contact()
    at = timezone.now()
    record_events([IncomingEvent(contact.pk, "purchase", at, {})], received_at=at)
    assert examine()[1]["statistics"]["ok"]
    EventStatistic.objects.update(event_count=2)
    finding = examine()[1]["statistics"]
    assert not finding["ok"]
    assert f"contact {contact.pk}" in finding["message"]


def test_the_doctor_finds_stuck_work() -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Job.objects.create(kind="k", title="Lost", created_at=long_ago)
    assert "Lost" in examine()[1]["work"]["message"]
