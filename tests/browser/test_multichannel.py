"""The use case of the French document from end to end: drawn, tested, published, and run.

Drawn and tested in a real browser; sent over a real mail server and to a push service that reads
what it gets; shown by a real service worker; the clock moved by `as_of`.
"""

import json
import re
from datetime import datetime, timedelta
from email.message import Message as Mail
from typing import Any

import pytest
from django.db.models import Count
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect

from contacts.events import IncomingEvent, record_events
from contacts.identities import USER_ID, find_contact_id
from contacts.models import Contact, Event
from integrations import templates
from integrations.connectors.mail import CONNECTOR
from journeys.models import Journey, Message, Participant
from journeys.trying import profiles
from segments import membership, rule_events
from segments.models import Membership, Segment
from tests.browser.drawing import draw_the_use_case, save
from tests.browser.test_push import CLICK, SHOWN, deliver, shop, until, visit
from tests.browser.test_push import site_key as site_key
from tests.factories import make_contact
from tests.integrations.push.other_side import Browser
from tests.integrations.receiving import Receiver, receiver
from tests.integrations.test_mail import Office
from tests.integrations.test_mail import office as office
from tests.journeys.working import work
from tests.segments.factories import make_segment
from workspace.access import SYSTEM

DAY = timedelta(days=1)
CRITERIA = {
    "combinator": "and",
    "rules": [
        {"field": "contact.city", "operator": "in", "value": ["Atlanta", "San Francisco"]},
        {"field": "contact.birth_date", "operator": ">", "value": "1980-12-31"},
    ],
}
PEOPLE = 101

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def segment(transactional_db: None) -> Segment:
    """The segment with a hundred and one people, all but the first of them test profiles."""
    at = timezone.now()
    for number in range(PEOPLE):
        named: dict[str, Any] = {} if number else {"external_id": "A-17"}
        make_contact(
            email=f"p{number}@example.com",
            first_name=f"P{number}",
            city=("Atlanta", "San Francisco")[number % 2],
            birth_date="1990-05-17",
            **named,
        )
    make_contact(email="old@example.com", city="Atlanta", birth_date="1980-12-31")
    made = make_segment("atlanta", name="Atlanta, San Francisco and Seattle, after 1980", at=at)
    Segment.objects.filter(pk=made.pk).update(criteria=CRITERIA)
    made.refresh_from_db()
    membership.refresh(made.pk, as_of=at, cause="manual")
    inside = Membership.objects.filter(segment=made).order_by("contact_id")
    members = list(inside.values_list("contact_id", flat=True))
    assert len(members) == PEOPLE
    profiles.mark(members[1:], actor=SYSTEM, at=at)
    return made


@pytest.fixture
def words(transactional_db: None) -> None:
    """What is said, and the event that is waited for."""
    at = timezone.now()
    link = "https://shop.example/new"
    letters: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("first", "email", {"html": f"<p>Hello, <a href='{link}'>see</a></p>"}),
        ("first-push", "push", {"text": "Come and see.", "link": link}),
        ("follow-up", "email", {"text": f"Still here: {link}"}),
        ("thank-you", "push", {"text": "Enjoy it.", "link": link}),
    )
    for key, channel, said in letters:
        templates.create_template(
            name="Thank you" if key == "thank-you" else f"{key} ({channel})",
            key=key,
            channel=channel,
            subject=f"{key} {{{{ contact.first_name }}}}",
            actor=SYSTEM,
            at=at,
            **said,
        )
    where = {
        "combinator": "and",
        "rules": [{"field": "properties.purchaseMessage", "operator": "=", "value": "thank you"}],
    }
    rule_events.create_rule_event(
        name="purchase_thank_you", base="purchase", where=where, enabled=True, actor=SYSTEM, at=at
    )


def test_it_is_drawn_tested_published_and_run(
    browser: Chromium,
    logged_in: Page,
    address: str,
    site_key: str,
    segment: Segment,
    words: None,
    office: Office,
) -> None:
    CONNECTOR.close()
    draw_the_use_case(logged_in)
    save(logged_in)
    journey = Journey.objects.get()
    _test_with_one(logged_in, journey, office)
    _test_with_a_hundred(logged_in, journey, office)
    _publish(logged_in, journey)
    with receiver(201) as service, shop(address, site_key) as origin:
        telephone = Browser(service.url)
        with visit(browser, origin, telephone) as (context, page):
            page.get_by_role("button", name="Tell me").click()
            expect(page.locator("#state")).to_have_text("subscribed")

            began = timezone.now()
            work(began)
            assert len(office.got) == PEOPLE, "everybody of the segment, and nobody else"
            _look_at(office.got[1])
            text = json.dumps(telephone.read(service.received[0]))
            worker = deliver(context, page, origin, text)
            until(page, lambda: worker.evaluate(SHOWN))
            worker.evaluate(CLICK)
            until(page, lambda: Event.objects.filter(definition__name="push_opened").exists())
            work(timezone.now())
            assert _standing("event") == 2

            _the_day_after(office, service, began + DAY + timedelta(hours=1))


def _test_with_one(page: Page, journey: Journey, office: Office) -> None:
    """AJ-31 to AJ-33: nothing is wrong, the toggle, a single profile."""
    page.goto(f"/admin/journeys/journey/{journey.pk}/test/")
    page.get_by_role("switch", name="Test").click()
    page.get_by_role("button", name="Start the test").click()
    expect(page.get_by_role("switch", name="Test")).to_be_checked()
    page.get_by_role("button", name="Let enter").click()
    at = timezone.now()
    work(at)
    [mail] = office.got
    assert mail["Subject"].startswith("[Test] first P")
    expect(page.locator("[data-test-log]")).to_contain_text("First message")
    # A wait of a day lasts seconds here: the follow-up comes.
    work(at + timedelta(minutes=1))
    assert [one["Subject"].split()[1] for one in office.got] == ["first", "follow-up"]
    page.reload()
    page.locator("[data-trigger-event]").select_option("purchase_thank_you")
    page.get_by_role("button", name="Send").click()
    work(at + timedelta(minutes=2))
    page.reload()
    expect(page.locator("[data-test-log]")).to_contain_text("finished")
    page.get_by_role("switch", name="Test").click()
    page.get_by_role("button", name="End it and empty it").click()
    expect(page.get_by_role("switch", name="Test")).not_to_be_checked()
    assert not Participant.objects.exists(), "a test that ended leaves nothing"


def _test_with_a_hundred(page: Page, journey: Journey, office: Office) -> None:
    """Up to a hundred at once."""
    office.got.clear()
    page.get_by_role("switch", name="Test").click()
    page.get_by_role("button", name="Start the test").click()
    page.get_by_label("Up to 100 profiles at once").check()
    page.get_by_role("button", name="Let enter").click()
    work(timezone.now())
    assert len({mail["To"] for mail in office.got}) == 100
    expect(page.locator("[data-test-log]")).to_contain_text("100")
    office.got.clear()


def _publish(page: Page, journey: Journey) -> None:
    """AJ-34: from the page of the test, which ends with that."""
    page.get_by_role("link", name="Publish", exact=True).click()
    page.locator("#dialog-publish [type=submit]").click()
    expect(page.get_by_text("is published as version 1")).to_be_visible()
    journey.refresh_from_db()
    assert journey.state == "live"
    assert not Participant.objects.exists()


def _look_at(mail: Mail) -> None:
    """A reader of mail loads the picture."""
    [html] = [one for one in mail.walk() if one.get_content_type() == "text/html"]
    found = re.search(r"/o/[^\"']+\.gif", html.get_payload(decode=True).decode())  # type: ignore[union-attr]
    assert found is not None
    assert Client().get(found[0]).status_code == 200


def _the_day_after(office: Office, service: Receiver, at: datetime) -> None:
    """Who opened neither is reminded, all are waited for, and who buys is thanked."""
    office.got.clear()
    service.received.clear()
    work(at)
    assert len(office.got) == PEOPLE - 2, "neither who opened the e-mail nor the push message"
    assert _standing("event") == PEOPLE
    buyers = [find_contact_id(USER_ID, "A-17"), Contact.objects.get(email="p7@example.com").pk]
    bought = {"purchaseMessage": "thank you", "product": "scarf"}
    events = [IncomingEvent(pk, "purchase", at + timedelta(hours=1), bought) for pk in buyers if pk]
    record_events(events, received_at=at)
    work(at + timedelta(hours=2))
    assert Participant.objects.filter(state="done").count() == 2
    [push] = Message.objects.filter(node="message_3", state="sent")
    assert push.contact_id == buyers[0]
    assert len(service.received) == 1
    twice = Message.objects.values("participant", "node", "channel").annotate(n=Count("id"))
    assert not twice.filter(n__gt=1).exists()


def _standing(node: str) -> int:
    """How many stand at an activity."""
    inside = Participant.objects.filter(finished_at=None).select_related("version")
    return sum(node in one.version.places[one.place] for one in inside)
