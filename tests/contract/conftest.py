"""A vendor's sandbox on this machine, and a connection to it."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound
from integrations.sandbox.server import Sandbox, running
from tests.contract.cases import SIDES, Clock, Side


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=SIDES, ids=lambda side: side.kind)
def side(request: Any) -> Side:
    chosen: Side = request.param
    return chosen


@pytest.fixture
def sandbox(side: Side, clock: Clock, settings: Any) -> Iterator[Sandbox]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with running(side.make(clock)) as box:
        for name, suffix in side.settings.items():
            setattr(settings, name, box.url + suffix)
        yield box
        outbound.hang_up()
