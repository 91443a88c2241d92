"""At most so many messages: across journeys, by channel, whoever counts at the same time."""

from typing import Any

import pytest

from journeys.messages import caps
from journeys.models import Lane, Message
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.integrations.test_mail import Office
from tests.journeys.drawn import put
from tests.journeys.messages.sending import act, arrive, compose, fates, make_journey, send

pytestmark = pytest.mark.django_db
TWO_A_WEEK = {"caps": {"messages": 2, "per": {"amount": 1, "unit": "week"}}}


def journeys(count: int, **given: Any) -> list[Any]:
    return [make_journey(key=f"journey-{number}", **given) for number in range(count)]


def someone() -> Any:
    return make_contact(email="anna@example.com", first_name="Anna")


def test_the_third_message_within_a_week_is_left_out(office: Office) -> None:
    anna = someone()
    for number, version in enumerate(journeys(3, settings=TWO_A_WEEK)):
        arrive(version, anna, at=NOW + number * DAY)
        send(NOW + number * DAY)
    assert fates() == [("sent", ""), ("sent", ""), ("left_out", "cap")]


def test_a_week_later_there_is_room_again(office: Office) -> None:
    anna = someone()
    first, second, third, fourth = journeys(4, settings=TWO_A_WEEK)
    for version, at in ((first, NOW), (second, NOW + DAY)):
        arrive(version, anna, at=at)
        send(at)
    for version, at in ((third, NOW + 7 * DAY - HOUR), (fourth, NOW + 7 * DAY)):
        arrive(version, anna, at=at)
        send(at)
    assert [state for state, _reason in fates()] == ["sent", "sent", "left_out", "sent"]


def test_of_several_that_are_due_at_once_only_so_many_go_out(office: Office) -> None:
    anna = someone()
    for version in journeys(4, settings=TWO_A_WEEK):
        arrive(version, anna)
    send()
    assert [state for state, _reason in fates()] == ["sent", "sent", "left_out", "left_out"]


def test_what_journeys_without_a_cap_send_counts_and_is_not_held_back(office: Office) -> None:
    anna, (free, capped) = someone(), (make_journey(key="a"), None)
    capped = make_journey(key="b", settings={"caps": {"messages": 1, "per": _day()}})
    arrive(free, anna)
    send()
    arrive(capped, anna)
    send()
    arrive(make_journey(key="c"), anna)
    send()
    assert fates() == [("sent", ""), ("left_out", "cap"), ("sent", "")]


def _day() -> dict[str, Any]:
    return {"amount": 1, "unit": "day"}


def test_the_cap_of_the_workspace_holds_where_a_journey_says_nothing(
    office: Office, settings: Any
) -> None:
    settings.MESSAGE_CAP = (1, "day")
    anna = someone()
    own = {"caps": {"messages": 3, "per": _day()}}
    arrive(make_journey(key="a"), anna)
    send()
    arrive(make_journey(key="b"), anna)
    arrive(make_journey(key="c", settings=own), anna)
    send()
    assert fates() == [("sent", ""), ("left_out", "cap"), ("sent", "")]


def test_tests_neither_count_nor_are_held_back(office: Office) -> None:
    anna = someone()
    one = {"caps": {"messages": 1, "per": _day()}}
    for key in ("a", "b"):
        arrive(make_journey(key=key, settings=one, lane=Lane.TEST), anna)
        send()
    arrive(make_journey(key="c", settings=one), anna)
    send()
    assert [state for state, _reason in fates()] == ["sent", "sent", "sent"]


def test_others_have_room_of_their_own(office: Office) -> None:
    one = {"caps": {"messages": 1, "per": _day()}}
    anna, jan = someone(), make_contact(email="jan@example.com")
    version = make_journey(settings=one)
    participants = [put(version, anna.pk, "first"), put(version, jan.pk, "first")]
    act(version, participants)
    compose()
    assert fates() == [("queued", ""), ("queued", "")]
    assert Message.objects.count() == 2


def test_a_cap_is_read_as_the_settings_write_it() -> None:
    assert caps.cap_of(TWO_A_WEEK) == caps.Cap(2, 7 * DAY)
    assert caps.cap_of({}) is None
