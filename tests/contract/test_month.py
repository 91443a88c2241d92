"""A month, day by day, while vendors fail in every way they do: in the end all is as it was meant.

The clock is driven. Each day people order, come, change their address, are forgotten, turn out to
be one, enter and leave segments here and there; each day everything is synchronized, and tried
again as it is due. What each vendor has to do with it is in tests/contract/months.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Any

import pytest

from integrations import outbound
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.segment import Segment
from integrations.sandbox.server import running
from tests.contract.cases import Clock
from tests.contract.months.facts import Facts, Hook, Told
from tests.contract.months.imports import Imports
from tests.contract.months.lists import Lists
from tests.contract.months.metrics import Metrics
from tests.contract.months.world import Month, Part, live
from tests.factories import make_consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def begin(clock: Clock, settings: Any) -> Iterator[Callable[[int], Month]]:
    """Begin a month by a seed: three accounts, a webhook, some people."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    dotdigital, emarsys = Dotdigital(clock=clock.seconds), EmarsysSandbox(clock=clock.seconds)
    segment, hook = Segment(clock=clock.seconds), Hook(clock=clock.seconds)
    with ExitStack() as stack:
        for box in (dotdigital, emarsys, segment, hook):
            stack.enter_context(running(box))
        settings.DOTDIGITAL_URL = dotdigital.url
        settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = emarsys.url
        settings.SEGMENT_URL = segment.url

        def make(seed: int) -> Month:
            month = Month(random.Random(seed), clock, meet=lambda email: dotdigital.learn([email]))
            make_consent("news")
            metrics = Metrics(month, dotdigital)
            facts = Facts(month, segment)
            for _one in range(25):
                month.come()
            lists = Lists(month, dotdigital, metrics.connection)
            parts: list[Part] = [metrics, Imports(month, emarsys), lists, Told(month, hook), facts]
            month.parts.extend(parts)
            return month

        yield make
        outbound.hang_up()


def test_after_a_bad_week_everything_is_as_it_was_meant(begin: Callable[[int], Month]) -> None:
    live(begin(1), 5)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_after_a_bad_month_everything_is_as_it_was_meant(
    begin: Callable[[int], Month], seed: int
) -> None:
    live(begin(seed), 30)
