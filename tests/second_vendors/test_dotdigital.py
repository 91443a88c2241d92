"""The product against a Dotdigital that was written from its public description alone."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from integrations.errors import ConnectionInvalid, CredentialsRejected, TemporaryError
from integrations.models import UploadedRecord
from integrations.vendors import leaving, revoking
from segments.audiences import audiences
from segments.audiences.models import Audience
from segments.imported import importing, offers
from segments.models import Segment
from tests.contract.cases import Clock
from tests.factories import make_contact
from tests.second_vendors import dotdigital as there
from tests.second_vendors.conftest import Account, mostly_long
from tests.second_vendors.dotdigital import Front, Region, v2_error, v3_error
from tests.second_vendors.serving import Answer
from tests.segments.factories import make_segment, member_ids, refresh
from workspace.access import SYSTEM
from workspace.models import Website

pytestmark = pytest.mark.django_db
NAME = "SS_Segmentation_Data"
HTML = Answer(503, "<html><body>Bad</body></html>", content_type="text/html")
RIGHT = {"username": there.USERNAME, "password": there.PASSWORD}


def person(region: Region, name: str, *, born: int = 1990, is_known: bool = True) -> Contact:
    """A contact of ours, whom the vendor knows by an address in capitals, if at all."""
    if is_known:
        region.person(f"{name.capitalize()}@Shop.test")
    return make_contact(email=f"{name}@shop.test", birth_date=f"{born}-01-01")


def held(region: Region) -> dict[str, Any]:
    return {key: value["ss_age"] for key, value in region.records(NAME).items()}


def authorize(**given: Any) -> Any:
    account = Account(Clock())
    website = Website.objects.get_or_create(key="main", defaults={"name": "Main"})[0]
    return account.connect("dotdigital", {**RIGHT, **given}, websites=[website])


# The account


@pytest.mark.parametrize("slash", mostly_long(1, [False, True]))
def test_everything_is_asked_at_the_accounts_own_host(
    front: Front, region: Region, slash: bool
) -> None:
    front.slash = slash
    connection = authorize()
    assert connection.endpoint == region.url
    assert [call.path for call in front.calls] == ["/v2/account-info"]


def test_a_wrong_password_is_told_and_kept_nowhere(front: Front, region: Region) -> None:
    with pytest.raises(ConnectionInvalid, match="does not accept"):
        authorize(password="another-1")
    assert not region.calls


def test_a_user_who_is_disabled_stops_the_connection(dotdigital: Account, region: Region) -> None:
    person(region, "ann")
    region.disabled = True
    with pytest.raises(CredentialsRejected):
        dotdigital.sync("metrics")
    dotdigital.connection.refresh_from_db()
    assert (dotdigital.connection.state, dotdigital.connection.is_enabled) == ("error", False)


def test_a_host_of_another_region_stops_the_connection(dotdigital: Account, region: Region) -> None:
    person(region, "ann")
    region.befall("*", "", times=99, answer=Answer(403, {"message": "Access is denied"}))
    with pytest.raises(CredentialsRejected, match="another region"):
        dotdigital.sync("metrics")


# Metrics


@pytest.mark.parametrize("word", ["Complete", "Finished"])
def test_metrics_are_there_when_the_import_is_over(
    dotdigital: Account, region: Region, word: str
) -> None:
    region.done_word, region.upper = word, True
    ann, bob = person(region, "ann", born=1990), person(region, "bob", born=1980)
    person(region, "cai", is_known=False)
    make_contact(email="", birth_date="1970-01-01")
    counts = dotdigital.sync("metrics").counts
    assert (counts["sent"], counts["refused"], counts["unknown_contacts"]) == (2, 1, 1)
    assert set(held(region)) == {f"{ann.email}:main", f"{bob.email}:main"}
    record = region.records(NAME)["ann@shop.test:main"]
    assert record["ss_ordercountlast30days"] == 0
    assert {one.reason for one in UploadedRecord.objects.filter(state="refused")} == {
        "ContactEmailDoesNotExist"
    }


def test_the_next_day_only_changes_are_sent(dotdigital: Account, region: Region) -> None:
    ann = person(region, "ann")
    person(region, "bob")
    dotdigital.sync("metrics")
    before = len(region.imports)
    dotdigital.clock.sleep(60)
    assert dotdigital.sync("metrics").counts["sent"] == 0
    assert len(region.imports) == before
    Contact.objects.filter(pk=ann.pk).update(birth_date="1950-01-01")
    assert dotdigital.sync("metrics").counts["sent"] == 1
    [body] = [one["body"] for one in list(region.imports.values())[before:]]
    assert [record["key"] for record in body["records"]] == ["ann@shop.test:main"]


PASSING: list[dict[str, Any]] = [
    {"reset": True, "after": True},
    {"answer": v2_error(400, "ERROR_APIUSAGE_EXCEEDED")},
    {"answer": HTML},
    {"answer": HTML, "after": True},
    {"reset": True},
    {"answer": v3_error(429, "insightData:tooManyActiveImports")},
    {"answer": v2_error(500, "ERROR_SYSTEM_SERVICETEMPORARILYUNAVAILABLE")},
    {"answer": v2_error(400, "ERROR_SYSTEM_SERVICETEMPORARILYUNAVAILABLE")},
    {"answer": Answer(429, "Too many", {"x-RATELIMIT-reset": "1795781000"}, "text/plain")},
    {"answer": Answer(429)},
    {"answer": Answer(408)},
]


@pytest.mark.parametrize("how", mostly_long(1, PASSING), ids=str)
@pytest.mark.parametrize(("method", "where"), [("PUT", "import$"), ("GET", "import/")])
def test_what_passes_is_waited_for(
    dotdigital: Account, region: Region, how: dict[str, Any], method: str, where: str
) -> None:
    person(region, "ann")
    region.befall(method, where, times=2, **how)
    assert dotdigital.sync("metrics").counts["sent"] == 1
    assert set(held(region)) == {"ann@shop.test:main"}


def test_at_most_five_imports_go_on(
    dotdigital: Account, region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.connectors.dotdigital import store

    monkeypatch.setattr(store, "RECORD_LIMIT", 1)
    for number in range(8):
        person(region, f"p{number}")
    # Somebody else's imports take their share of the account's.
    for name in "ab":
        region.imports[name] = {"steps": ["Processing"], "until": dotdigital.clock.seconds() + 200}
    assert dotdigital.sync("metrics").counts["sent"] == 8
    assert len(held(region)) == 8


def test_an_import_that_failed_is_sent_again(dotdigital: Account, region: Region) -> None:
    person(region, "ann")
    region.befall(
        "GET", "import/", alter=lambda answer: Answer(200, {**answer.body, "status": "Failed"})
    )
    assert dotdigital.sync("metrics").counts["sent"] == 1
    assert len(region.imports) == 2


def test_whoever_was_forgotten_there_has_nothing_to_delete(
    dotdigital: Account, region: Region
) -> None:
    ann = person(region, "ann")
    person(region, "bob")
    dotdigital.sync("metrics")
    number = region.found("email", "ann@shop.test")
    assert number is not None
    del region.people[number]
    region.collections[NAME].pop((number, "ann@shop.test:main"))
    erase_contact(ann.pk, actor=SYSTEM, at=dotdigital.clock.now())
    dotdigital.sync("metrics")
    assert set(held(region)) == {"bob@shop.test:main"}


def test_records_of_an_erased_contact_are_deleted(dotdigital: Account, region: Region) -> None:
    ann = person(region, "a/n?n")
    dotdigital.sync("metrics")
    erase_contact(ann.pk, actor=SYSTEM, at=dotdigital.clock.now())
    dotdigital.sync("metrics")
    assert held(region) == {}
    [call] = region.called("DELETE", "deleteRecords$")
    assert call.json() == {"keys": ["a/n?n@shop.test:main"]}


def test_where_records_are_deleted_one_by_one_they_are(dotdigital: Account, region: Region) -> None:
    region.deletes_many = False
    ann = person(region, "ann")
    person(region, "bob")
    dotdigital.sync("metrics")
    erase_contact(ann.pk, actor=SYSTEM, at=dotdigital.clock.now())
    dotdigital.sync("metrics")
    assert set(held(region)) == {"bob@shop.test:main"}


@pytest.mark.parametrize("count", mostly_long(1, [3, 120]))
def test_revoked_with_its_data_nothing_is_left_there(
    dotdigital: Account, region: Region, count: int
) -> None:
    for number in range(count):
        person(region, f"p{number}")
    dotdigital.sync("metrics")
    assert len(held(region)) == count
    clock = dotdigital.clock
    revoking.revoke_access(dotdigital.connection.pk, actor=SYSTEM, at=clock.now(), delete_data=True)
    leaving.run_leaving(dotdigital.connection.pk, now=clock.now, sleep=clock.sleep)
    assert held(region) == {}
    assert not [call for call, answer in region.answers if answer.status in {404, 405}]
    dotdigital.connection.refresh_from_db()
    assert dotdigital.connection.state == "revoked"


def test_a_website_that_leaves_takes_its_records_along(dotdigital: Account, region: Region) -> None:
    clock, number = dotdigital.clock, dotdigital.connection.pk
    other = Website.objects.create(key="other", name="Other")
    leaving.attach_websites(number, websites=[other], actor=SYSTEM, at=clock.now())
    ann = person(region, "ann")
    bought = [
        IncomingEvent(ann.pk, "purchase", clock.now(), properties={"amount": 9, "website": key})
        for key in ("main", "other")
    ]
    record_events(bought, received_at=clock.now())
    dotdigital.sync("metrics")
    assert set(held(region)) == {"ann@shop.test:main", "ann@shop.test:other"}
    leaving.remove_websites(number, websites=[other], actor=SYSTEM, at=clock.now())
    region.befall("DELETE", "deleteRecords", reset=True, after=True)
    leaving.run_leaving(number, now=clock.now, sleep=clock.sleep)
    assert set(held(region)) == {"ann@shop.test:main"}


# Segments of theirs


def imported(account: Account, remote_id: str) -> Segment:
    """A segment of theirs as one of ours, read once."""
    found, _job = importing.import_segments(
        account.connection, [remote_id], actor=SYSTEM, at=account.clock.now(), members_only=False
    )
    account.sync("segments")
    found[0].refresh_from_db()
    return found[0]


@pytest.mark.parametrize("links", mostly_long(1, ["link", "null", "both", "marker", "none"]))
@pytest.mark.parametrize("upper", mostly_long(1, [True, False]))
def test_members_of_a_segment_come_over_all_pages(
    dotdigital: Account, region: Region, links: str, upper: bool
) -> None:
    region.links, region.upper = links, upper
    people = [person(region, f"p{number}") for number in range(5)]
    nameless = region.person(None, mobileNumber="48600100200")
    region.segments[7] = {"name": "VIP", "members": [*region.people, nameless, 1001]}
    segment = imported(dotdigital, "7")
    assert member_ids(segment) == {one.pk for one in people}
    assert (segment.name, segment.failure) == ("VIP", "")
    assert {call.query["limit"] for call in region.called("GET", "^/contacts/v3$")} == {"5000"}


def test_an_empty_segment_is_empty(dotdigital: Account, region: Region) -> None:
    region.segments[7] = {"name": "VIP", "members": []}
    assert member_ids(imported(dotdigital, "7")) == set()


def test_a_segment_that_is_gone_keeps_its_members(dotdigital: Account, region: Region) -> None:
    ann = person(region, "ann")
    region.segments[7] = {"name": "VIP", "members": list(region.people)}
    segment = imported(dotdigital, "7")
    del region.segments[7]
    dotdigital.tomorrow()
    dotdigital.sync("segments")
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == ("inactive", {ann.pk})


@pytest.mark.long
def test_many_segments_are_offered_page_by_page(dotdigital: Account, region: Region) -> None:
    for number in range(1, 1203):
        region.segments[number] = {"name": f"S{number}", "members": []}
    found = offers.offers(dotdigital.connection, actor=SYSTEM)
    assert len(found) == 1202


# Segments of ours


def begin(account: Account) -> tuple[Segment, Audience]:
    segment = make_segment(at=account.clock.now())
    audience = audiences.begin_audience(
        segment, connection_id=account.connection.pk, actor=SYSTEM, at=account.clock.now()
    )
    return segment, audience


def on_list(region: Region) -> set[str]:
    [number] = region.lists
    return {str(one["email"]).lower() for one in region.people.values() if number in one["lists"]}


def pole(region: Region, name: str) -> Contact:
    return make_contact(email=f"{name}@shop.test", city="Warszawa")


@pytest.mark.parametrize(
    ("report", "takes_lists"),
    mostly_long(
        2,
        [
            *(("lists", True), ("numbers", False), ("none", True), ("lists", False)),
            *(("numbers", True), ("none", False)),
        ],
    ),
)
def test_a_list_has_the_members_of_a_segment(
    dotdigital: Account, region: Region, report: str, takes_lists: bool
) -> None:
    region.report, region.takes_lists, region.upper = report, takes_lists, True
    ann, bob = pole(region, "ann"), pole(region, "bob")
    segment, audience = begin(dotdigital)
    refresh(segment, as_of=dotdigital.clock.now())
    assert dotdigital.sync("audiences").counts["added"] == 2
    assert on_list(region) == {"ann@shop.test", "bob@shop.test"}
    Contact.objects.filter(pk=ann.pk).update(city="Berlin")
    pole(region, "cai")
    dotdigital.tomorrow()
    refresh(segment, as_of=dotdigital.clock.now())
    counts = dotdigital.sync("audiences").counts
    assert on_list(region) == {"bob@shop.test", "cai@shop.test"}
    assert (counts["added"], counts["removed"]) == (1, 1)
    audience.refresh_from_db()
    assert audience.there_count == 2
    assert bob.pk in member_ids(segment)


def test_the_number_of_a_list_may_be_a_text(dotdigital: Account, region: Region) -> None:
    region.befall(
        "POST",
        "^/v2/address-books$",
        alter=lambda answer: Answer(201, {**answer.body, "id": str(answer.body["id"])}),
    )
    pole(region, "ann")
    segment, _audience = begin(dotdigital)
    refresh(segment, as_of=dotdigital.clock.now())
    dotdigital.sync("audiences")
    assert on_list(region) == {"ann@shop.test"}


def test_a_list_whose_making_was_not_told_is_made_once(dotdigital: Account, region: Region) -> None:
    region.befall("POST", "^/v2/address-books$", reset=True, after=True)
    pole(region, "ann")
    segment, _audience = begin(dotdigital)
    refresh(segment, as_of=dotdigital.clock.now())
    with pytest.raises(TemporaryError):
        dotdigital.sync("audiences")
    dotdigital.sync("audiences")
    assert on_list(region) == {"ann@shop.test"}


def test_a_name_that_a_segment_there_has_is_given_a_number(
    dotdigital: Account, region: Region
) -> None:
    region.segments[7] = {"name": "poles", "members": []}
    segment, _audience = begin(dotdigital)
    refresh(segment, as_of=dotdigital.clock.now())
    dotdigital.sync("audiences")
    assert [one["name"] for one in region.lists.values()] == ["Poles (2)"]


def test_the_limit_of_a_minute_is_kept(dotdigital: Account, region: Region) -> None:
    region.quota["lowCallRate"] = 3
    person(region, "ann")
    began = dotdigital.clock.present
    dotdigital.sync("metrics")
    assert set(held(region)) == {"ann@shop.test:main"}
    assert dotdigital.clock.present - began < timedelta(minutes=15)
    dotdigital.connection.refresh_from_db()
    assert dotdigital.connection.rate_limits["lowCallRate"]["limit"] == 3
