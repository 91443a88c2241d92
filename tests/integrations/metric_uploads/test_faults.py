"""Whatever goes wrong on the way: in the end the vendor has what it is to have."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from contacts import profiles
from contacts.erasure import erase_contact
from contacts.models import Contact
from integrations.connectors.dotdigital import store
from integrations.errors import ConnectorError
from integrations.models import UploadChunk, UploadedRecord
from integrations.sandbox.server import Fault, Request, Response
from tests.chance import chance
from tests.integrations.metric_uploads.conftest import World
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db

_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "rename", "swap", "erase", "know", "forget", "sync"]),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    min_size=2,
    max_size=10,
)


def _faults(chance: random.Random, odds: int) -> Callable[[Request], Fault | None]:
    """Every so many requests go wrong, each in another way."""
    busy = Response(503, b"busy")
    kinds = [
        *(Fault(busy), Fault(drop=True), Fault(drop=True, is_done=True), Fault(cut=True)),
        *(Fault(Response(200, b"<html>")), Fault(Response(429, b"")), Fault(Response(500, b""))),
    ]

    def fault(request: Request) -> Fault | None:
        return chance.choice(kinds) if chance.randrange(odds) == 0 else None

    return fault


def _do(world: World, names: list[int], act: str, which: int, value: int) -> None:
    """One thing that happens to a contact of ours, or at the vendor."""
    at = world.clock.now()
    if act == "add" or not names:
        number = len(names) + Contact.objects.count() + 100 * which
        names.append(world.person(f"p{number}", 1980 + value, is_known=value > 0).pk)
        return
    one, other = names[which % len(names)], names[value % len(names)]
    if act == "change":
        changes = {"birth_date": f"{1960 + value}-01-01"}
        profiles.update_contact(one, changes=changes, actor=SYSTEM, at=at)
    elif act == "rename":
        world.sandbox.learn([f"new{one}{value}@shop.test"])
        changes = {"email": f"new{one}{value}@shop.test"}
        profiles.update_contact(one, changes=changes, actor=SYSTEM, at=at)
    elif act == "swap" and one != other:
        mine, its = (Contact.objects.get(pk=pk).email for pk in (one, other))
        for pk, email in ((one, "away@shop.test"), (other, mine), (one, its)):
            profiles.update_contact(pk, changes={"email": email}, actor=SYSTEM, at=at)
    elif act == "erase":
        erase_contact(one, actor=SYSTEM, at=at)
        names.remove(one)
    elif act == "know":
        world.sandbox.learn([Contact.objects.get(pk=one).email])
    elif act == "forget":
        with world.sandbox.lock:
            known = world.sandbox.contacts.by_email.get(Contact.objects.get(pk=one).email)
            if known is not None:
                world.sandbox.contacts._forget(known)


def _meant(world: World) -> dict[str, int]:
    """What the vendor is to have, of contacts that it knows: the age of each."""
    year = world.clock.now().year
    known = world.sandbox.contacts.by_email
    return {
        f"{one.email}:main": year - one.birth_date.year
        for one in Contact.objects.filter(erased_at=None).exclude(email="")
        if one.birth_date is not None and one.email in known
    }


@chance(
    seldom=3,
    often=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=_ACTS, seed=st.integers(0, 10_000), odds=st.sampled_from([3, 6, 12]))
def test_after_any_faults_the_vendor_has_what_it_is_to_have(
    world: World, acts: list[tuple[str, int, int]], seed: int, odds: int
) -> None:
    _start_anew(world)
    chance = random.Random(seed)
    names: list[int] = []
    for act, which, value in acts:
        if act == "sync":
            world.sandbox.chaos = _faults(chance, odds)
            world.sandbox.insight.failing = chance.choice([0, 0, 1])
            with suppress(ConnectorError):
                world.sync()
            world.sandbox.chaos = lambda request: None
            world.sandbox.insight.failing = 0
        else:
            _do(world, names, act, which, value)
        world.clock.present += timedelta(minutes=chance.choice([0, 15]))
    # Whom the vendor did not know, and what it has forgotten by itself, is sent after a week; what
    # it deleted with a contact, when it is asked for.
    UploadedRecord.objects.filter(state="sent").update(state="due")
    world.tomorrow(8)
    world.sync()
    assert world.ages() == _meant(world)
    open_states = UploadChunk.objects.filter(state__in=["submitting", "submitted"])
    assert not open_states.exists()
    assert set(UploadedRecord.objects.values_list("state", flat=True)) <= {"sent", "refused"}


def _start_anew(world: World) -> None:
    """Each example begins with nothing."""
    UploadedRecord.objects.all().delete()
    UploadChunk.objects.all().delete()
    for pk in Contact.objects.filter(erased_at=None).values_list("pk", flat=True):
        erase_contact(pk, actor=SYSTEM, at=world.clock.now())
    UploadedRecord.objects.all().delete()
    world.sandbox.insight.collections.clear()
    world.sandbox.contacts.by_id.clear()
    world.sandbox.contacts.by_email.clear()


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small imports, so that several are on their way."""
    monkeypatch.setattr(store, "RECORD_LIMIT", 2)
