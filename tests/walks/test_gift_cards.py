"""The walk of docs/walks/gift_cards.md, with its own commands and requests."""

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from contacts.models import Contact
from loyalty.models import Publication, Redemption, Voucher
from tests.integrations.sending import Sender
from tests.walks.pages import HOST, commands, page, requests
from workspace import jobs
from workspace.models import Job
from workspace.rounds import registered_rounds

PAGE = page("gift_cards.md")

pytestmark = [pytest.mark.walk, pytest.mark.django_db]


def test_a_review_earns_one_card_that_pays_and_is_paid_back(
    capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    # What serves static files looks for their folder.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    shop = Sender(_typed(capsys, "create_source", "Online shop"))
    _typed(capsys, "load_segments", "docs/walks/reviewers.json")
    key = _typed(capsys, "create_api_key", "walk")
    program = Client(headers={"Authorization": f"Api-Key {key}"})
    call_command("refresh_segments", "reviewers")
    answers: dict[str, list[Any]] = {}
    for parts in requests(PAGE):
        path, body = _meant(parts)
        answer = shop.post(path, body) if path.startswith("/v1/") else _ask(program, path, body)
        assert answer.status_code < 300, (path, answer.content)
        answers.setdefault(path, []).append(answer.json())
        _work()
    michael, card = Contact.objects.get(), Voucher.objects.get(holder__isnull=False)
    assert Publication.objects.count() == 1, "a second review gives none"
    [wallet] = answers[f"/api/contacts/{michael.pk}/wallet/"]
    [shown] = wallet["results"] if isinstance(wallet, dict) else wallet
    assert (shown["code"], shown["balance"]) == (card.code, 2500)
    assert answers["/api/validations/"][0]["valid"] is True
    [redeemed] = answers["/api/redemptions/"]
    assert redeemed["redemptions"][0]["amount"] == 1000
    assert card.balance_minor == 2500
    assert Redemption.objects.get().state == Redemption.State.ROLLED_BACK
    again = _ask(program, f"/api/redemptions/{Redemption.objects.get().pk}/rollback/", b"{}")
    assert again.json()["code"] == "already_rolled_back"
    told = program.get(f"/api/contacts/{michael.pk}/timeline/?kind=event").json()["results"]
    names = [item["name"] for item in told]
    for title in re.findall(r"^\| ([a-z_.]+) \|", PAGE, re.MULTILINE):
        assert title in names
    [figures] = answers["/api/reports/campaigns/"][0]["results"]
    assert (figures["published"], figures["rolled_back"]) == (1, 1)
    assert figures["outstanding_minor"] == 2500


def _work() -> None:
    """What the worker and the rounds do at once."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)
    # A round may leave work for one before it.
    for _ in range(2):
        for one in registered_rounds():
            while one.run(timezone.now()):
                pass


def _meant(parts: list[str]) -> tuple[str, bytes | None]:
    """Where a request of the page goes, and what it says, with the ids of this workspace."""
    address = next(part for part in parts if part.startswith(HOST)).removeprefix(HOST)
    contact = Contact.objects.first()
    if contact is not None:
        address = address.replace("/contacts/1/", f"/contacts/{contact.pk}/")
    if redemption := Redemption.objects.first():
        address = address.replace("/redemptions/1/", f"/redemptions/{redemption.pk}/")
    if "-d" not in parts:
        return address, b"{}" if "POST" in parts else None
    body = parts[parts.index("-d") + 1]
    card = Voucher.objects.filter(holder__isnull=False).first()
    return address, (body.replace("REV-XXXXXXXX", card.code) if card else body).encode()


def _ask(program: Client, path: str, body: bytes | None) -> Any:
    if body is None:
        return program.get(path)
    assert isinstance(json.loads(body), dict)
    return program.post(path, body, content_type="application/json")


def _typed(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command of the page prints; the page has it."""
    assert any(f"manage.py {command[0]}" in one for one in commands(PAGE)), command
    call_command(*command)
    return capsys.readouterr().out.strip()
