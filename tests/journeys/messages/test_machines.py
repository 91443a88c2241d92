"""Looks by programs are kept and count for nothing; a person's first click counts at once."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.erasure import erase_contact
from journeys.messages import machines, tracking
from journeys.messages.links import click_url
from journeys.messages.machines import Visitor, is_program
from journeys.messages.reactions import machine_visits_of
from journeys.models import Message, Signal
from tests.factories import HOUR, NOW, make_contact
from tests.integrations.test_mail import Office
from tests.journeys.messages.sending import arrive, events, make_journey, send
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
SALE, NEW = "https://shop.example/sale", "https://shop.example/new"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
ANNA = Visitor("192.0.2.7", CHROME)
GATEWAY = Visitor("198.51.100.9", CHROME)


@pytest.fixture
def message(office: Office) -> Message:
    """An e-mail that was sent to Anna at `NOW`."""
    arrive(make_journey(), make_contact(email="anna@example.com"))
    send()
    return Message.objects.get()


def click(message: Message, url: str, visitor: Visitor, after: timedelta) -> None:
    tracking.note_click(message.pk, url, at=NOW + after, visitor=visitor)
    message.refresh_from_db()


def look(message: Message, visitor: Visitor, after: timedelta) -> None:
    tracking.note_open(message.pk, at=NOW + after, visitor=visitor)
    message.refresh_from_db()


def figures(message: Message) -> tuple[int, int, bool, bool]:
    return (
        message.open_count,
        message.click_count,
        message.opened_at is not None,
        message.clicked_at is not None,
    )


def test_one_click_in_the_first_second_counts_at_once(message: Message) -> None:
    click(message, SALE, ANNA, SECOND)
    assert figures(message) == (1, 1, True, True)
    assert [told["url"] for told in events("email_clicked")] == [SALE]
    assert machine_visits_of(message) == []


def test_who_opens_several_links_at_once_is_a_scanner(message: Message) -> None:
    click(message, SALE, GATEWAY, SECOND)
    click(message, NEW, GATEWAY, 2 * SECOND)
    click(message, "https://shop.example/third", GATEWAY, 11 * SECOND)
    assert figures(message) == (0, 0, False, False), "the first is taken back"
    assert [one.url for one in machine_visits_of(message)][:2] == [SALE, NEW]
    assert {one.why for one in machine_visits_of(message)} == {"several_links"}
    assert len(events("email_clicked")) == 1, "what was told stays told"


def test_what_a_person_does_after_a_scanner_counts_and_is_told(message: Message) -> None:
    click(message, SALE, GATEWAY, SECOND)
    click(message, NEW, GATEWAY, SECOND)
    click(message, SALE, ANNA, HOUR)
    assert figures(message) == (1, 1, True, True)
    assert [told["url"] for told in events("email_clicked")] == [SALE, SALE]
    assert len(events("email_opened")) == 2


def test_another_address_and_a_later_time_are_a_persons(message: Message) -> None:
    click(message, SALE, GATEWAY, SECOND)
    click(message, NEW, ANNA, 2 * SECOND)
    assert figures(message)[1] == 2
    click(message, SALE, ANNA, HOUR)
    click(message, NEW, ANNA, HOUR + SECOND)
    assert figures(message)[1] == 4
    assert machine_visits_of(message) == []


@pytest.mark.parametrize("edge", [machines.WITHIN, machines.WITHIN + timedelta(microseconds=1)])
def test_within_is_ten_seconds(message: Message, edge: timedelta) -> None:
    click(message, SALE, GATEWAY, SECOND)
    click(message, NEW, GATEWAY, edge)
    assert bool(machine_visits_of(message)) == (edge <= machines.WITHIN)


def test_a_scanner_that_is_quicker_than_our_note_of_the_sending_is_one(message: Message) -> None:
    Message.objects.update(sent_at=None, state="queued")
    click(message, SALE, GATEWAY, SECOND)
    click(message, NEW, GATEWAY, SECOND)
    assert figures(message) == (0, 0, False, False)


def test_a_program_that_says_so_counts_at_no_time(message: Message) -> None:
    scanner = Visitor("192.0.2.7", "Mozilla/5.0 (compatible; Barracuda Sentinel)")
    click(message, SALE, scanner, 3 * HOUR)
    look(message, scanner, 3 * HOUR)
    assert figures(message) == (0, 0, False, False)
    assert events("email_clicked") == events("email_opened") == []
    assert [(one.name, one.why) for one in machine_visits_of(message)] == [
        ("email_clicked", "agent"),
        ("email_opened", "agent"),
    ]


def test_what_has_moved_nobody_yet_moves_nobody(message: Message) -> None:
    click(message, SALE, GATEWAY, SECOND)
    (name,) = (f"email_clicked:{message.pk}:{key}" for key in [_key(SALE)])
    for message_id in (name, "another"):
        Signal.objects.create(
            journey_id=message.journey_id,
            participant_id=message.participant_id,
            kind="event",
            node="clicked",
            at=NOW + SECOND,
            data={"message_id": message_id},
        )
    click(message, NEW, GATEWAY, SECOND)
    assert [(one.data or {})["message_id"] for one in Signal.objects.all()] == ["another"]


def test_no_more_is_kept_than_is_of_use(message: Message) -> None:
    for number in range(machines.LIMIT + 5):
        click(message, f"{SALE}/{number}", GATEWAY, SECOND)
    assert message.visits is not None
    assert len(message.visits) == machines.LIMIT
    assert message.click_count == 0


def test_the_setting_turns_it_off(message: Message, settings: Any) -> None:
    settings.MESSAGE_MACHINES_COUNT = True
    click(message, SALE, Visitor("192.0.2.7", "Slackbot-LinkExpanding 1.0"), SECOND)
    click(message, NEW, GATEWAY, SECOND)
    assert figures(message)[1] == 2
    assert message.visits is None


def test_the_address_of_the_network_is_not_kept_and_all_is_forgotten(message: Message) -> None:
    click(message, SALE, GATEWAY, SECOND)
    assert GATEWAY.address not in str(message.visits)
    erase_contact(message.contact_id, actor=SYSTEM, at=NOW)
    message.refresh_from_db()
    assert message.visits is None


def test_the_links_themselves_tell_who_asks(message: Message) -> None:
    Message.objects.update(sent_at=timezone.now())
    browser = Client(headers={"User-Agent": "python-requests/2.32"})
    browser.get(_path(message, SALE))
    message.refresh_from_db()
    assert figures(message) == (0, 0, False, False)
    assert machine_visits_of(message)[0].agent == "python-requests/2.32"


@pytest.mark.parametrize(
    ("agent", "kind", "expected"),
    [
        ("", "email_clicked", False),
        (CHROME, "email_clicked", False),
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) (via ggpht.com GoogleImageProxy)",
            "email_opened",
            False,
        ),
        ("YahooMailProxy; https://help.yahoo.com/", "email_opened", False),
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "email_opened", False),
        ("Mozilla/5.0", "email_opened", True),
        ("Mozilla/5.0", "email_clicked", False),
        ("Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG) Chrome/140", "email_clicked", False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "email_clicked", True),
        ("Mozilla/5.0 (X11) HeadlessChrome/140.0", "email_clicked", True),
        ("facebookexternalhit/1.1", "email_clicked", True),
        ("Go-http-client/2.0", "email_clicked", True),
    ],
)
def test_what_says_of_itself_that_it_is_a_program(agent: str, kind: str, expected: bool) -> None:
    assert is_program(agent, kind) is expected


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:24]


def _path(message: Message, url: str) -> str:
    return "/" + click_url(message.pk, url).split("/", 3)[3]
