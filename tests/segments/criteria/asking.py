"""Short ways to ask one question of one person."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from segments.criteria import compile_vector
from tests.reference.criteria import Happening, Person, World
from tests.segments.criteria.people import add_people, members, read, run

EARLY = datetime(2001, 1, 1, tzinfo=UTC)
SOMEONE = {"created_at": EARLY, "updated_at": EARLY}


def person(**known: Any) -> Person:
    """A person of whom only this is known; `fields` are added to when the row was written."""
    return Person(**{**known, "fields": {**SOMEONE, **known.get("fields", {})}})


def did(*events: tuple[str, datetime] | tuple[str, datetime, Mapping[str, Any]]) -> Person:
    """A person who did these things."""
    return person(events=tuple(Happening(*event) for event in events))


def rule(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, **more}


def all_of(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"combinator": "and", "rules": list(rules), **more}


def any_of(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"combinator": "or", "rules": list(rules), **more}


def lasting(amount: int, unit: str) -> dict[str, Any]:
    return {"amount": amount, "unit": unit}


@contextmanager
def rolled_back() -> Iterator[None]:
    """Whatever is written inside is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def who(world: World, asked: dict[str, Any], *people: Person) -> list[bool]:
    """For whom of these people, who are all there are, a rule or document holds.

    Asked alone and as one of many documents, which has to be the same.
    """
    document = asked if "rules" in asked else all_of(asked)
    with rolled_back():
        ids = add_people(people)
        found = members(document, world)
        rows = run(compile_vector({1: read(document, world)}, now=world.now, among=ids))
    assert [number for number, held in sorted(rows) if held] == found
    return [number in found for number in ids]
