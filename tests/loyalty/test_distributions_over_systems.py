"""Codes that a connected system brings to contacts: told to it once, with what triggered it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from contacts import followed_events
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from integrations import webhooks
from integrations.errors import WebhookInUse
from integrations.models import Delivery, VendorConnection
from integrations.sandbox.segment import Segment
from integrations.vendors import connections
from loyalty.admin.distribution_forms import DistributionForm
from loyalty.distribution import distributions
from loyalty.distribution.distribution_words import describe
from loyalty.errors import DistributionInvalid, DistributionNotReady
from loyalty.models import Distribution
from tests.factories import NOW, make_contact
from tests.integrations.segment.source import GIVEN, connect, drain, workspace
from tests.loyalty.distributions import make_distribution, make_webhook, run, states
from tests.loyalty.gift_cards import make_campaign
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)
BY: dict[str, Any] = {"actor": SYSTEM, "at": LATER}


@pytest.fixture
def box(settings: Any) -> Iterator[Segment]:
    with workspace(settings) as segment:
        yield segment


def reviewed(*people: Contact, **properties: Any) -> None:
    """They leave a review each."""
    record_events(
        [
            IncomingEvent(
                one.pk, "review_left", LATER, properties=properties, message_id=str(one.pk)
            )
            for one in people
        ],
        received_at=LATER,
    )
    followed_events.follow_events(distributions.FOLLOWER, LATER)


def over(connection: VendorConnection, **given: Any) -> Distribution:
    """A card for each review, whose code this connection carries."""
    trigger = {"kind": "event", "key": "review_left"}
    return make_distribution(
        **{"trigger": trigger, "channel": "vendor", "connection": connection.pk, **given}
    )


@pytest.mark.parametrize("types", [(), (GIVEN,)])
def test_the_system_hears_of_each_card_once_whether_it_hears_of_all_cards_or_not(
    box: Segment, types: tuple[str, ...]
) -> None:
    connection = connect(box, *types, names="titles")
    distribution = over(connection)
    michael = make_contact(external_id="michael.scott", email="michael@example.com")
    reviewed(michael, rating=5)
    run(LATER)
    drain(LATER)
    assert states(distribution) == ["done"]
    (event,) = box.events
    assert (event["event"], event["userId"]) == ("Customer Publication Succeeded", "michael.scott")
    told = event["properties"]
    assert (
        told["publication_voucher_code"]
        == distribution.campaign.voucher_set.get(holder=michael).code
    )
    assert told["customer_email"] == "michael@example.com"
    assert told["publication_channel"] == "vendor"
    assert (told["distribution_key"], told["trigger_kind"]) == (distribution.key, "event")
    assert told["trigger_event_properties_rating"] == 5


def test_another_connection_hears_of_it_as_of_any_card(box: Segment) -> None:
    carrier = connect(box)
    connect(box, GIVEN, identity="email")
    over(carrier)
    reviewed(make_contact(external_id="michael.scott", email="michael@example.com"))
    run(LATER)
    drain(LATER)
    assert sorted(one["userId"] for one in box.events) == ["michael.scott", "michael@example.com"]


def test_who_is_not_known_there_has_the_card_and_is_told_of_apart(box: Segment) -> None:
    distribution = over(connect(box))
    reviewed(make_contact(email="anna@example.com"))
    run(LATER)
    drain(LATER)
    assert states(distribution) == ["done"]
    assert "knows the contact by no id" in distribution.tasks.get().problem
    assert box.events == []
    assert Delivery.objects.get().state == "cancelled"
    distribution.refresh_from_db()
    assert (distribution.state, distribution.failures_in_a_row) == ("active", 0)


def test_a_trigger_that_would_fill_the_message_is_told_by_its_name_only(box: Segment) -> None:
    over(connect(box))
    reviewed(make_contact(external_id="a"), text="x" * 30_000)
    run(LATER)
    drain(LATER)
    told = box.events[0]["properties"]
    assert told["trigger_event_name"] == "review_left"
    assert "trigger_event_properties_text" not in told
    assert told["publication_voucher_code"]


def test_trying_again_sends_nothing_twice(box: Segment) -> None:
    distribution = over(connect(box))
    reviewed(make_contact(external_id="a"))
    run(LATER)
    distribution.tasks.update(state="failed")
    distributions.retry(distribution, **BY)
    run(LATER)
    drain(LATER)
    assert len(box.events) == 1


def test_while_the_connection_is_paused_so_is_the_distribution(box: Segment) -> None:
    connection = connect(box)
    distribution = over(connection)
    connections.pause_connection(connection.pk, **BY)
    run(LATER)
    distribution.refresh_from_db()
    assert distribution.state == "paused"
    assert connection.name in distribution.paused_reason
    with pytest.raises(DistributionNotReady, match="disabled"):
        distributions.activate(distribution, **BY)
    connections.resume_connection(connection.pk, **BY)
    assert distributions.activate(distribution, **BY).state == "active"


def refusal(**given: Any) -> tuple[str, str, str]:
    with pytest.raises(DistributionInvalid) as refused:
        make_distribution(is_active=False, trigger={"kind": "event", "key": "review_left"}, **given)
    (problem,) = refused.value.problems
    return problem.path, problem.code, problem.message


def test_only_a_connection_that_works_and_takes_events_may_carry_codes(box: Segment) -> None:
    asked = {"channel": "vendor", "campaign": make_campaign(count=1).key}
    path, code, words = refusal(**asked)
    assert (path, code) == ("connection", "connection_unknown")
    assert words == (
        "No such connection yet: connect Twilio Segment under Data › External authorizations."
    )
    connection = connect(box)
    assert refusal(**asked)[2] == "Choose the connection that carries the code."
    assert refusal(**asked, connection=make_webhook().pk)[1] == "connection_unknown"
    connections.pause_connection(connection.pk, **BY)
    assert refusal(**asked, connection=connection.pk)[1] == "connection_disabled"


def test_the_form_offers_connections_and_says_who_hears_anyway(box: Segment) -> None:
    form = DistributionForm(actor=SYSTEM)
    assert "connect Twilio Segment" in str(form.fields["vendor"].help_text)
    connection = connect(box, GIVEN)
    form = DistributionForm(actor=SYSTEM)
    choices: Any = form.fields["vendor"]
    assert (str(connection.pk), connection.name) in choices.choices
    assert "publication_voucher_code" in str(choices.help_text)
    assert form.hearing == [connection.name]
    distribution = over(connection)
    assert f"and “{connection.name}” gets the code as an event" in describe(
        distribution, actor=SYSTEM
    )
    renamed = distributions.update_distribution(distribution, name="Thanks", **BY)
    assert renamed.connection_id == connection.pk, "it stays where nothing is said of it"


def test_a_webhook_that_a_distribution_tells_is_not_deleted() -> None:
    hook = make_webhook(settings={"url": "https://shop.example.com/"})
    make_distribution(
        is_active=False,
        name="Thanks",
        trigger={"kind": "event", "key": "review_left"},
        channel="webhook",
        connection=hook.pk,
    )
    with pytest.raises(WebhookInUse, match="Thanks"):
        webhooks.delete_webhook(hook.pk, **BY)
