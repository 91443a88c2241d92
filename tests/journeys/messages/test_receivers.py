"""What receivers do: open, click, look at it in the browser, unsubscribe, choose."""

import re
from typing import Any

import pytest
from django.test import Client

from contacts import consents
from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import ConsentDefinition, Event
from integrations.models import Delivery, Suppression
from integrations.suppressions import Unwanted, note, suppressed_addresses
from journeys.messages import tracking
from journeys.models import Lane, Message
from tests.factories import DAY, HOUR, NOW, make_consent, make_contact
from tests.integrations.test_mail import Office
from tests.journeys.drawn import node
from tests.journeys.messages.sending import (
    END,
    arrive,
    events,
    make_journey,
    make_template,
    payload,
    send,
)
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
HTML = (
    '<p>Hello</p><a href="https://shop.example/sale?a=1&amp;b=2">Sale</a>'
    '<a href="https://shop.example/new">New</a><a href="{{ view_url }}">Browser</a>'
    '<a href="{{ preferences_url }}">Choose</a>'
)


@pytest.fixture
def anna(office: Office) -> Any:
    """A contact who got an e-mail for the newsletter."""
    make_consent("newsletter", label="Newsletter", description="Once a week.")
    make_consent("partners", label="Partners")
    make_template(html=HTML)
    anna = make_contact(email="anna@example.com", first_name="Anna", language="pl")
    consents.record(
        contact_id=anna.pk, key="newsletter", state="granted", at=NOW, source="test", actor=SYSTEM
    )
    version = make_journey(node("first", "message", email="first", purpose="newsletter"), END)
    arrive(version, anna)
    send()
    return anna


@pytest.fixture
def browser() -> Client:
    """Without cookies, and as strict with forms as in production."""
    return Client(enforce_csrf_checks=True)


def paths(kind: str) -> list[str]:
    """The addresses of one kind in the e-mail that was sent."""
    found: list[str] = re.findall(rf"http[^\"]*(/{kind}/[\w-]+(?:\.gif|/)?)", payload()["html"])
    return found


def unsubscribe_path() -> str:
    header: str = payload()["headers"]["List-Unsubscribe"]
    return "/" + header.strip("<>").split("/", 3)[3]


def message() -> Message:
    return Message.objects.get()


def states(anna: Any) -> dict[str, str]:
    return consents.states_of([anna.pk])[anna.pk]


def test_an_opened_email_counts_and_is_told_once(anna: Any, browser: Client) -> None:
    (picture,) = paths("o")
    for _time in range(3):
        answer = browser.get(picture)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
    assert "no-store" in answer["Cache-Control"]
    found = message()
    assert (found.open_count, found.clicked_at) == (3, None)
    (told,) = events("email_opened")
    assert told == {
        "message": found.pk,
        "participant": found.participant_id,
        "journey": "welcome",
        "node": "first",
    }
    assert Event.objects.get(definition__name="email_opened").contact_id == anna.pk


def test_programs_that_only_ask_or_fetch_ahead_count_nothing(anna: Any, browser: Client) -> None:
    (picture,), click = paths("o"), paths("c")[0]
    assert browser.head(picture).status_code == 200
    assert browser.head(click).status_code == 302
    browser.get(picture, headers={"Sec-Purpose": "prefetch"})
    browser.get(click, headers={"X-Moz": "prefetch"})
    found = message()
    assert (found.open_count, found.click_count) == (0, 0)
    assert events("email_opened") == []


def test_a_click_leads_on_and_is_told_once_for_each_address(anna: Any, browser: Client) -> None:
    sale, new = paths("c")
    for path in (sale, sale, new):
        answer = browser.get(path)
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.example/new")
    assert browser.get(sale)["Location"] == "https://shop.example/sale?a=1&b=2"
    assert (message().click_count, message().open_count) == (4, 1)
    assert sorted(told["url"] for told in events("email_clicked")) == [
        "https://shop.example/new",
        "https://shop.example/sale?a=1&b=2",
    ]
    assert len(events("email_opened")) == 1, "who clicks has opened it"


def test_a_changed_link_leads_nowhere_and_a_changed_picture_is_still_one(
    anna: Any, browser: Client
) -> None:
    sale, (picture,) = paths("c")[0], paths("o")
    other = "A" if sale[8] != "A" else "B"
    assert browser.get(sale[:8] + other + sale[9:]).status_code == 404
    assert browser.get(f"/c/{'A' * 60}").status_code == 404
    assert browser.get(picture.replace("/o/", "/o/xx")).status_code == 200
    assert message().open_count == message().click_count == 0


def test_links_lead_on_when_the_message_is_forgotten(anna: Any, browser: Client) -> None:
    sale, (picture,) = paths("c")[0], paths("o")
    Message.objects.all().delete()
    assert browser.get(sale)["Location"] == "https://shop.example/sale?a=1&b=2"
    assert browser.get(picture).status_code == 200


def test_what_a_merged_contact_does_is_the_survivors(anna: Any, browser: Client) -> None:
    survivor = make_contact(email="other@example.com")
    merge_contacts(survivor.pk, anna.pk, actor=SYSTEM, at=NOW, cause="test")
    browser.get(paths("o")[0])
    assert Event.objects.get(definition__name="email_opened").contact_id == survivor.pk


def test_events_of_a_test_say_so(office: Office) -> None:
    make_template()
    anna = make_contact(email="anna@example.com")
    arrive(make_journey(lane=Lane.TEST), anna)
    send()
    tracking.note_open(message().pk, at=NOW + HOUR)
    (told,) = events("email_opened")
    assert told["test"] is True


def test_the_email_can_be_looked_at_in_the_browser_and_does_nothing(
    anna: Any, browser: Client
) -> None:
    answer = browser.get(paths("m")[0])
    assert "<p>Hello</p>" in answer.content.decode()
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src 'none'" in policy
    address = paths("m")[0]
    Delivery.objects.update(payload={"erased": True})
    assert browser.get(address).status_code == 404


def test_looking_at_the_page_to_unsubscribe_changes_nothing(anna: Any, browser: Client) -> None:
    answer = browser.get(unsubscribe_path())
    assert "Newsletter" in answer.content.decode()
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    assert answer["Referrer-Policy"] == "no-referrer"
    browser.head(unsubscribe_path())
    assert states(anna)["newsletter"] == "granted"


def test_a_mail_program_unsubscribes_at_one_click(anna: Any, browser: Client) -> None:
    for _time in range(2):
        answer = browser.post(unsubscribe_path(), {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert states(anna)["newsletter"] == "withdrawn"
    assert states(anna)["partners"] == "unknown"
    assert not Suppression.objects.exists()
    (told,) = events("email_unsubscribed")
    assert told["message"] == message().pk
    assert message().unsubscribed_at is not None
    (line, _granted) = consents.history(anna.pk)
    assert (line.key, line.state, line.source) == ("newsletter", "withdrawn", "unsubscribe")


def test_of_a_message_without_a_purpose_one_unsubscribes_from_all(
    office: Office, browser: Client
) -> None:
    anna = make_contact(email="Anna@Example.com")
    version = make_journey()
    arrive(version, anna)
    send()
    browser.post(unsubscribe_path(), {"List-Unsubscribe": "One-Click"})
    assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "unsubscribe"}
    message().delete()
    arrive(make_journey(key="another"), anna, at=NOW + DAY)
    assert send(NOW + DAY).delivered == 0
    assert message().reason == "suppressed"


def test_preferences_are_chosen_by_purpose(anna: Any, browser: Client) -> None:
    page = paths("preferences")[0]
    shown = browser.get(page).content.decode()
    assert 'value="newsletter" checked' in shown
    assert "Once a week." in shown
    assert "a…@example.com" in shown
    assert "anna@example.com" not in shown
    answer = browser.post(page, {"purpose": ["partners"]})
    assert "Saved" in answer.content.decode()
    assert states(anna) == {"newsletter": "withdrawn", "partners": "granted"}
    browser.post(page, {"purpose": ["partners", "unknown"]})
    assert len(consents.history(anna.pk)) == 3, "only what changes is written"


def test_internal_consents_are_not_shown_and_not_changed(anna: Any, browser: Client) -> None:
    make_consent("risk", label="Risk scoring", is_public=False)
    page = paths("preferences")[0]
    assert "Risk scoring" not in browser.get(page).content.decode()
    browser.post(page, {"purpose": ["risk", "newsletter"]})
    assert states(anna)["risk"] == "unknown"


def test_what_the_message_was_sent_for_can_be_withdrawn_though_internal(
    anna: Any, browser: Client
) -> None:
    ConsentDefinition.objects.update(is_public=False)
    page = paths("preferences")[0]
    shown = browser.get(page).content.decode()
    assert 'value="newsletter" checked' in shown
    assert "Partners" not in shown
    browser.post(page, {})
    assert states(anna) == {"newsletter": "withdrawn", "partners": "unknown"}


def test_consents_are_told_in_the_language_of_the_contact(anna: Any, browser: Client) -> None:
    words = {"pl": {"label": "Biuletyn", "description": "Raz w tygodniu."}}
    ConsentDefinition.objects.filter(key="newsletter").update(translations=words)
    shown = browser.get(paths("preferences")[0]).content.decode()
    assert "Biuletyn" in shown
    assert "Raz w tygodniu." in shown
    assert "Partners" in shown, "what is not translated stays as it is"
    assert "Biuletyn" in browser.get(unsubscribe_path()).content.decode()


def test_all_email_can_be_turned_off_and_on_again(anna: Any, browser: Client) -> None:
    page = paths("preferences")[0]
    browser.post(page, {"purpose": "newsletter", "no_mail": "1"})
    assert Suppression.objects.get().reason == "unsubscribe"
    assert states(anna)["newsletter"] == "granted"
    assert 'name="no_mail" value="1" checked' in browser.get(page).content.decode()
    browser.post(page, {"purpose": "newsletter"})
    assert not Suppression.objects.exists()


def test_an_address_that_came_back_is_not_opened_by_its_owner(anna: Any, browser: Client) -> None:
    note([Unwanted("anna@example.com", Suppression.Reason.COMPLAINT)], at=NOW)
    page = paths("preferences")[0]
    assert "came back" in browser.get(page).content.decode()
    browser.post(page, {"purpose": "newsletter"})
    assert Suppression.objects.get().reason == "complaint"


def test_the_links_of_an_erased_contact_lead_nowhere(anna: Any, browser: Client) -> None:
    page, unsubscribe = paths("preferences")[0], unsubscribe_path()
    erase_contact(anna.pk, actor=SYSTEM, at=NOW)
    assert browser.get(page).status_code == 404
    assert browser.post(unsubscribe).status_code == 404


@pytest.mark.parametrize("room", ["u", "preferences", "m"])
def test_a_made_up_link_leads_nowhere(browser: Client, room: str) -> None:
    answer = browser.get(f"/{room}/{'A' * 50}/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
