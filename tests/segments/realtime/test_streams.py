"""Two opinions after every step: those who were moved, and those for whom the criteria hold."""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contacts.models import AttributeDefinition
from segments.facts import zone
from tests.chance import chance
from tests.segments.criteria.asking import rolled_back
from tests.segments.criteria.people import ATTRIBUTES, add_definitions
from tests.segments.criteria.strategies import documents_at
from tests.segments.realtime.streams import NOW, Stream, live_count

pytestmark = pytest.mark.django_db
_STREAMS = {
    "documents": st.lists(documents_at(NOW, zone()), min_size=4, max_size=4),
    "seed": st.integers(0, 2**32),
}
_OPTIONS: Any = {
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": [*HealthCheck],
}


def run(documents: list[dict[str, Any]], seed: int, *, steps: int) -> None:
    """One stream, looked at after each step."""
    with rolled_back():
        add_definitions()
        AttributeDefinition.objects.bulk_create(
            AttributeDefinition(key=key, label=key, type=type_) for key, type_ in ATTRIBUTES.items()
        )
        stream = Stream(documents, Random(seed))
        stream.begin()
        stream.check()
        for _ in range(steps):
            stream.happen()
            stream.settle()
            stream.check()
        stream.end()
        assert live_count() >= 1


@chance(seldom=2, often=6, derandomize=True, **_OPTIONS)
@given(**_STREAMS)
def test_whatever_happens_members_are_those_for_whom_the_criteria_hold(
    documents: list[dict[str, Any]], seed: int
) -> None:
    run(documents, seed, steps=5)


@pytest.mark.long
@settings(max_examples=1500, **_OPTIONS)
@given(**_STREAMS)
def test_whatever_chance_lets_happen(documents: list[dict[str, Any]], seed: int) -> None:
    run(documents, seed, steps=15)
