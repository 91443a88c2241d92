"""The sides that every connector's cases are tried on: add a `Side`, and all of them hold for it.

A side is a vendor's sandbox, what to authorize with, and one harmless call of its client. The cases
are in test_connectors.py; what only one vendor does has a file of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.connector import Http
from integrations.connectors.dotdigital import vendor as dotdigital
from integrations.connectors.emarsys import vendor as emarsys
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.server import Fault, Response, Sandbox

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


_BUSY = Fault(Response(503, b"<html>Service unavailable</html>"))


@dataclass
class Clock:
    """The present of a test: it passes only by sleeping."""

    present: datetime = NOW
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.present

    def seconds(self) -> float:
        return self.present.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.present += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Side:
    """One vendor.

    `settings` are those of the product that lead to the sandbox, by what follows its address.
    `call` is a call of the client that changes nothing, below the account's `endpoint`; `path` is a
    part of its path. `missing` asks for a thing that is not there. `limited` is an answer by which
    the vendor refuses a call too many for `wait`; `busy` is one of trouble that passes.
    """

    kind: str
    make: Callable[[Clock], Sandbox]
    settings: Mapping[str, str]
    credentials: Callable[[Any], dict[str, str]]
    wrong: Mapping[str, str]
    endpoint: Callable[[Any], str]
    call: Callable[[Http, Mapping[str, str]], Any]
    path: str
    missing: Callable[[Http, Mapping[str, str]], Any]
    limited: Callable[[Clock], Response]
    wait: timedelta
    needs_website: bool = False
    busy: Fault = _BUSY


def _limited(clock: Clock) -> Response:
    reset = int((clock.now() + timedelta(seconds=40)).timestamp())
    return Response(
        429,
        {"errorCode": "general:rateLimit", "description": "Too many"},
        {
            "X-RateLimit-Limit": "10",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Scope": "mediumCallRate",
        },
    )


def _limited_by_minute(clock: Clock) -> Response:
    reset = int((clock.now() + timedelta(seconds=40)).timestamp())
    return Response(
        429,
        {"replyCode": 7003, "replyText": "Too many requests", "data": ""},
        {"X-RateLimit-Limit": "1000", "X-RateLimit-Reset": str(reset)},
    )


SIDES = [
    Side(
        kind=dotdigital.KIND,
        make=lambda clock: Dotdigital(clock=clock.seconds),
        settings={"DOTDIGITAL_URL": ""},
        credentials=lambda box: {"username": box.username, "password": box.password},
        wrong={"password": "wrong-password-1"},
        endpoint=lambda box: f"{box.url}/{box.region}",
        call=lambda http, given: dotdigital.client_of(http, given).segments(),
        path="/v2/segments",
        missing=lambda http, given: dotdigital.client_of(http, given).is_segment_fresh(1),
        limited=_limited,
        wait=timedelta(seconds=40),
        needs_website=True,
    ),
    Side(
        kind="emarsys",
        make=lambda clock: EmarsysSandbox(clock=clock.seconds),
        settings={"EMARSYS_URL": "", "EMARSYS_AUTH_URL": ""},
        credentials=lambda box: dict(
            zip(("user", "secret"), next(iter(box.clients.items())), strict=True)
        ),
        wrong={"secret": "not-the-secret"},
        endpoint=lambda box: box.url,
        call=lambda http, credentials: emarsys.client_of(http, credentials, {}).list_segments(),
        path="/api/v3/filter",
        missing=lambda http, credentials: emarsys.client_of(http, credentials, {}).begin_run("7"),
        limited=_limited_by_minute,
        wait=timedelta(seconds=40),
    ),
]
