"""The product against an Emarsys that was written from its public description alone."""

from datetime import timedelta
from typing import Any

import pytest

from contacts.models import Contact
from integrations.errors import ConnectionInvalid, ConnectorError, CredentialsRejected
from loyalty.models import Member
from segments.imported import importing, offers
from segments.models import ImportedSegment, Segment
from tests.contract.cases import Clock
from tests.factories import make_contact
from tests.second_vendors import emarsys as there
from tests.second_vendors.conftest import Account, mostly_long
from tests.second_vendors.emarsys import Emarsys
from tests.second_vendors.serving import Answer
from tests.segments.factories import member_ids
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
HTML = Answer(502, "<html><body>Bad gateway</body></html>", content_type="text/html")
OAUTH = {"user": there.CLIENT, "secret": there.CLIENT_SECRET}
WSSE = {"user": there.USER, "secret": there.SECRET}


def reply(status: int, code: int, text: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"replyCode": code, "replyText": text, "data": ""}, named)


@pytest.fixture
def account(emarsys: Emarsys, clock: Clock) -> Account:
    made = Account(clock)
    made.connect("emarsys", OAUTH)
    return made


def member(emarsys: Emarsys, name: str) -> Contact:
    """Somebody whom both know, and who takes part in our programme."""
    emarsys.person(f"{name}@shop.test")
    contact = make_contact(email=f"{name}@shop.test")
    Member.objects.create(contact=contact, joined_at=Clock().now())
    return contact


def imported(account: Account, remote_id: str) -> Segment:
    """A segment of theirs as one of ours, read once."""
    [found], _job = importing.import_segments(
        account.connection, [remote_id], actor=SYSTEM, at=account.clock.now()
    )
    account.sync("segments")
    found.refresh_from_db()
    return found


def offered(account: Account) -> dict[str, str]:
    found = offers.offers(account.connection, actor=SYSTEM)
    return {one.remote.name: one.remote.id for one in found}


# Ways in


@pytest.mark.parametrize("way", ["oauth2", "wsse"])
def test_both_ways_in_lead_to_the_segments(emarsys: Emarsys, clock: Clock, way: str) -> None:
    account = Account(clock)
    account.connect("emarsys", OAUTH if way == "oauth2" else WSSE, settings={"auth": way})
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    assert member_ids(imported(account, "5")) == {ann.pk}


@pytest.mark.parametrize("way", ["oauth2", "wsse"])
def test_a_wrong_secret_is_told_and_kept_nowhere(emarsys: Emarsys, clock: Clock, way: str) -> None:
    with pytest.raises(ConnectionInvalid, match="does not accept"):
        Account(clock).connect("emarsys", {**OAUTH, "secret": "another"}, settings={"auth": way})


def test_a_clock_that_is_ten_minutes_off_is_no_wrong_secret(emarsys: Emarsys, clock: Clock) -> None:
    emarsys.clock = lambda: clock.seconds() + 600
    with pytest.raises((ConnectionInvalid, ConnectorError), match="clock"):
        Account(clock).connect("emarsys", WSSE, settings={"auth": "wsse"})


@pytest.mark.parametrize("suffix", mostly_long(1, ["/api/v3", "/", "/api/v2/", "/api", ""]))
def test_addresses_may_be_given_as_the_vendor_writes_them(
    emarsys: Emarsys, clock: Clock, settings: Any, suffix: str
) -> None:
    settings.EMARSYS_URL = emarsys.url + suffix
    settings.EMARSYS_AUTH_URL = emarsys.url + ("/oauth2/token" if suffix else "")
    assert Account(clock).connect("emarsys", OAUTH).state in {"authorized", "first_data"}


def test_a_token_that_ends_in_the_middle_is_asked_for_anew(
    account: Account, emarsys: Emarsys
) -> None:
    emarsys.expires_as_text = True
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    emarsys.befall("GET", "/filter/runs/", skip=1, answer=reply(401, 1, "Unauthorized"))
    assert member_ids(imported(account, "5")) == {ann.pk}
    assert len(emarsys.tokens) == 2


def test_credentials_that_are_taken_away_in_the_middle_stop_the_connection(
    account: Account, emarsys: Emarsys
) -> None:
    emarsys.segment(5, "VIP", [])
    importing.import_segments(account.connection, ["5"], actor=SYSTEM, at=account.clock.now())
    emarsys.befall("*", "/filter/runs/", times=9, answer=reply(401, 1, "Unauthorized"))
    with pytest.raises(CredentialsRejected):
        account.sync("segments")
    account.connection.refresh_from_db()
    assert account.connection.state == "error"


# What is there


@pytest.mark.parametrize("wrap", mostly_long(1, ["segments", None]))
def test_segments_and_combined_ones_are_offered(
    account: Account, emarsys: Emarsys, wrap: str | None
) -> None:
    emarsys.numbers_as_text, emarsys.wrap = True, wrap
    emarsys.segment(5, "VIP", [])
    emarsys.combined[5] = {"name": "Both", "definition": {"include": {"segment_ids": [5]}}}
    assert set(offered(account)) == {"VIP", "Both"}


@pytest.mark.parametrize(
    "answer", mostly_long(1, [reply(403, 0, "Permission missing"), reply(404, 1), Answer(404)])
)
def test_who_may_not_see_combined_segments_sees_the_others(
    account: Account, emarsys: Emarsys, answer: Answer
) -> None:
    emarsys.segment(5, "VIP", [])
    emarsys.befall("GET", "/combinedsegments", answer=answer)
    assert set(offered(account)) == {"VIP"}


def test_an_account_without_segments_offers_none(account: Account, emarsys: Emarsys) -> None:
    for answer in (reply(200, 0), Answer(200, {"replyCode": 0, "replyText": "OK", "data": []})):
        emarsys.befall("GET", "/filter$", answer=answer)
        assert offered(account) == {}


@pytest.mark.parametrize("shape", mostly_long(1, ["list", "object"]))
@pytest.mark.parametrize("nothing", mostly_long(1, [False, [], {}, None, ""]))
def test_members_come_over_all_pages(
    account: Account,
    emarsys: Emarsys,
    shape: str,
    nothing: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from integrations.connectors.emarsys import client

    monkeypatch.setattr(client.Client.list_keys, "__kwdefaults__", {"limit": 2})
    emarsys.data_shape, emarsys.nothing, emarsys.upper = shape, nothing, True
    emarsys.numbers_as_text = emarsys.number_runs = True
    people = [member(emarsys, f"p{number}") for number in range(4)]
    make_contact(email="no.member@shop.test")
    emarsys.person("no.member@shop.test")
    emarsys.person("stranger@shop.test")
    emarsys.person(None)
    emarsys.segment(5, "VIP", list(emarsys.people))
    segment = imported(account, "5")
    assert member_ids(segment) == {one.pk for one in people}
    row = ImportedSegment.objects.get(segment=segment)
    assert (row.source_count, row.matched_count, row.non_member_count) == (7, 4, 1)


def test_a_page_that_comes_again_and_again_is_no_endless_one(
    account: Account, emarsys: Emarsys
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    first: list[Answer] = []

    def again(answer: Answer) -> Answer:
        first.append(answer)
        return first[0]

    emarsys.befall("GET", "/contacts/data$", times=50, alter=again)
    assert member_ids(imported(account, "5")) == {ann.pk}
    assert len(first) < 5


def test_rows_that_come_twice_count_once(account: Account, emarsys: Emarsys) -> None:
    ann, bob = member(emarsys, "ann"), member(emarsys, "bob")
    emarsys.segment(5, "VIP", [*emarsys.people, *emarsys.people])
    emarsys.data_shape = "list"
    assert member_ids(imported(account, "5")) == {ann.pk, bob.pk}


def test_an_empty_segment_is_empty(account: Account, emarsys: Emarsys) -> None:
    emarsys.segment(5, "VIP", [])
    segment = imported(account, "5")
    assert (member_ids(segment), segment.failure) == (set(), "")


# Runs


def test_one_segment_is_run_at_a_time(account: Account, emarsys: Emarsys) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    emarsys.befall("POST", "/runs$", times=3, answer=reply(423, 10003, "Another segment"))
    assert member_ids(imported(account, "5")) == {ann.pk}
    assert len(emarsys.runs) == 1


PASSING: list[dict[str, Any]] = [
    {"answer": reply(202, 10001, "Segment is being evaluated")},
    {"wait": 40},
    {"answer": HTML},
    {"reset": True},
    {"answer": reply(423, 6028, "Cannot run filters so often")},
    {"answer": reply(429, 7003, "Too many")},
    {"answer": Answer(429, "slow down", content_type="text/plain")},
    {"answer": reply(500, 1003, "Internal")},
]
WHERE = [("POST", "/5/runs$"), ("GET", "/data$"), ("GET", "/filter/runs/")]


@pytest.mark.parametrize("how", mostly_long(1, PASSING), ids=str)
@pytest.mark.parametrize(("method", "where"), mostly_long(2, WHERE))
def test_what_passes_is_waited_for(
    account: Account, emarsys: Emarsys, how: dict[str, Any], method: str, where: str
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    began = account.clock.present
    if "wait" in how:
        reset = str(int(account.clock.seconds()) + how["wait"])
        how = {"answer": reply(429, 7003, "Too many", x_ratelimit_RESET=reset)}
    emarsys.befall(method, where, times=2, **how)
    assert member_ids(imported(account, "5")) == {ann.pk}
    assert account.clock.present - began < timedelta(minutes=10)


def test_a_run_whose_beginning_was_not_told_is_waited_for(
    account: Account, emarsys: Emarsys
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    emarsys.befall("POST", "/runs$", reset=True, after=True)
    run = {"left": 3}

    def ends(answer: Answer) -> Answer:
        run["left"] -= 1
        if not run["left"]:
            for one in emarsys.runs.values():
                one["steps"] = []
        return answer

    emarsys.befall("POST", "/runs$", times=3, alter=ends)
    assert member_ids(imported(account, "5")) == {ann.pk}


def test_a_list_that_comes_later_than_the_run_ends_is_waited_for(
    account: Account, emarsys: Emarsys
) -> None:
    emarsys.late_list = 2
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    assert member_ids(imported(account, "5")) == {ann.pk}


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_without_a_list_empties_only_what_is_empty_there(
    account: Account, emarsys: Emarsys, count: int
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    segment = imported(account, "5")
    emarsys.late_list = 10_000
    emarsys.segment(5, "VIP", list(emarsys.people)[:count])
    account.tomorrow()
    if count:
        with pytest.raises(ConnectorError):
            account.sync("segments")
    else:
        account.sync("segments")
    assert member_ids(segment) == ({ann.pk} if count else set())


def test_a_run_that_ends_in_error_changes_nothing(account: Account, emarsys: Emarsys) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    segment = imported(account, "5")

    def fails(answer: Answer) -> Answer:
        return Answer(200, {**answer.body, "data": {**answer.body["data"], "status": "error"}})

    emarsys.befall("GET", "/filter/runs/", times=99, alter=fails)
    account.tomorrow()
    with pytest.raises(ConnectorError):
        account.sync("segments")
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == ("active", {ann.pk})


REFUSALS = [
    reply(200, 2008, "No contact found"),
    reply(404, 3006, "Contact list does not exist"),
    reply(200, 2004, "Invalid key field id"),
    reply(400, 10001, "Limit must be less than 1000000"),
    reply(400, 1008, "Contact list does not exist"),
    reply(403, 0, "Permission missing"),
]


@pytest.mark.parametrize("answer", mostly_long(1, REFUSALS), ids=str)
def test_a_refusal_of_a_page_is_no_segment_that_is_gone(
    account: Account, emarsys: Emarsys, answer: Answer
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    segment = imported(account, "5")
    emarsys.befall("GET", "/contacts/data$", times=9, answer=answer)
    account.tomorrow()
    with pytest.raises(ConnectorError):
        account.sync("segments")
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == ("active", {ann.pk})


def test_a_segment_that_is_gone_keeps_its_members_and_comes_back(
    account: Account, emarsys: Emarsys
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(5, "VIP", list(emarsys.people))
    segment = imported(account, "5")
    kept = emarsys.segments.pop(5)
    account.tomorrow()
    account.sync("segments")
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == ("inactive", {ann.pk})
    emarsys.segments[5] = kept
    account.tomorrow()
    account.sync("segments")
    segment.refresh_from_db()
    assert segment.status == "active"


# Combined segments


@pytest.mark.parametrize("relation", mostly_long(1, ["AND", "OR"]))
@pytest.mark.parametrize("is_empty", mostly_long(1, [False, True]))
def test_a_combined_segment_is_joined_of_its_parts(
    account: Account, emarsys: Emarsys, relation: str, is_empty: bool
) -> None:
    ann, bob, cai = (member(emarsys, name) for name in ("ann", "bob", "cai"))
    numbers = list(emarsys.people)
    emarsys.segment(1, "One", numbers[:2])
    emarsys.segment(2, "Two", numbers[1:])
    emarsys.segment(3, "Three", numbers[2:])
    emarsys.combined[9] = {
        "name": "Joined",
        "definition": {
            "include": {"relation": relation, "segment_ids": [1, "2"]},
            "exclude": {"relation": "OR", "segment_ids": [3]},
        },
    }
    if is_empty:
        del emarsys.combined[9]["definition"]["exclude"]
    segment = imported(account, offered(account)["Joined"])
    wanted = {ann.pk, bob.pk, cai.pk} if relation == "OR" else {bob.pk}
    assert member_ids(segment) == wanted - (set() if is_empty else {cai.pk})


def test_a_combined_segment_that_is_gone_keeps_its_members(
    account: Account, emarsys: Emarsys
) -> None:
    ann = member(emarsys, "ann")
    emarsys.segment(1, "One", list(emarsys.people))
    definition = {"include": {"relation": "OR", "segment_ids": [1]}}
    emarsys.combined[9] = {"name": "Joined", "definition": definition}
    segment = imported(account, offered(account)["Joined"])
    emarsys.combined.clear()
    account.tomorrow()
    account.sync("segments")
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == ("inactive", {ann.pk})


def test_people_who_are_gone_meanwhile_are_no_fault(account: Account, emarsys: Emarsys) -> None:
    member(emarsys, "ann")
    numbers = list(emarsys.people)
    emarsys.segment(1, "One", numbers)
    definition = {"include": {"relation": "OR", "segment_ids": [1]}}
    emarsys.combined[9] = {"name": "Joined", "definition": definition}
    remote_id = offered(account)["Joined"]

    def nobody(answer: Answer) -> Answer:
        errors = [{"key": numbers[0], "errorCode": 2008, "errorMsg": "No contact found"}]
        return Answer(200, {**answer.body, "data": {"errors": errors, "result": False}})

    emarsys.befall("POST", "/contact/getdata$", alter=nobody)
    segment = imported(account, remote_id)
    assert (member_ids(segment), segment.failure) == (set(), "")
