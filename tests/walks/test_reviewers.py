"""The walk of docs/walks/reviewers.md, with its own commands and requests."""

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from contacts.models import Contact
from integrations.digestion import digest
from integrations.models import HeldEvent
from segments.realtime import following
from tests.integrations.sending import Sender
from tests.walks.pages import HOST, commands, page, requests

PAGE = page("reviewers.md")

pytestmark = [pytest.mark.walk, pytest.mark.django_db]


def test_the_walk_gives_what_the_page_says(
    capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    # What serves static files looks for their folder.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    shop = Sender(_typed(capsys, "create_source", "Online shop"))
    _typed(capsys, "load_segments", "docs/walks/reviewers.json")
    # As the worker does at once.
    call_command("refresh_segments", "reviewers")
    capsys.readouterr()
    for parts in requests(PAGE, "v1/"):
        address, body = parts[1], parts[-1]
        answer = shop.post(address.removeprefix(HOST), body.encode())
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        while digest(timezone.now()) or following.follow(timezone.now()):
            pass

    program = Client(
        headers={"Authorization": f"Api-Key {_typed(capsys, 'create_api_key', 'walk')}"}
    )
    members, definition, timeline = (_read(program, parts[-1]) for parts in requests(PAGE, "api/"))
    assert [one["contact"]["external_id"] for one in members["results"]] == ["michael.scott"]
    assert definition["schema"] == {"rating": ["number"]}
    assert definition["last_event"]["properties"] == {"rating": 5}
    told = {item["title"]: item["text"] for item in timeline["results"]}
    for title, text in re.findall(r"^\| (\S.*?) \| (.*?) \|$", PAGE, re.MULTILINE):
        if title != "---":
            assert told[title] == text.removesuffix(", from Online shop")
    assert HeldEvent.objects.get().code == "no_user_anon_id"


def _typed(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command of the page prints; the page has it."""
    assert any(f"manage.py {command[0]}" in one for one in commands(PAGE)), command
    call_command(*command)
    return capsys.readouterr().out.strip()


def _read(program: Client, address: str) -> Any:
    path = address.removeprefix(HOST).replace("/1/", f"/{Contact.objects.get().pk}/")
    answer = program.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()
