"""Where it is unknown whether the server took an e-mail: sent again, or left, as was chosen."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event as Flag
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from django.utils import timezone

from config.embedded import paths
from integrations import outbox, sending
from integrations.models import Delivery
from journeys.models import Message, Signal
from tests.factories import HOUR, make_contact
from tests.house.test_make_run import wait_until
from tests.integrations.test_mail import Office
from tests.journeys.drawn import node
from tests.journeys.messages.sending import END, MESSAGE, arrive, compose, fates, make_journey

pytestmark = pytest.mark.django_db(transaction=True)
AT_MOST_ONCE = {"delivery": "at_most_once"}
WITH_ERROR = [("start", "first"), ("first", "end"), ("first", "error", "sorry")]


def plan_one(settings: dict[str, Any]) -> None:
    version = make_journey(MESSAGE, END, node("sorry", "end"), edges=WITH_ERROR, settings=settings)
    now = timezone.now()
    arrive(version, make_contact(email="anna@example.com"), at=now)
    compose(now)


def drain(later: Any = HOUR) -> None:
    at = timezone.now() + later
    sending.drain(lambda: at)


@pytest.fixture
def silent(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A server that takes the first message and hangs up instead of saying so."""
    take = Office.handle_DATA

    async def take_and_hang_up(self: Office, server: Any, session: Any, envelope: Any) -> str:
        answer = await take(self, server, session, envelope)
        if len(self.got) == 1:
            server.transport.abort()
        return answer

    monkeypatch.setattr(Office, "handle_DATA", take_and_hang_up)
    return office


def test_at_least_once_sends_again_what_may_have_been_taken(silent: Office) -> None:
    plan_one({})
    drain()
    assert fates() == [("queued", "")]
    assert "did not say whether it took it" in Delivery.objects.get().last_error
    drain(2 * HOUR)
    assert fates() == [("sent", "")]
    first, second = silent.got
    assert first["Message-ID"] == second["Message-ID"], "readers can tell that it is the same"


def test_at_most_once_leaves_what_may_have_been_taken(silent: Office) -> None:
    plan_one(AT_MOST_ONCE)
    drain()
    assert fates() == [("failed", "")]
    drain(50 * HOUR)
    assert len(silent.got) == 1
    assert Signal.objects.get().outcome == "error"


def test_at_most_once_tries_again_what_was_certainly_not_taken(
    office: Office, settings: Any
) -> None:
    plan_one(AT_MOST_ONCE)
    office.answers.append("451 Later")
    drain()
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    drain(2 * HOUR)
    assert (fates(), office.got) == ([("queued", "")], [])
    settings.EMAIL_PORT = port
    drain(3 * HOUR)
    assert (fates(), len(office.got)) == ([("sent", "")], 1)


@pytest.fixture
def slow(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """A server that takes the first message and thinks about what to say until it is too late."""
    take, is_over = Office.handle_DATA, Flag()

    async def take_slowly(self: Office, server: Any, session: Any, envelope: Any) -> str:
        answer = await take(self, server, session, envelope)
        while len(self.got) == 1 and not is_over.is_set():
            await asyncio.sleep(0.02)
        return answer

    monkeypatch.setattr(Office, "handle_DATA", take_slowly)
    yield office
    is_over.set()


@pytest.mark.walk
@pytest.mark.parametrize(
    ("mode", "fate", "count"),
    [({}, ("sent", ""), 2), (AT_MOST_ONCE, ("failed", ""), 1)],
    ids=["at least once", "at most once"],
)
def test_a_process_killed_before_it_heard_the_answer(
    slow: Office, mode: dict[str, Any], fate: tuple[str, str], count: int
) -> None:
    plan_one(mode)
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    with subprocess.Popen(
        [sys.executable, "manage.py", "drain_outbox"],
        env={
            **os.environ,
            "DATABASE_URL": database,
            "EMAIL_URL": f"smtp://127.0.0.1:{slow.port}",
        },
        cwd=paths.CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert wait_until(lambda: slow.got, seconds=40)
        process.send_signal(signal.SIGKILL)
    # The next message finds a server that answers at once.
    assert Delivery.objects.get().state == "in_flight"
    assert outbox.requeue_left(at=timezone.now()) == 0, "its lease is not over"
    assert outbox.requeue_left(at=timezone.now() + 2 * outbox.LEASE) == 1
    drain()
    assert (fates(), len(slow.got)) == ([fate], count)
    assert Message.objects.count() == 1


def test_what_a_killed_process_had_claimed_and_not_begun_is_sent(office: Office) -> None:
    plan_one(AT_MOST_ONCE)
    now = timezone.now()
    (claimed,) = outbox.claim(due_by=now + HOUR, kinds=["email"], limit=5, at=now)
    assert claimed.begun_at is None
    assert outbox.requeue_left(at=now + 2 * outbox.LEASE) == 1
    drain()
    assert (fates(), len(office.got)) == ([("sent", "")], 1)


def test_a_server_is_sent_no_more_a_second_than_it_takes(office: Office, settings: Any) -> None:
    settings.EMAIL_PER_SECOND = 5
    version, now = make_journey(), timezone.now()
    arrive(version, *(make_contact(email=f"a{n}@example.com") for n in range(8)), at=now)
    compose(now)
    began = time.monotonic()
    drain()
    assert len(office.got) == 8
    # The only test about time here: eight at five a second are not over at once.
    assert time.monotonic() - began > 0.5
