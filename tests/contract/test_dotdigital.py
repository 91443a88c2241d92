"""What only Dotdigital does: regions, imports that go on, two envelopes, names of lists."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound
from integrations.connectors.dotdigital import payloads, vendor
from integrations.connectors.dotdigital.client import DotdigitalClient
from integrations.errors import (
    ConnectionInvalid,
    CredentialsRejected,
    MalformedAnswer,
    NameTaken,
    TemporaryError,
    ThingMissing,
)
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.server import Fault, Response, running
from integrations.vendors import connections
from integrations.vendors.calls import VendorHttp
from tests.contract.cases import Clock
from workspace.access import SYSTEM
from workspace.models import Website

pytestmark = pytest.mark.django_db
NAME = "SS_Segmentation_Data"


@pytest.fixture
def sandbox(clock: Clock, settings: Any) -> Iterator[Dotdigital]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with running(Dotdigital(clock=clock.seconds)) as box:
        assert isinstance(box, Dotdigital)
        settings.DOTDIGITAL_URL = box.url
        yield box
        outbound.hang_up()


def client_at(sandbox: Dotdigital, clock: Clock, path: str = "/r2") -> DotdigitalClient:
    http = VendorHttp(sandbox.url + path, connection_id=None, secrets=(), now=clock.now)
    return DotdigitalClient(http, sandbox.username, sandbox.password)


@pytest.fixture
def client(sandbox: Dotdigital, clock: Clock) -> DotdigitalClient:
    return client_at(sandbox, clock)


def body_of(*records: tuple[str, str, Any]) -> bytes:
    texts = [payloads.record_text("email", who, key, json.dumps(doc)) for who, key, doc in records]
    return payloads.import_body(NAME, texts)


def authorize(**given: Any) -> Any:
    website = Website.objects.create(key="main", name="Main")
    return connections.authorize_connection(
        kind="dotdigital", websites=[website], actor=SYSTEM, at=Clock().now(), **given
    )


def test_the_account_says_in_which_region_it_is(sandbox: Dotdigital, clock: Clock) -> None:
    elsewhere = client_at(sandbox, clock, "")
    assert elsewhere.account().endpoint == f"{sandbox.url}/r2"
    with pytest.raises(CredentialsRejected, match="another region"):
        elsewhere.segments()
    given = {"username": sandbox.username, "password": sandbox.password}
    connection = authorize(credentials=given)
    assert (connection.endpoint, connection.account_name) == (f"{sandbox.url}/r2", "Sandbox Ltd")


@pytest.mark.parametrize(
    ("endpoint", "is_good"),
    [
        ("https://r3-api.dotdigital.com", True),
        ("http://r3-api.dotdigital.com", False),
        ("https://r3-api.dotdigital.com.evil.example", False),
        ("https://evildotdigital.com", False),
        ("https://127.0.0.1", False),
    ],
)
def test_credentials_go_to_the_vendor_only(endpoint: str, is_good: bool, settings: Any) -> None:
    settings.DOTDIGITAL_URL = ""
    try:
        vendor.check_endpoint(endpoint)
    except MalformedAnswer:
        assert not is_good
    else:
        assert is_good


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("collection", "1st"),
        ("collection", "x"),
        ("collection", "with blank"),
        ("identifier", "e mail"),
        ("field_names", "ss_ordercount"),
        ("field_names", "ss_ordercount = öre"),
        ("metrics", ["ss_nothing"]),
    ],
)
def test_settings_that_the_vendor_would_refuse_are_refused_here(
    sandbox: Dotdigital, name: str, value: str
) -> None:
    given = {"username": sandbox.username, "password": sandbox.password}
    with pytest.raises(ConnectionInvalid) as refused:
        authorize(credentials=given, settings={name: value})
    assert refused.value.problems[0].path == f"settings.{name}"


def test_an_import_goes_on_for_a_while_and_says_what_it_refused(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    sandbox.learn(["Ann@shop.test", "bob@shop.test", "cai@shop.test", "dia@shop.test"])
    good = {"n": 2, "since": "2026-01-01"}
    number = client.import_records(
        body_of(
            ("ann@shop.test", "a", good),
            ("ann@shop.test", "a", good),
            ("bob@shop.test", "b", {"n": "two"}),
            ("cai@shop.test", "c", {"n": [[1]]}),
            ("dia@shop.test", "d", {"a b": 1}),
            ("nobody@shop.test", "e", good),
        )
    )
    assert not client.import_state(number).is_over
    clock.sleep(5)
    state = client.import_state(number)
    assert (state.is_over, state.is_failed, state.imported) == (True, False, 1)
    assert dict(state.refused) == {
        "a": "DuplicateKey",
        "b": "JsonValueIncompatibleWithSchema",
        "c": "JsonContainsNestedArray",
        "d": "JsonKeyInvalidCharacters",
        "e": "ContactEmailDoesNotExist",
    }
    assert sandbox.records(NAME) == {"a": ("Ann@shop.test", good)}


def test_both_words_mean_that_it_is_over(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    sandbox.learn(["ann@shop.test"])
    numbers = [client.import_records(body_of(("ann@shop.test", "a", {"n": n}))) for n in (1, 2)]
    clock.sleep(5)
    assert all(client.import_state(number).is_over for number in numbers)
    assert sandbox.records(NAME)["a"][1] == {"n": 2}
    said = [client._ask("GET", f"/insightData/v3/import/{one}")["status"] for one in numbers]
    assert said == ["Complete", "Finished"]


def test_more_than_five_imports_have_to_wait(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    sandbox.learn(["ann@shop.test"])
    for number in range(5):
        client.import_records(body_of(("ann@shop.test", f"k{number}", {"n": 1})))
    with pytest.raises(TemporaryError) as busy:
        client.import_records(body_of(("ann@shop.test", "k6", {"n": 1})))
    assert busy.value.retry_after == timedelta(seconds=30)
    clock.sleep(30)
    assert client.import_records(body_of(("ann@shop.test", "k6", {"n": 1})))


def test_what_failed_as_a_whole_changed_nothing(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    sandbox.learn(["ann@shop.test"])
    sandbox.insight.failing = 1
    number = client.import_records(body_of(("ann@shop.test", "a", {"n": 1})))
    clock.sleep(5)
    assert client.import_state(number).is_failed
    assert sandbox.records(NAME) == {}


def test_records_are_deleted_of_a_contact_or_all_at_once(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    sandbox.learn(["ann@shop.test", "b/b?@shop.test"])
    client.import_records(
        body_of(*(("ann@shop.test", key, {"n": 1}) for key in "ab"), ("b/b?@shop.test", "c", {}))
    )
    clock.sleep(5)
    assert client.delete_records("email", "ann@shop.test", NAME, ["a", "x"]) == 1
    assert client.delete_records("email", "b/b?@shop.test", NAME, ["c"]) == 1
    assert set(sandbox.records(NAME)) == {"b"}
    with pytest.raises(ThingMissing):
        client.delete_records("email", "nobody@shop.test", NAME, ["a"])
    job = client.empty_collection(NAME)
    assert not client.is_job_over(job)
    clock.sleep(5)
    assert client.is_job_over(job)
    assert sandbox.records(NAME) == {}
    with pytest.raises(ThingMissing):
        client.empty_collection("Others")


@pytest.mark.parametrize("status", [404, 405])
def test_an_older_vendor_empties_by_another_method(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock, status: int
) -> None:
    sandbox.learn(["ann@shop.test"])
    client.import_records(body_of(("ann@shop.test", "a", {"n": 1})))
    clock.sleep(5)
    sandbox.fail_next(Fault(Response(status, b"")), path="/empty")
    job = client.empty_collection(NAME)
    clock.sleep(5)
    assert client.is_job_over(job)
    assert [one.method for one in sandbox.asked("/empty")] == ["PUT", "DELETE"]


def test_limits_are_written_down_as_they_are_told(sandbox: Dotdigital, clock: Clock) -> None:
    given = {"username": sandbox.username, "password": sandbox.password}
    connection = authorize(credentials=given)
    http = VendorHttp(connection.endpoint, connection_id=connection.pk, secrets=(), now=clock.now)
    sandbox.rates["medium"] = 2
    client = DotdigitalClient(http, sandbox.username, sandbox.password)
    client.segments()
    client.segments()
    with pytest.raises(TemporaryError) as limited:
        client.segments()
    assert limited.value.retry_after == timedelta(seconds=60)
    connection.refresh_from_db()
    assert connection.rate_limits["mediumCallRate"]["remaining"] == 0


def test_the_hourly_limit_of_older_accounts_is_no_refusal(
    sandbox: Dotdigital, client: DotdigitalClient
) -> None:
    sandbox.per_hour = 1
    client.account()
    with pytest.raises(TemporaryError, match="this hour"):
        client.account()


def test_an_api_user_that_was_disabled_is_refused(
    sandbox: Dotdigital, client: DotdigitalClient
) -> None:
    sandbox.is_enabled = False
    for call in (client.account, lambda: client.empty_collection(NAME)):
        with pytest.raises(CredentialsRejected):
            call()


def test_members_of_a_segment_come_page_by_page(
    sandbox: Dotdigital,
    client: DotdigitalClient,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from integrations.connectors.dotdigital import client as module

    emails = [f"c{number}@shop.test" for number in range(25)]
    number = sandbox.add_segment("VIP", emails)
    monkeypatch.setattr(module, "_PAGE", 10)
    pages = list(client.contacts_in(segment_id=number))
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one.identifiers["email"] for page in pages for one in page] == emails
    client.refresh_segment(number)
    assert not client.is_segment_fresh(number)
    clock.sleep(5)
    assert client.is_segment_fresh(number)
    with pytest.raises(ThingMissing):
        client.refresh_segment(1)


def test_names_of_many_segments_come_page_by_page(
    sandbox: Dotdigital, client: DotdigitalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.connectors.dotdigital import client as module

    for number in range(7):
        sandbox.add_segment(f"Segment {number}", [])
    monkeypatch.setattr(module, "_SELECT", 5)
    assert [one.name for one in client.segments()][-1] == "Segment 6"


def test_a_list_is_made_filled_and_thinned(
    sandbox: Dotdigital, client: DotdigitalClient, clock: Clock
) -> None:
    number = client.create_list("VIP at the shop")
    imported = client.import_contacts(["ann@shop.test", "no address", "bob@shop.test"], number)
    assert client.contacts_taken(imported) is None
    clock.sleep(5)
    taken = client.contacts_taken(imported)
    assert taken is not None
    assert taken.taken is not None
    assert taken.refused == (("no address", "invalidEmail"),)
    ids = {email: contact_id for contact_id, email in taken.taken}
    assert sandbox.members("VIP at the shop") == {"ann@shop.test", "bob@shop.test"} == set(ids)
    client.take_off_list(number, [ids["bob@shop.test"]])
    assert [[one.id for one in page] for page in client.contacts_in(list_id=number)] == [
        [ids["ann@shop.test"]]
    ]
    client.rename_list(number, "Best customers")
    assert [(one.id, one.name, one.count) for one in client.lists()] == [
        (number, "Best customers", 1)
    ]
    client.delete_list(number)
    assert client.lists() == []


@pytest.mark.parametrize("name", ["All contacts", "ours"])
def test_the_name_of_a_list_is_neither_a_lists_nor_a_segments(
    sandbox: Dotdigital, client: DotdigitalClient, name: str
) -> None:
    client.create_list("Ours")
    with pytest.raises(NameTaken):
        client.create_list(name)
