"""A device says that a message was opened: once, and only with a word that we signed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Event
from integrations import push
from integrations.push import opened, tokens
from integrations.push.errors import PushTokenInvalid
from integrations.push.tokens import Token
from tests.factories import DAY, HOUR, NOW, make_contact
from workspace.access import SYSTEM

ABOUT = {"participant": 5, "journey": "welcome", "node": "first"}


@pytest.fixture
def heard() -> Iterator[list[tuple[int, datetime]]]:
    told: list[tuple[int, datetime]] = []
    before = dict(opened._listeners)
    opened.register_listener("test", lambda token, at: told.append((token.message_id, at)))
    yield told
    opened._listeners.clear()
    opened._listeners.update(before)


def token_for(contact_id: int, message_id: int = 7) -> str:
    made = push.payload(
        title="Hello",
        body="",
        at=NOW,
        message_id=message_id,
        contact_id=contact_id,
        about=ABOUT,
    )
    return str(made["token"])


def events() -> list[tuple[int, datetime, Any]]:
    found = Event.objects.filter(definition__name=opened.EVENT).order_by("occurred_at")
    return list(found.values_list("contact_id", "occurred_at", "properties"))


def test_an_opening_is_recorded_with_all_that_the_message_is_about(heard: Any) -> None:
    contact = make_contact()

    assert opened.record_opened(token_for(contact.pk), at=NOW + HOUR)

    assert events() == [(contact.pk, NOW + HOUR, {"message": 7, **ABOUT})]
    assert heard == [(7, NOW + HOUR)]


def test_a_message_is_opened_once_however_many_devices_say_so(heard: Any) -> None:
    contact = make_contact()
    text = token_for(contact.pk)

    assert opened.record_opened(text, at=NOW + HOUR)
    assert not opened.record_opened(text, at=NOW + 2 * HOUR)
    assert opened.record_opened(token_for(contact.pk, 8), at=NOW + 2 * HOUR)

    assert [at for _contact, at, _about in events()] == [NOW + HOUR, NOW + 2 * HOUR]
    assert [message for message, _at in heard] == [7, 8]


def test_what_a_merged_contact_opens_is_the_survivors_and_still_once(heard: Any) -> None:
    survivor, loser = make_contact(), make_contact()
    text = token_for(loser.pk)
    assert opened.record_opened(text, at=NOW + HOUR)
    merge_contacts(survivor.pk, loser.pk, actor=SYSTEM, at=NOW + 2 * HOUR, cause="test")

    assert not opened.record_opened(text, at=NOW + 3 * HOUR)
    assert opened.record_opened(token_for(loser.pk, 8), at=NOW + 3 * HOUR)

    assert {contact_id for contact_id, _at, _about in events()} == {survivor.pk}


def test_of_an_erased_contact_nothing_is_recorded(heard: Any) -> None:
    contact = make_contact()
    text = token_for(contact.pk)
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)

    assert not opened.record_opened(text, at=NOW + HOUR)

    assert events() == []
    assert heard == []


@pytest.mark.parametrize("change", ["first", "last", "empty", "long", "other"])
def test_a_token_that_somebody_changed_is_refused(change: str, heard: Any) -> None:
    good = token_for(make_contact().pk)
    bad = {
        "first": ("A" if good[0] != "A" else "B") + good[1:],
        "last": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "empty": "",
        "long": good * 50,
        "other": good.rpartition(":")[0] + ":" + token_for(1).rpartition(":")[2],
    }[change]

    with pytest.raises(PushTokenInvalid):
        opened.record_opened(bad, at=NOW)

    assert heard == []


def test_a_token_is_good_for_ninety_days() -> None:
    text = token_for(3)

    assert tokens.read(text, at=NOW + 90 * DAY) == Token(7, 3, ABOUT, NOW)
    with pytest.raises(PushTokenInvalid):
        tokens.read(text, at=NOW + 90 * DAY + timedelta(seconds=1))
