"""Criteria that take their time, so that something else can happen meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from segments.criteria import Fact, Type, catalog, register_fact
from workspace import sql

_GATE = 4711


def _fact(name: str, condition: str) -> Fact:
    return Fact(
        name, name, Type.BOOLEAN, "contacts_contact", contact_column="id", condition=condition
    )


@pytest.fixture
def slow_fact() -> Iterator[str]:
    """A field that is true of everyone, and takes five seconds for people in Slough."""
    found = _fact("tests.slow", "city <> 'Slough' OR pg_sleep(5) IS NOT NULL")
    with _registered(found):
        yield found.name


class Gate:
    """A field that is true of everyone, and is answered only while the gate is open."""

    field = "tests.gate"

    @contextmanager
    def closed(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_GATE])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_GATE])

    def wait_until_reached(self) -> None:
        """Return as soon as somebody stands before it."""
        deadline = time.monotonic() + 5
        # Other workers of the tests have gates like this in their own databases.
        statement = (
            "SELECT count(*) FROM pg_locks WHERE objid = %s AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        while not sql.one(statement, [_GATE]):
            assert time.monotonic() < deadline, "nobody came to the gate"
            time.sleep(0.01)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """For tests with threads: what is computed stops in the middle, and goes on when told."""
    condition = f"pg_advisory_xact_lock_shared({_GATE}) IS NOT NULL"
    with _registered(_fact(Gate.field, condition)):
        yield Gate()


@contextmanager
def _registered(fact: Fact) -> Iterator[None]:
    register_fact(fact)
    try:
        yield
    finally:
        del catalog._facts[fact.name]
