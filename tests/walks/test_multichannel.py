"""The walk of docs/walks/multichannel.md: real mail, real push messages, the clock by `as_of`."""

import re
from datetime import datetime, timedelta
from email.message import Message as Mail
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.identities import USER_ID, find_contact_id
from contacts.models import Contact, Event
from integrations.connectors.mail import CONNECTOR
from journeys.models import Message, Participant, Transition
from tests.integrations.push.other_side import Browser
from tests.integrations.receiving import Receiver, receiver
from tests.integrations.sending import Sender
from tests.integrations.test_mail import Office
from tests.integrations.test_mail import office as office
from tests.journeys.working import work
from tests.walks.pages import HOST, commands, page, requests

PAGE = page("multichannel.md")
DAY = timedelta(days=1)

pytestmark = [pytest.mark.walk, pytest.mark.django_db]


def test_reactions_decide_and_everybody_is_waited_for_until_the_purchase(
    capsys: pytest.CaptureFixture[str], settings: Any, office: Office
) -> None:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.PUSH_HOSTS = ["127.0.0.1"]
    CONNECTOR.close()
    shop = Sender(_typed(capsys, "create_source", "Online shop"))
    program = Client(
        headers={"Authorization": f"Api-Key {_typed(capsys, 'create_api_key', 'walk')}"}
    )
    with receiver() as service:
        _say(shop, program, "identify", "segments", "rule-events", "enable", "templates")
        phones = {name: _subscribe(shop, service, name) for name in ("ben", "cleo")}
        call_command("refresh_segments", "atlanta-san-francisco-seattle")
        began = timezone.now()
        validated, published = _say(shop, program, "journeys", "validate", "publish")[-2:]
        assert validated.json()["is_sound"] is True
        assert {one["severity"] for one in validated.json()["faults"]} <= {"warning"}
        assert published.json()["state"] == "live"
        work(timezone.now())

        assert _whose(office.got) == ["anna", "ben", "cleo"], "who was born in 1980 is left alone"
        assert _standing("first") == set()
        assert _shown(phones, service) == ["ben", "cleo"]

        anna = next(mail for mail in office.got if "anna@" in mail["To"])
        picture = re.search(r"/o/[^\"']+\.gif", _html(anna))
        assert picture is not None
        assert Client().get(picture[0])["Content-Type"] == "image/gif"
        _open(shop, phones["ben"], service)
        work(timezone.now())
        assert _standing("bought") == {"anna", "ben"}

        del office.got[:], service.received[:]
        work(began + DAY - timedelta(minutes=1))
        assert office.got == []
        next_day = began + DAY + timedelta(hours=1)
        call_command("tick_journeys", "--as-of", next_day.isoformat())
        capsys.readouterr()
        work(next_day)
        assert _whose(office.got) == ["cleo"], "only who opened neither gets the follow-up"
        assert "Did you miss it, Cleo?" in office.got[0]["Subject"]

        _say(shop, program, "track")
        _buy("cleo", at=next_day + timedelta(hours=1))
        work(next_day + timedelta(hours=2))
        assert _shown(phones, service) == ["cleo"]
        assert _finished() == {"anna", "cleo"}
        assert _standing("bought") == {"ben"}, "another purchase is not the one that is waited for"

        answers = _say(shop, program, "statistics", "messages")
    _check_what_is_told(answers)


def _check_what_is_told(answers: list[Any]) -> None:
    statistics, messages = (answer.json() for answer in answers)
    assert statistics
    sent = [one for one in messages["results"] if one["state"] == "sent"]
    # Three e-mails and two push messages at first, a follow-up, a thank-you.
    assert len(sent) == 7
    left_out = [one for one in messages["results"] if one["state"] == "left_out"]
    assert {one["reason"] for one in left_out} == {"no_address"}, "Anna has no telephone with us"
    assert Event.objects.filter(definition__name="email_opened").count() == 1
    assert Event.objects.filter(definition__name="push_opened").count() == 1
    steps = Transition.objects.filter(participant__contact_id=_id("cleo")).order_by("step")
    assert [(one.node, one.outcome) for one in steps] == [
        ("", "entered"),
        ("first", "next"),
        ("email_opened", "timeout"),
        ("follow_up", "next"),
        ("bought", "next"),
        ("thanks", "next"),
    ]
    assert Message.objects.values("participant", "node", "channel").distinct().count() == (
        Message.objects.count()
    )


def _say(shop: Sender, program: Client, *words: str) -> list[Any]:
    """The requests of the page to these addresses, in their order, as somebody types them."""
    answers = []
    for parts in requests(PAGE):
        address = next(part for part in parts if part.startswith(HOST)).removeprefix(HOST)
        if not address.removesuffix("/").endswith(words):
            continue
        body = parts[parts.index("-d") + 1].encode() if "-d" in parts else None
        if address.startswith("/v1/"):
            answer = shop.post(address, body)
        elif body is None and "POST" not in parts:
            answer = program.get(address)
        else:
            answer = program.post(address, body or b"{}", content_type="application/json")
        assert answer.status_code < 300, (address, answer.content)
        answers.append(answer)
        work(timezone.now())
    assert answers
    return answers


def _subscribe(shop: Sender, service: Receiver, name: str) -> Browser:
    """Somebody's telephone asks for push messages, as the script of the shop's pages does."""
    phone = Browser(f"{service.url}/{name}", secret=name.encode().ljust(16, b"!"))
    shop.client.get("/push/key")
    body = {"writeKey": shop.write_key, "userId": name, "subscription": phone.subscription}
    assert shop.post("/push/subscribe", body).status_code == 200
    return phone


def _shown(phones: dict[str, Browser], service: Receiver) -> list[str]:
    """Whose telephones got a push message that they can read."""
    shown = []
    for request in service.received:
        name = request.path.rsplit("/", 1)[-1]
        assert phones[name].read(request)["title"] in {"The new collection is here", "Thank you!"}
        shown.append(name)
    return sorted(shown)


def _open(shop: Sender, phone: Browser, service: Receiver) -> None:
    """A telephone says that its message was opened, as the service worker does."""
    [request] = [one for one in service.received if phone.endpoint.endswith(one.path)]
    token = phone.read(request)["token"]
    assert shop.post("/push/opened", {"token": token}, user="").status_code == 204


def _buy(name: str, *, at: datetime) -> None:
    bought = {"purchase_id": "p3", "purchaseMessage": "thank you"}
    record_events([IncomingEvent(_id(name), "purchase", at, bought)], received_at=at)


def _id(name: str) -> int:
    found = find_contact_id(USER_ID, name)
    assert found is not None
    return found


def _whose(mails: list[Mail]) -> list[str]:
    return sorted(mail["To"].split("@")[0].split("<")[-1] for mail in mails)


def _html(mail: Mail) -> str:
    [part] = [one for one in mail.walk() if one.get_content_type() == "text/html"]
    return part.get_payload(decode=True).decode()  # type: ignore[union-attr]


def _standing(node: str) -> set[str]:
    """Who stands at an activity."""
    inside = Participant.objects.filter(finished_at=None).select_related("version")
    return {_name(one.contact_id) for one in inside if node in one.version.places[one.place]}


def _finished() -> set[str]:
    return {_name(one.contact_id) for one in Participant.objects.filter(state="done")}


def _name(contact_id: int) -> str:
    return Contact.objects.get(pk=contact_id).email.split("@")[0]


def _typed(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command of the page prints; the page has it."""
    assert any(f"manage.py {command[0]}" in one for one in commands(PAGE)), command
    call_command(*command)
    return capsys.readouterr().out.strip()
