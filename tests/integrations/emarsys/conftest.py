"""An Emarsys on this machine, and connections to it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound
from integrations.connectors.emarsys import client
from integrations.models import VendorConnection
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.server import running
from integrations.vendors import connections
from workspace.access import SYSTEM

OAUTH = {"user": "sandbox-client", "secret": "emarsys-sandbox-client-secret"}
WSSE = {"user": "sandbox001", "secret": "emarsys-sandbox-secret"}


class Clock:
    """The present of both sides; who sleeps moves it on."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def emarsys(settings: Any, clock: Clock) -> Iterator[EmarsysSandbox]:
    """The sandbox, at the address that the settings name."""
    sandbox = EmarsysSandbox(clock=clock.seconds)
    with running(sandbox):
        settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = sandbox.url
        settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
        client._tokens.clear()
        yield sandbox
    outbound.hang_up()


Connect = Callable[..., VendorConnection]


@pytest.fixture
def connect(emarsys: EmarsysSandbox, clock: Clock) -> Connect:
    """Authorizes a connection to it."""

    def authorize(**given: Any) -> VendorConnection:
        is_wsse = given.get("settings", {}).get("auth") == "wsse"
        return connections.authorize_connection(
            kind="emarsys",
            credentials=given.pop("credentials", WSSE if is_wsse else OAUTH),
            actor=SYSTEM,
            at=clock.now(),
            **given,
        )

    return authorize
