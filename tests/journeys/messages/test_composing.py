"""From planned to queued: whom one may write to, in which words, and each once."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import consents
from contacts.erasure import erase_contact
from integrations import suppressions
from integrations.models import Delivery, PushSubscription, Template
from integrations.suppressions import Unwanted
from journeys.messages import composing
from journeys.models import Journey, Lane, Message, Signal
from tests.factories import DAY, HOUR, MINUTE, NOW, make_consent, make_contact
from tests.integrations.delivering import make_connection
from tests.integrations.test_mail import Office
from tests.journeys.drawn import node, put
from tests.journeys.messages.sending import (
    END,
    MESSAGE,
    act,
    arrive,
    compose,
    fates,
    make_journey,
    make_push_template,
    make_template,
    payload,
    send,
)
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def someone(number: int = 1, **given: Any) -> Any:
    return make_contact(**{"email": f"anna{number}@example.com", "first_name": "Anna", **given})


def consent(contact: Any, state: str = "granted", key: str = "newsletter") -> None:
    consents.record(
        contact_id=contact.pk, key=key, state=state, at=NOW, source="test", actor=SYSTEM
    )


def test_whoever_comes_to_the_activity_gets_the_message_and_goes_on(office: Office) -> None:
    version, anna = make_journey(), someone()
    assert arrive(version, anna).outcomes == ["next"]
    assert send().delivered == 1
    (got,) = office.got
    assert (got["To"], got["Subject"]) == ("anna1@example.com", "Hello Anna")
    message = Message.objects.get()
    assert (message.state, message.subject, message.address, message.sent_at) == (
        *("sent", "Hello Anna", "anna1@example.com"),
        NOW,
    )
    assert Delivery.objects.get().key == f"message:{message.pk}"
    assert message.delivery_id == Delivery.objects.get().pk


def test_an_activity_that_is_done_again_plans_nothing_again(office: Office) -> None:
    version, anna = make_journey(), someone()
    participant = put(version, anna.pk, "first")
    for _time in range(2):
        act(version, [participant])
        send()
    assert len(office.got) == 1


def test_a_message_goes_out_by_email_and_push_together(office: Office) -> None:
    make_push_template()
    version = make_journey(node("first", "message", email="first", push="push"), END)
    anna, device = someone(), make_connection("Push", kind="web_push")
    PushSubscription.objects.create(contact=anna, kind="web_push", address="https://push.example/1")
    arrive(version, anna)
    compose()
    pushed, mailed = Delivery.objects.order_by("kind").reverse()
    message = Message.objects.get(channel="push")
    assert (mailed.kind, pushed.connection_id) == ("email", device.pk)
    assert pushed.key.startswith(f"message:{message.pk}:")
    assert pushed.payload["title"] == "Hello"
    assert pushed.payload["url"] == "https://shop.example/"
    assert fates() == [("queued", ""), ("queued", "")]


def test_nobody_is_written_to_who_has_no_address_or_device(office: Office) -> None:
    make_push_template()
    version = make_journey(node("first", "message", email="first", push="push"), END)
    arrive(version, make_contact(first_name="Nobody"))
    compose()
    assert fates() == [("left_out", "no_address")] * 2


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ("granted", ("queued", "")),
        ("withdrawn", ("left_out", "no_consent")),
        (None, ("left_out", "no_consent")),
    ],
)
def test_a_message_with_a_purpose_needs_the_consent(
    office: Office, said: str | None, fate: tuple[str, str]
) -> None:
    make_consent("newsletter")
    version = make_journey(node("first", "message", email="first", purpose="newsletter"), END)
    anna = someone()
    if said:
        consent(anna, said)
    arrive(version, anna)
    compose()
    assert fates() == [fate]


def test_a_suppressed_address_gets_nothing_whatever_it_is_about(office: Office) -> None:
    version, anna = make_journey(), someone()
    suppressions.note([Unwanted("ANNA1@example.com", "bounce")], at=NOW)
    arrive(version, anna)
    compose()
    assert fates() == [("left_out", "suppressed")]


def test_what_is_withdrawn_while_it_waits_in_the_outbox_is_not_sent(office: Office) -> None:
    make_consent("newsletter")
    version = make_journey(node("first", "message", email="first", purpose="newsletter"), END)
    first, second, third = (someone(number) for number in range(3))
    for one in (first, second, third):
        consent(one)
    arrive(version, first, second, third)
    compose()
    consent(first, "withdrawn")
    suppressions.note([Unwanted("anna1@example.com", "complaint")], at=NOW)
    done = send()
    assert (done.delivered, done.cancelled) == (1, 2)
    assert fates() == [("left_out", "no_consent"), ("left_out", "suppressed"), ("sent", "")]
    assert office.recipients == ["anna2@example.com"]


def test_nothing_of_a_journey_that_was_stopped_meanwhile_is_sent(office: Office) -> None:
    version, anna = make_journey(), someone()
    arrive(version, anna)
    compose()
    Journey.objects.update(state="stopped")
    send()
    assert (fates(), office.got) == ([("left_out", "stopped")], [])


def test_messages_of_a_paused_journey_wait_until_it_goes_on(office: Office) -> None:
    version, anna = make_journey(), someone()
    arrive(version, anna)
    Journey.objects.update(state="paused")
    send()
    assert fates() == [("planned", "")]
    Journey.objects.update(state="live")
    send(NOW + DAY)
    assert fates() == [("sent", "")]


def test_the_control_group_gets_nothing(office: Office) -> None:
    version = make_journey()
    arrive(version, someone(), is_control=True)
    compose()
    assert fates() == [("left_out", "control")]


def test_an_erased_contact_gets_nothing(office: Office) -> None:
    version, anna = make_journey(), someone()
    arrive(version, anna)
    erase_contact(anna.pk, actor=SYSTEM, at=NOW)
    compose()
    assert fates() == [("left_out", "erased")]
    assert not Delivery.objects.exists()


def test_quiet_hours_put_a_message_off_until_their_end(office: Office) -> None:
    quiet = {"from": "21:00", "to": "08:00", "zone": "contact"}
    version = make_journey(settings={"quiet_hours": quiet, "time_zone": "Europe/Warsaw"})
    tokyo, nowhere = someone(1, time_zone="Asia/Tokyo"), someone(2)
    # 14:00 in Warsaw, 22:00 in Tokyo.
    at = NOW + HOUR
    arrive(version, tokyo, nowhere, at=at)
    send(at)
    assert fates() == [("planned", ""), ("sent", "")]
    eight_in_tokyo = NOW.replace(hour=23)
    assert Message.objects.get(contact=tokyo).due_at == eight_in_tokyo
    send(eight_in_tokyo - MINUTE)
    assert fates()[0] == ("planned", "")
    send(eight_in_tokyo)
    assert fates()[0] == ("sent", "")


def test_the_text_can_say_what_earlier_activities_gave(office: Office) -> None:
    make_template(
        text="{{ voucher.gift.code }} for {{ entry.properties.order_id }} {{ event.name }}",
        html='<p><a href="{{ unsubscribe_url }}">No more</a></p>',
    )
    version, anna = make_journey(), someone()
    context = {
        "voucher": {"gift": {"code": "GIFT-1"}},
        "entry": {"name": "bought", "properties": {"order_id": "A-7"}},
    }
    arrive(version, anna, context=context)
    compose()
    said = payload()
    assert said["text"] == "GIFT-1 for A-7 bought"
    unsubscribe = said["headers"]["List-Unsubscribe"]
    assert f'<a href="{unsubscribe[1:-1]}">No more</a>' in said["html"]
    assert said["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_template_that_cannot_be_filled_leaves_out_and_says_why(office: Office) -> None:
    make_template()
    Template.objects.update(
        text="{{ contact.first_name | date: contact }}{% for x in (1..9999999) %}x{% endfor %}"
    )
    version = make_journey()
    arrive(version, someone(1))
    compose()
    assert fates() == [("left_out", "no_template")]
    assert Message.objects.get().error


def test_a_test_is_marked_as_one_and_waits_for_no_quiet_hours(office: Office) -> None:
    settings = {"quiet_hours": {"from": "00:00", "to": "23:59"}}
    version = make_journey(settings=settings, lane=Lane.TEST)
    arrive(version, someone())
    send()
    assert office.got[0]["Subject"] == "[Test] Hello Anna"


def test_a_rehearsal_plans_and_sends_nothing(office: Office) -> None:
    version = make_journey(lane=Lane.REHEARSAL)
    arrive(version, someone())
    send()
    assert (fates(), office.got) == ([("planned", "")], [])


def test_who_waits_for_the_result_hears_of_it(office: Office) -> None:
    edges = [("start", "first"), ("first", "end"), ("first", "error", "sorry")]
    version = make_journey(MESSAGE, END, node("sorry", "end"), edges=edges)
    office.refusals["anna2@example.com"] = "550 5.1.1 No such user"
    people = [someone(1), someone(2), make_contact(first_name="Nobody")]
    acted = arrive(version, *people)
    assert acted.outcomes == [None] * 3
    assert acted.wake_at == [NOW + 4 * DAY] * 3
    send()
    told = {
        signal.participant.contact_id: (signal.kind, signal.node, signal.outcome)
        for signal in Signal.objects.all()
    }
    assert told == {
        people[0].pk: ("result", "first", "next"),
        people[1].pk: ("result", "first", "error"),
        people[2].pk: ("result", "first", "next"),
    }


def test_of_two_channels_one_that_was_sent_is_enough(office: Office) -> None:
    make_push_template()
    edges = [("start", "first"), ("first", "end"), ("first", "error", "sorry")]
    both = node("first", "message", email="first", push="push")
    version = make_journey(both, END, node("sorry", "end"), edges=edges)
    anna = someone()
    make_connection("Push", kind="web_push", is_enabled=True)
    PushSubscription.objects.create(contact=anna, kind="web_push", address="https://push.example/1")
    office.refusals["anna1@example.com"] = "554 5.7.1 No"
    arrive(version, anna)
    compose()
    Delivery.objects.filter(kind="push").update(due_at=NOW + DAY)
    send()
    assert not Signal.objects.exists(), "the other one is still on its way"
    Message.objects.filter(channel="push").update(state="planned", delivery_id=None)
    Delivery.objects.filter(kind="push").delete()
    PushSubscription.objects.update(ended_at=NOW)
    compose()
    assert Signal.objects.get().outcome == "error", "one failed, the other has no device"


def test_one_message_that_comes_to_grief_holds_up_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make_journey()
    people = [someone(number) for number in range(12)]
    arrive(version, *people)
    real = composing.compose

    def compose_badly(template: Any, values: Any, **given: Any) -> Any:
        if values["contact"]["id"] == people[5].pk:
            raise ZeroDivisionError
        return real(template, values, **given)

    monkeypatch.setattr(composing, "compose", compose_badly)
    compose()
    assert fates() == [("queued", "")] * 5 + [("failed", "")] + [("queued", "")] * 6


def test_a_portion_takes_as_many_queries_as_a_single_message(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composing, "PORTION", 1000)
    make_consent("newsletter")
    version = make_journey(
        node("first", "message", email="first", purpose="newsletter"),
        END,
        settings={
            "caps": {"messages": 9, "per": {"amount": 1, "unit": "week"}},
            "quiet_hours": {"from": "00:00", "to": "01:00", "zone": "contact"},
        },
    )

    def cost(*people: Any) -> int:
        for one in people[::2]:
            consent(one)
        arrive(version, *people)
        with CaptureQueriesContext(
            connection,
        ) as found:
            composing.compose_due(NOW)
        return len(found)

    cost(someone(0), someone(1))
    assert cost(someone(2), someone(3)) == cost(*(someone(number) for number in range(4, 60)))
