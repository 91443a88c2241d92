"""On the profile of a contact one sees which source told what, and what could not be used."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from contacts.events import IncomingEvent, record_events
from contacts.timeline import Filters, page
from integrations.contact_sources import sources_of_contact
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source
from tests.factories import DAY, HOUR, NOW, make_contact
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> int:
    """Who viewed a page of the website, and bought in the shop."""
    contact_id = make_contact().pk
    for key, event, hours in (("web", "page_visit", 1), ("shop", "purchase", 2)):
        source = Source.objects.create(key=key, name=key.title())
        incoming = IncomingEvent(contact_id, event, NOW + hours * HOUR, {}, f"message-{key}")
        record_events([incoming], received_at=NOW + hours * HOUR, source_id=source.pk)
        ReceivedEvent.objects.create(
            source=source,
            received_at=NOW + hours * HOUR,
            type="track",
            name=event,
            contact_id=contact_id,
            outcome=Outcome.ACCEPTED,
            body="{}",
        )
    record_events([IncomingEvent(contact_id, "by hand", NOW)], received_at=NOW)
    return contact_id


def test_an_event_says_which_source_sent_it(anna: int) -> None:
    def origins(**asked: Any) -> list[str]:
        filters = Filters(kinds=frozenset({"event"}), **asked)
        return [item.origin for item in page(anna, actor=SYSTEM, filters=filters)]

    assert origins() == ["Shop", "Web", ""]
    assert origins(source="web") == ["Web"]
    assert origins(source="unheard-of") == []


def test_only_who_may_see_sources_is_told_of_them_and_led_to_their_pages(anna: int) -> None:
    user = User.objects.create_user("ewa")
    user.user_permissions.add(Permission.objects.get(codename="view_contact"))
    for actor, is_led in ((SYSTEM, True), (actor_of_user(user), False)):
        newest = page(anna, actor=actor)[0]
        shown = ("Shop", True) if is_led else ("", False)
        assert (newest.origin, bool(newest.origin_url)) == shown


def test_what_could_not_be_used_is_told_to_who_may_see_it(anna: int) -> None:
    held = HeldEvent.objects.create(
        source=Source.objects.get(key="web"),
        received_at=NOW + DAY,
        type="identify",
        contact_id=anna,
        outcome=Outcome.MARKED,
        code="wrong_value",
        reason="“31.02.” is not a date.",
        body="{}",
    )
    first = page(anna, actor=SYSTEM)[0]
    assert (first.kind, first.title, first.text, first.origin) == (
        *("held", "A part of “identify” was not used", "“31.02.” is not a date.", "Web"),
    )
    assert first.url.endswith(f"/{held.pk}/change/")
    user = User.objects.create_user("ewa")
    assert "held" not in {item.kind for item in page(anna, actor=actor_of_user(user))}


def test_the_sources_that_told_of_a_person_lately_are_counted(anna: int) -> None:
    found = [(one.name, one.count, one.last_at) for one in sources_of_contact(anna)]
    assert found == [("Shop", 1, NOW + 2 * HOUR), ("Web", 1, NOW + HOUR)]
    assert sources_of_contact(make_contact().pk) == []
