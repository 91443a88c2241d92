"""Segments of Emarsys read from end to end, over real HTTP (external_apis 2.2.5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from contacts import profiles
from contacts.identities import find_contact_id
from integrations.connectors.emarsys import client as client_module
from integrations.errors import ConnectionInvalid, ConnectorError, CredentialsRejected
from integrations.models import VendorCall, VendorConnection
from integrations.sandbox.emarsys import EXTERNAL, EmarsysSandbox
from integrations.sandbox.server import Fault, Response
from integrations.vendors import registry, syncing
from loyalty.models import Member
from segments.imported import importing, offers
from segments.imported.syncing import ALL
from segments.models import ImportedSegment, Segment
from tests.chance import chance
from tests.factories import DAY, NOW, make_contact
from tests.integrations.emarsys.conftest import Clock, Connect
from tests.segments.factories import member_ids
from tests.segments.imported.system import make_members
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

Sync = Callable[[VendorConnection], Any]


@pytest.fixture
def sync(clock: Clock) -> Sync:
    """One synchronization of imported segments, here and now."""
    return lambda connection: syncing.run_sync(connection.pk, ALL, now=clock.now, sleep=clock.sleep)


def take(connection: VendorConnection, *ids: object) -> list[Segment]:
    """These imported, not read yet."""
    return importing.import_segments(connection, [str(one) for one in ids], actor=SYSTEM, at=NOW)[0]


@pytest.mark.parametrize("auth", ["oauth2", "wsse"])
def test_members_of_a_segment_there_come_in(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync, auth: str
) -> None:
    ann, bea = make_members("ann@example.com", "bea@example.com")
    make_contact(email="cid@example.com")
    people = ["Ann@Example.com", "bea@example.com", "cid@example.com", "dan@example.com"]
    there = emarsys.add_segment("VIP", people)
    connection = connect(settings={"auth": auth})
    (segment,) = take(connection, there.id)
    counts = sync(connection).counts
    assert member_ids(segment) == {ann, bea}
    assert (counts["segments"], counts["matched"], counts["skipped_non_members"]) == (1, 2, 2)


def test_pages_are_read_to_the_end(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module.Client.list_keys, "__kwdefaults__", {"limit": 3})
    addresses = [f"p{number}@example.com" for number in range(8)]
    ids = make_members(*addresses)
    there = emarsys.add_segment("VIP", addresses)
    connection = connect()
    (segment,) = take(connection, there.id)
    sync(connection)
    assert member_ids(segment) == set(ids)
    assert len(emarsys.asked("/contacts/data")) == 4


def test_contacts_may_be_the_same_by_external_id(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync
) -> None:
    contact = make_contact(external_id="C-7")
    Member.objects.create(contact_id=contact.pk, joined_at=NOW)
    there = emarsys.add_segment("VIP")
    there.contact_ids = emarsys.learn(["x@example.com"], **{EXTERNAL: "C-7"})
    connection = connect(settings={"match_by": "external_id", "external_field": EXTERNAL})
    (segment,) = take(connection, there.id)
    sync(connection)
    assert member_ids(segment) == {contact.pk}
    assert segment.imported.match_by == "user_id"


def test_a_field_that_is_not_there_cannot_be_chosen(connect: Connect) -> None:
    with pytest.raises(ConnectionInvalid, match="no field with the number “99”"):
        connect(settings={"match_by": "external_id", "external_field": "99"})


def test_a_combined_segment_is_joined_of_its_parts(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync
) -> None:
    names = ["ann", "bea", "cid", "dan"]
    ids = dict(zip(names, make_members(*(f"{name}@example.com" for name in names)), strict=True))

    def there(*who: str) -> Any:
        return emarsys.add_segment("-".join(who), [f"{name}@example.com" for name in who])

    left, right, out = there("ann", "bea", "cid"), there("bea", "cid", "dan"), there("cid")
    either = emarsys.add_combined("either", [left, right], [out])
    both = emarsys.add_combined("both", [left, right], [out], relation="AND")
    connection = connect()
    found = take(connection, f"combined:{either.id}", f"combined:{both.id}")
    sync(connection)
    assert member_ids(found[0]) == {ids["ann"], ids["bea"], ids["dan"]}
    assert member_ids(found[1]) == {ids["bea"]}


def test_another_run_is_waited_for(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync, clock: Clock
) -> None:
    (ann,) = make_members("ann@example.com")
    there, other = emarsys.add_segment("VIP", ["ann@example.com"]), emarsys.add_segment("Other")
    emarsys.run_seconds = 90
    connection = connect()
    (segment,) = take(connection, there.id)
    client_of_somebody_else(emarsys, connection).begin_run(str(other.id))
    sync(connection)
    assert member_ids(segment) == {ann}
    assert sum(clock.slept) >= 90, "until the other one was over"


def client_of_somebody_else(
    emarsys: EmarsysSandbox, connection: VendorConnection
) -> client_module.Client:
    """Who works with the same account."""

    vendor = registry.find_vendor("emarsys")
    assert vendor is not None
    run = syncing.open_run(connection, vendor)
    return client_module.Client(
        run.http,
        user=run.credentials["user"],
        secret=run.credentials["secret"],
        is_oauth=True,
        auth_url=emarsys.url,
    )


def test_a_run_that_fails_leaves_the_members(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync, clock: Clock
) -> None:
    (ann,) = make_members("ann@example.com")
    there = emarsys.add_segment("VIP", ["ann@example.com"])
    connection = connect()
    (segment,) = take(connection, there.id)
    sync(connection)
    there.contact_ids = []
    emarsys.run_states = ["waiting", "error"]
    with pytest.raises(ConnectorError, match="ended with “error”"):
        sync(connection)
    assert member_ids(segment) == {ann}


def test_half_a_list_is_no_list(emarsys: EmarsysSandbox, connect: Connect, sync: Sync) -> None:
    people = [f"p{number}@example.com" for number in range(6)]
    ids = make_members(*people)
    there = emarsys.add_segment("VIP", people)
    connection = connect()
    (segment,) = take(connection, there.id)
    sync(connection)
    nothing = Response(body={"replyCode": 0, "replyText": "OK", "data": []})
    emarsys.fail_next(Fault(nothing), path="/contacts/data")
    with pytest.raises(ConnectorError, match="0 contacts of the 6"):
        sync(connection)
    assert member_ids(segment) == set(ids)


def test_a_segment_deleted_there_goes_out_of_use_here(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync
) -> None:
    (ann,) = make_members("ann@example.com")
    there = emarsys.add_segment("VIP", ["ann@example.com"])
    connection = connect()
    (segment,) = take(connection, there.id)
    sync(connection)
    del emarsys.segments[there.id]
    counts = sync(connection).counts
    segment.refresh_from_db()
    assert counts["missing"] == 1
    assert (segment.status, member_ids(segment)) == (Segment.Status.INACTIVE, {ann})


def test_refused_credentials_stop_the_connection(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync
) -> None:
    there = emarsys.add_segment("VIP", [])
    connection = connect()
    take(connection, there.id)
    emarsys.clients["sandbox-client"] = "another secret"
    emarsys.forget_tokens()
    with pytest.raises(CredentialsRejected):
        sync(connection)
    connection.refresh_from_db()
    assert connection.state == VendorConnection.State.ERROR


def test_the_limit_that_emarsys_tells_is_kept(
    emarsys: EmarsysSandbox, connect: Connect, sync: Sync, clock: Clock
) -> None:
    (ann,) = make_members("ann@example.com")
    there = emarsys.add_segment("VIP", ["ann@example.com"])
    connection = connect()
    (segment,) = take(connection, there.id)
    emarsys.per_minute = 3
    sync(connection)
    assert member_ids(segment) == {ann}
    connection.refresh_from_db()
    assert connection.rate_limits["requests a minute"]["limit"] == 3
    assert sum(clock.slept) > 30, "it waited until the minute was over"


def test_no_secret_is_written_down(emarsys: EmarsysSandbox, connect: Connect, sync: Sync) -> None:
    there = emarsys.add_segment("VIP", ["ann@example.com"])
    for auth in ("oauth2", "wsse"):
        connection = connect(settings={"auth": auth}, name=auth)
        take(connection, there.id)
        client_module._tokens.clear()
        sync(connection)
    told = "\n".join(f"{one.request}\n{one.answer}" for one in VendorCall.objects.all())
    assert "access_token" in told
    assert "PasswordDigest" not in told
    for token in emarsys._tokens:
        assert token not in told
    for secret in (*emarsys.users.values(), *emarsys.clients.values()):
        assert secret not in told


def test_a_list_of_offers_has_counts_as_far_as_they_are_known(
    emarsys: EmarsysSandbox, connect: Connect, clock: Clock
) -> None:
    vip = emarsys.add_segment("VIP", ["ann@example.com"])
    emarsys.add_combined("All", [vip])
    connection = connect()
    found = offers.counted(
        connection,
        offers.offers(connection, actor=SYSTEM),
        actor=SYSTEM,
        until=clock.now() + DAY,
    )
    told = [(one.remote.name, one.remote.kind, one.remote.count) for one in found]
    assert told == [("All", "combined segment", None), ("VIP", "segment", 1)]


PEOPLE = [f"p{number}@example.com" for number in range(6)]
_SETS = st.sets(st.sampled_from(PEOPLE))
_STEP = st.fixed_dictionaries(
    {
        "there": st.none() | _SETS,
        "leave": st.sets(st.integers(0, 5), max_size=2),
        "join": st.sets(st.integers(0, 5), max_size=2),
        "fault": st.sampled_from(["", "drop", "500", "malformed", "error", "empty"]),
        "at": st.sampled_from(["/filter", "/runs", "/contacts/data"]),
    }
)


@chance(seldom=3, often=8, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(_STEP, min_size=1, max_size=3))
def test_members_are_always_those_of_the_last_whole_reading(
    emarsys: EmarsysSandbox,
    connect: Connect,
    sync: Sync,
    clock: Clock,
    steps: list[dict[str, Any]],
) -> None:
    """Whatever is there, whoever joins or leaves, and whatever goes wrong on the way."""
    contacts = [profiles_of(address) for address in PEOPLE]
    emarsys.segments.clear()
    there = emarsys.add_segment("VIP", [])
    connection = connect()
    (segment,) = take(connection, there.id)
    members: set[int] = set()
    expected: set[int] = set()
    for step in steps:
        for place in step["join"]:
            Member.objects.get_or_create(contact_id=contacts[place], defaults={"joined_at": NOW})
            members.add(contacts[place])
        for place in step["leave"] & set(range(6)):
            Member.objects.filter(contact_id=contacts[place]).delete()
            members.discard(contacts[place])
        if step["there"] is None:
            emarsys.segments.pop(there.id, None)
        else:
            there.contact_ids = emarsys.learn(sorted(step["there"]))
            emarsys.segments[there.id] = there
        emarsys.run_states = (
            ["waiting", "error"] if step["fault"] == "error" else ["waiting", "done"]
        )
        emarsys.fail_next(*faults_of(step["fault"]), path=step["at"])
        clock.sleep(3600 * 24)
        before = member_ids(segment)
        try:
            sync(connection)
        except ConnectorError:
            assert member_ids(segment) == before
            is_read = False
        else:
            is_read = step["there"] is not None
        emarsys._faults.clear()
        if is_read:
            known = {contacts[PEOPLE.index(address)] for address in step["there"]}
            expected = known & members
            assert ImportedSegment.objects.get(pk=segment.pk).source_count == len(step["there"])
        assert member_ids(segment) == expected
    Member.objects.all().delete()


def profiles_of(address: str) -> int:
    """The contact of this address, made where there is none."""

    found = find_contact_id("email", address)
    if found is None:
        found = profiles.create_contact(changes={"email": address}, actor=SYSTEM, at=NOW).pk
    return int(found)


def faults_of(kind: str) -> list[Fault]:
    """What goes wrong, so often that patience alone does not help."""
    if kind == "drop":
        return [Fault(drop=True)] * 5
    if kind == "500":
        return [Fault(Response(500, {"replyCode": 1003, "replyText": "Internal"}))] * 5
    if kind == "malformed":
        return [Fault(Response(200, b"<html>"))] * 5
    if kind == "empty":
        return [Fault(Response(200, {"replyCode": 0, "replyText": "OK", "data": False}))]
    return []


def test_daily_means_at_the_hour_that_was_chosen(connect: Connect, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Warsaw"
    connection = connect(settings={"sync_hour": "3"})
    before = NOW.replace(hour=0)
    due = syncing.next_due(connection, after=before)
    assert due == NOW.replace(hour=2), "03:00 in Warsaw"
    assert syncing.next_due(connection, after=due) == due + DAY
    assert syncing.next_due(connection, after=due + timedelta(minutes=5)) == due + DAY
    connection.sync_hours = 6
    assert syncing.next_due(connection, after=due) == due + timedelta(hours=6)
