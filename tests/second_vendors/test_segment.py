"""The product against a Twilio Segment that was written from its public description alone."""

from datetime import timedelta
from typing import Any

import pytest

from integrations.errors import ConnectionInvalid
from integrations.models import Delivery, VendorConnection
from tests.contract.cases import Clock
from tests.factories import NOW, make_contact
from tests.integrations.segment.source import GIVEN, drain, tell
from tests.second_vendors import segment as there
from tests.second_vendors.conftest import Account, mostly_long
from tests.second_vendors.segment import Segment
from tests.second_vendors.serving import Answer

pytestmark = pytest.mark.django_db
HTML = Answer(502, "<html><body>Bad gateway</body></html>", content_type="text/html")


@pytest.fixture
def connection(segment: Segment) -> VendorConnection:
    made = Account(Clock(NOW)).connect(
        "segment", {"write_key": there.WRITE_KEY}, settings={"types": [GIVEN]}
    )
    segment.calls.clear()
    segment.answers.clear()
    return made


@pytest.fixture
def people(connection: VendorConnection) -> list[int]:
    return [make_contact(external_id=f"A-{number}").pk for number in range(3)]


def told(segment: Segment) -> list[tuple[str, str]]:
    return [(one["userId"], one["properties"]["code"]) for one in segment.taken]


def test_an_address_with_the_version_is_the_same_address(segment: Segment, settings: Any) -> None:
    settings.SEGMENT_URL = f"{segment.url}/v1/"
    Account(Clock(NOW)).connect(
        "segment", {"write_key": there.WRITE_KEY}, settings={"types": [GIVEN]}
    )
    tell(GIVEN, make_contact(external_id="A-0").pk, code="G0")
    assert drain().delivered == 1
    assert told(segment) == [("A-0", "G0")]


def test_facts_arrive_once_and_in_order(segment: Segment, people: list[int]) -> None:
    for number in range(12):
        tell(GIVEN, people[number % 3], str(number), code=f"G{number:02}")
    drain()
    assert segment.faults == []
    for number in range(3):
        codes = [code for who, code in told(segment) if who == f"A-{number}"]
        assert codes == sorted(codes)
        assert len(codes) == 4
    assert {call.path for call in segment.called("POST", "")} == {"/v1/batch"}


PASSING: list[dict[str, Any]] = [
    {"reset": True, "after": True},
    {"answer": Answer(429, None, {"retry-AFTER": "30"})},
    {"answer": HTML},
    {"answer": HTML, "after": True},
    {"reset": True},
    {"answer": Answer(200, "<html>Hello</html>", content_type="text/html")},
    {"answer": Answer(408)},
    {"answer": Answer(429, None, {"x-ratelimit-RESET": "45"})},
    {"answer": Answer(429, "Too many", content_type="text/plain")},
]


@pytest.mark.parametrize("how", mostly_long(1, PASSING), ids=str)
def test_what_passes_is_sent_again_under_the_same_name(
    segment: Segment, people: list[int], how: dict[str, Any]
) -> None:
    tell(GIVEN, people[0], code="G0")
    segment.befall("POST", "/v1/batch", **how)
    drain()
    assert Delivery.objects.get().state == "queued"
    drain(NOW + timedelta(hours=1))
    assert told(segment) == [("A-0", "G0")]
    assert Delivery.objects.get().state == "delivered"
    assert len(segment.seen) == 1


def test_one_that_is_too_large_keeps_no_other_back(segment: Segment, people: list[int]) -> None:
    tell(GIVEN, people[0], "1", code="G1")
    tell(GIVEN, people[1], "2", code="G2", text="ł" * 20_000)
    tell(GIVEN, people[2], "3", code="G3")
    drain()
    assert {code for _who, code in told(segment)} == {"G1", "G3"}
    assert Delivery.objects.filter(state="failed").count() == 1


@pytest.mark.long
def test_batches_stay_below_what_a_call_may_have(segment: Segment, people: list[int]) -> None:
    for number in range(60):
        tell(GIVEN, people[number % 3], str(number), code=f"G{number:02}", text="x" * 20_000)
    drain()
    assert len(told(segment)) == 60
    sizes = [len(call.body) for call in segment.called("POST", "/v1/batch")]
    assert max(sizes) <= there.LONGEST_BATCH
    assert all(answer.status == 200 for _call, answer in segment.answers)


def test_of_nobody_nothing_is_told(segment: Segment, connection: VendorConnection) -> None:
    tell(GIVEN, make_contact(email="nameless@shop.test").pk, code="G0")
    tell(GIVEN, None, "2", code="G1")
    drain()
    assert told(segment) == []
    assert segment.faults == []


def test_what_is_no_write_key_is_refused(segment: Segment) -> None:
    with pytest.raises(ConnectionInvalid):
        Account(Clock(NOW)).connect("segment", {"write_key": "short"})
