"""Segments mirrored as lists: who enters is put on the list, who leaves is taken off."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from contacts import profiles
from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from contacts.models import Contact
from integrations.connectors.dotdigital import lists
from integrations.errors import ConnectorError, CredentialsRejected
from integrations.models import Suppression, VendorConnection
from integrations.sandbox.dotdigital_contacts import ListOf
from integrations.sandbox.server import Fault, Request, Response
from segments import lifecycle, uses
from segments.audiences import audiences
from segments.audiences.models import Audience, AudienceMember
from segments.errors import AudienceInvalid, AudienceUnknown, SegmentUnknown
from segments.models import Segment
from tests.chance import chance
from tests.factories import make_consent, make_contact
from tests.integrations.metric_uploads.conftest import World
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, Job, UserGroup

pytestmark = pytest.mark.django_db
NAME = "Poles"


@pytest.fixture
def poles(world: World) -> Segment:
    return make_segment(at=world.clock.now())


def person(name: str, city: str = "Warszawa", email: str | None = None) -> Contact:
    return make_contact(email=f"{name}@shop.test" if email is None else email, city=city)


def change(world: World, contact: Contact, **changes: Any) -> None:
    profiles.update_contact(contact.pk, changes=changes, actor=SYSTEM, at=world.clock.now())


def begin(world: World, segment: Segment, **given: Any) -> Audience:
    return audiences.begin_audience(
        segment,
        connection_id=world.connection.pk,
        actor=SYSTEM,
        at=world.clock.now(),
        **given,
    )


def sync(world: World, segment: Segment | None = None) -> dict[str, Any]:
    if segment is not None:
        refresh(segment, as_of=world.clock.now())
    counts: dict[str, Any] = world.run("audiences").counts
    return counts


def on_list(world: World, name: str = NAME) -> set[str]:
    world.clock.sleep(60)
    return world.sandbox.members(name)


def test_members_are_put_on_a_list_of_the_segments_name(world: World, poles: Segment) -> None:
    for name in ("anna", "ben"):
        person(name)
    person("cai", "Berlin")
    audience = begin(world, poles)
    counts = sync(world, poles)
    assert on_list(world) == {"anna@shop.test", "ben@shop.test"}
    assert counts == {"audiences": 1, "added": 2, "removed": 0, "failed": 0}
    audience.refresh_from_db()
    assert (audience.there_count, audience.list_name) == (2, NAME)
    assert Job.objects.filter(kind="integrations.sync").exists(), "a worker begins at once"


def test_who_enters_is_put_on_and_who_leaves_is_taken_off(world: World, poles: Segment) -> None:
    anna, ben = person("anna"), person("ben")
    begin(world, poles)
    sync(world, poles)
    change(world, anna, city="Berlin")
    person("cai")
    counts = sync(world, poles)
    assert on_list(world) == {"ben@shop.test", "cai@shop.test"}
    assert (counts["added"], counts["removed"]) == (1, 1)
    assert sync(world, poles)["added"] == 0
    assert ben.pk


def test_whom_somebody_added_there_stays(world: World, poles: Segment) -> None:
    person("anna")
    begin(world, poles)
    sync(world, poles)
    with world.sandbox.lock:
        found = next(iter(world.sandbox.contacts.lists.values()))
        found.members.add(world.sandbox.contacts.add("guest@shop.test").id)
    sync(world, poles)
    assert on_list(world) == {"anna@shop.test", "guest@shop.test"}


def test_who_is_not_written_to_is_not_sent(world: World, poles: Segment) -> None:
    anna = person("anna")
    person("ben"), person("cai", email="")
    Suppression.objects.create(channel="email", address="ben@shop.test", reason="complaint")
    audience = begin(world, poles)
    sync(world, poles)
    audience.refresh_from_db()
    assert on_list(world) == {"anna@shop.test"}
    assert (audience.held_back_count, audience.nameless_count) == (1, 1)
    Suppression.objects.create(channel="email", address="anna@shop.test", reason="manual")
    sync(world, poles)
    assert on_list(world) == set()
    assert anna.pk


def test_with_a_consent_only_who_gave_it_is_sent(world: World, poles: Segment) -> None:
    make_consent("news")
    for name, state in (("anna", "granted"), ("ben", "withdrawn")):
        make_contact(email=f"{name}@shop.test", city="Warszawa", consents={"news": state})
    person("cai")
    begin(world, poles, consent="news")
    sync(world, poles)
    assert on_list(world) == {"anna@shop.test"}


def test_a_taken_name_gets_a_number(world: World, poles: Segment) -> None:
    world.sandbox.add_segment("poles", [])
    with world.sandbox.lock:
        world.sandbox.contacts.lists[7] = ListOf(7, "Poles (2)", "Private")
    person("anna")
    begin(world, poles)
    sync(world, poles)
    assert Audience.objects.get().list_name == "Poles (3)"


def test_a_name_is_no_longer_than_the_vendor_takes_it(world: World) -> None:
    segment = make_segment(name="x" * 120, at=world.clock.now())
    with pytest.raises(AudienceInvalid) as refused:
        begin(world, segment, name="y" * 129)
    assert refused.value.problems[0].path == "name"
    world.sandbox.add_segment("z" * 128, [])
    begin(world, segment, name="z" * 128)
    sync(world, segment)
    made = Audience.objects.get().list_name
    assert len(made) == 128
    assert made.endswith(" (2)")


def test_a_list_whose_making_was_not_told_is_found_again(world: World, poles: Segment) -> None:
    person("anna")
    begin(world, poles)
    seen = 0

    def lose(request: Request) -> Fault | None:
        nonlocal seen
        seen += request.method == "POST" and request.path.endswith("/address-books")
        return Fault(drop=True, is_done=True) if seen == 1 and request.method == "POST" else None

    world.sandbox.chaos = lose
    with pytest.raises(ConnectorError):
        sync(world, poles)
    world.sandbox.chaos = lambda request: None
    sync(world, poles)
    assert [one.name for one in world.sandbox.contacts.lists.values()] == [NAME]
    assert on_list(world) == {"anna@shop.test"}


def test_a_list_that_was_deleted_there_pauses_its_audience(world: World, poles: Segment) -> None:
    person("anna")
    audience = begin(world, poles)
    sync(world, poles)
    with world.sandbox.lock:
        world.sandbox.contacts.lists.clear()
    sync(world, poles)
    audience.refresh_from_db()
    assert (audience.state, audience.list_id) == ("paused", "")
    assert "deleted there" in audience.error
    audiences.resume_audience(audience, actor=SYSTEM, at=world.clock.now())
    sync(world, poles)
    assert on_list(world) == {"anna@shop.test"}


def test_a_segment_that_is_not_active_leaves_its_list_as_it_is(
    world: World, poles: Segment
) -> None:
    person("anna")
    begin(world, poles)
    sync(world, poles)
    lifecycle.archive(
        lifecycle.inactivate(poles, actor=SYSTEM, at=world.clock.now()),
        actor=SYSTEM,
        at=world.clock.now(),
    )
    counts = sync(world)
    assert counts["audiences"] == 0
    assert on_list(world) == {"anna@shop.test"}


def test_a_paused_audience_is_left_as_it_is(world: World, poles: Segment) -> None:
    person("anna")
    audience = begin(world, poles)
    sync(world, poles)
    audiences.pause_audience(audience, actor=SYSTEM, at=world.clock.now())
    person("ben")
    sync(world, poles)
    assert on_list(world) == {"anna@shop.test"}
    audiences.resume_audience(audience, actor=SYSTEM, at=world.clock.now())
    sync(world, poles)
    assert on_list(world) == {"anna@shop.test", "ben@shop.test"}


@pytest.mark.parametrize("deletes", [True, False])
def test_the_list_of_an_audience_that_ends_stays_or_goes(
    world: World, poles: Segment, deletes: bool
) -> None:
    person("anna")
    audience = begin(world, poles)
    sync(world, poles)
    audiences.end_audience(audience, delete_list=deletes, actor=SYSTEM, at=world.clock.now())
    sync(world)
    assert not Audience.objects.exists()
    assert not AudienceMember.objects.exists()
    assert on_list(world) == (set() if deletes else {"anna@shop.test"})


def test_erased_contacts_are_taken_off(world: World, poles: Segment) -> None:
    anna = person("anna")
    begin(world, poles)
    sync(world, poles)
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    sync(world)
    assert on_list(world) == set()
    assert not AudienceMember.objects.exists()


class Killed(BaseException):
    """The process ends here."""


def test_who_is_erased_while_being_added_is_taken_off(world: World, poles: Segment) -> None:
    anna = person("anna")
    begin(world, poles)
    refresh(poles, as_of=world.clock.now())

    def die(seconds: float) -> None:
        raise Killed

    world.sandbox.contacts.seconds = 120
    with suppress(Killed):
        world.run("audiences", sleep=die)
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    sync(world)
    # By then the import that was left has arrived.
    world.clock.sleep(120)
    assert on_list(world) == set()
    assert not AudienceMember.objects.exists()


@pytest.mark.parametrize("still", ["inactive", "archived", "paused"])
def test_from_a_list_that_is_left_as_it_is_who_is_erased_is_taken_off(
    world: World, poles: Segment, still: str
) -> None:
    anna, ben, cai, dora = (person(name) for name in ("anna", "ben", "cai", "dora"))
    audience = begin(world, poles)
    sync(world, poles)
    if still == "paused":
        audiences.pause_audience(audience, actor=SYSTEM, at=world.clock.now())
    else:
        lifecycle.inactivate(poles, actor=SYSTEM, at=world.clock.now())
    if still == "archived":
        lifecycle.archive(poles, actor=SYSTEM, at=world.clock.now())
    change(world, ben, city="Berlin")
    merge_contacts(ben.pk, dora.pk, cause="staff", actor=SYSTEM, at=world.clock.now())
    erase_contact(anna.pk, actor=SYSTEM, at=world.clock.now())
    assert sync(world)["removed"] == 1
    assert on_list(world) == {f"{one}@shop.test" for one in ("ben", "cai", "dora")}
    assert not AudienceMember.objects.filter(contact=anna).exists()
    asked = len(world.sandbox.requests)
    assert sync(world)["removed"] == 0
    if still == "paused":
        assert len(world.sandbox.requests) == asked, "there is nothing to ask the vendor for"
    assert cai.pk


def test_an_address_that_was_handed_on_goes_with_the_one_who_had_it_last(
    world: World, poles: Segment
) -> None:
    anna, ben, cai = person("anna"), person("ben", "Berlin"), person("cai")
    begin(world, poles)
    sync(world, poles)
    change(world, anna, email="anna2@shop.test")
    change(world, ben, email="anna@shop.test", city="Warszawa")
    change(world, cai, city="Berlin")
    world.sandbox.fail_next(*[Fault(Response(503, b"busy"))] * 7, path="/contacts/delete")
    with pytest.raises(ConnectorError):
        sync(world, poles)
    change(world, ben, city="Berlin")
    sync(world, poles)
    assert on_list(world) == {"anna2@shop.test"}


def test_whom_the_vendor_refuses_is_counted(world: World, poles: Segment) -> None:
    person("anna")
    person("odd", email="odd@host.b")
    audience = begin(world, poles)
    answer = {
        "importId": "x", "status": "Finished", "created": [], "updated": [],
        "failures": [{"identifiers": {"email": "odd@host.b"},
                      "failures": [{"failureCode": "invalidEmail", "description": ""}]}],
    }  # fmt: skip
    world.sandbox.fail_next(Fault(Response(200, answer)), path="/contacts/v3/import/")
    sync(world, poles)
    audience.refresh_from_db()
    assert audience.refused_count == 2
    reasons = set(AudienceMember.objects.values_list("reason", flat=True))
    assert reasons == {"invalidEmail", "not_taken"}
    world.tomorrow(8)
    sync(world, poles)
    audience.refresh_from_db()
    assert (audience.there_count, audience.refused_count) == (2, 0)


def test_one_that_goes_wrong_does_not_keep_others(world: World, poles: Segment) -> None:
    person("anna")
    begin(world, poles)
    other = make_segment("others", at=world.clock.now())
    begin(world, other)
    refresh(other, as_of=world.clock.now())
    refused = Response(400, {"message": "Error: ERROR_ADDRESSBOOK_LIMITEXCEEDED"})
    calls = 0

    def once(request: Request) -> Fault | None:
        nonlocal calls
        calls += request.method == "POST" and request.path.endswith("/address-books")
        return Fault(refused) if calls == 1 and request.method == "POST" else None

    world.sandbox.chaos = once
    with pytest.raises(ConnectorError):
        sync(world, poles)
    errors = sorted(bool(one.error) for one in Audience.objects.all())
    assert errors == [False, True]


def test_refused_credentials_stop_the_connection(world: World, poles: Segment) -> None:
    begin(world, poles)
    world.sandbox.is_enabled = False
    with pytest.raises(CredentialsRejected):
        sync(world, poles)
    assert VendorConnection.objects.get().state == "error"


def test_an_audience_uses_its_segment(world: World, poles: Segment) -> None:
    begin(world, poles)
    [use] = uses.uses_of(poles, actor=SYSTEM)
    assert (use.kind, use.name) == ("audience", NAME)
    assert uses.used_ids([poles]) == {poles.pk}


def test_a_segment_is_sent_to_an_account_once(world: World, poles: Segment) -> None:
    begin(world, poles)
    with pytest.raises(AudienceInvalid, match="already"):
        begin(world, poles)


@pytest.mark.parametrize(
    ("given_", "path"), [({"connection_id": 0}, "connection"), ({"consent": "none"}, "consent")]
)
def test_what_cannot_be_is_told(world: World, poles: Segment, given_: Any, path: str) -> None:
    options = {"connection_id": world.connection.pk, "actor": SYSTEM, "at": world.clock.now()}
    with pytest.raises(AudienceInvalid) as refused:
        audiences.begin_audience(poles, **{**options, **given_})
    assert refused.value.problems[0].path == path


def test_outside_the_group_an_audience_does_not_exist(world: World) -> None:
    group = Group.objects.create(name="Warsaw")
    UserGroup.objects.create(group=group, entities=["segment"])
    segment = make_segment(at=world.clock.now(), groups=["Warsaw"])
    audience = begin(world, segment)
    rights = frozenset({audiences.VIEW, audiences.CHANGE})
    outsider = Actor(AuditEntry.ActorKind.USER, None, "Otto", permissions=rights)
    insider = Actor(
        AuditEntry.ActorKind.USER,
        None,
        "Ina",
        group_ids=frozenset({group.pk}),
        permissions=rights,
    )
    assert audiences.find_audience(audience.pk, actor=insider) == audience
    with pytest.raises(AudienceUnknown):
        audiences.pause_audience(audience, actor=outsider, at=world.clock.now())
    with pytest.raises(SegmentUnknown):
        audiences.begin_audience(
            segment, connection_id=world.connection.pk, actor=outsider, at=world.clock.now()
        )


def test_the_trail_says_who_sent_it(world: World, poles: Segment) -> None:
    audience = begin(world, poles)
    audiences.end_audience(audience, delete_list=False, actor=SYSTEM, at=world.clock.now())
    found = AuditEntry.objects.filter(action__startswith="segment.audience")
    assert [one.action for one in found.order_by("pk")] == [
        "segment.audience_begun",
        "segment.audience_ended",
    ]


_ACTS = st.lists(
    st.tuples(st.sampled_from(["add", "move", "rename", "erase", "sync"]), st.integers(0, 4)),
    min_size=2,
    max_size=9,
)


def _faults(chance: random.Random) -> Callable[[Request], Fault | None]:
    kinds = [
        *(Fault(Response(503, b"busy")), Fault(drop=True), Fault(drop=True, is_done=True)),
        *(Fault(cut=True), Fault(Response(200, b"<html>")), Fault(Response(429, b""))),
    ]

    def fault(request: Request) -> Fault | None:
        return chance.choice(kinds) if chance.randrange(5) == 0 else None

    return fault


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "AT_ONCE", 2)


@chance(
    seldom=3,
    often=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=_ACTS, seed=st.integers(0, 10_000))
def test_after_any_faults_the_list_is_the_segment(
    world: World, poles: Segment, small: None, acts: list[tuple[str, int]], seed: int
) -> None:
    Audience.objects.all().delete()
    AudienceMember.objects.all().delete()
    with world.sandbox.lock:
        world.sandbox.contacts.lists.clear()
    for pk in Contact.objects.filter(erased_at=None).values_list("pk", flat=True):
        erase_contact(pk, actor=SYSTEM, at=world.clock.now())
    begin(world, poles)
    chance = random.Random(seed)
    people: list[Contact] = []
    for place, (act, which) in enumerate(acts):
        if act == "sync":
            world.sandbox.chaos = _faults(chance)
            with suppress(ConnectorError):
                sync(world, poles)
            world.sandbox.chaos = lambda request: None
        elif act == "add" or not people:
            people.append(person(f"p{Contact.objects.count()}"))
        elif act == "move":
            one = people[which % len(people)]
            change(world, one, city="Berlin" if which % 2 else "Warszawa")
        elif act == "rename":
            change(world, people[which % len(people)], email=f"n{place}@shop.test")
        else:
            gone = people.pop(which % len(people))
            erase_contact(gone.pk, actor=SYSTEM, at=world.clock.now())
        world.clock.present += timedelta(minutes=chance.choice([0, 15]))
    world.tomorrow(8)
    sync(world, poles)
    living = Contact.objects.filter(erased_at=None, city="Warszawa").exclude(email="")
    assert on_list(world, Audience.objects.get().list_name) == {one.email for one in living}
