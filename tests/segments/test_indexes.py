"""An attribute that a segment asks about has an index, as long as one does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from contacts.models import AttributeDefinition, Contact
from segments import indexes, lifecycle
from segments.criteria import compile_count
from segments.facts import parse_criteria
from segments.models import Segment
from tests.segments.apart import Apart
from tests.segments.factories import NOW, has_attribute, make_segment
from workspace import jobs, locks, sql
from workspace.access import SYSTEM
from workspace.errors import Busy
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def _define(key: str, type_: str = "text") -> AttributeDefinition:
    return AttributeDefinition.objects.create(key=key, label=key, type=type_)


def _index_names() -> set[str]:
    return {name for name, is_valid in indexes._indexes().items() if is_valid}


@pytest.fixture(autouse=True)
def _no_indexes_left(transactional_db: None) -> Any:
    yield
    Segment.objects.all().delete()
    indexes.bring_into_step()


def test_an_index_comes_with_the_first_segment_and_goes_with_the_last() -> None:
    color = _define("color")
    name = f"contacts_contact_attribute_{color.pk}_text"
    first = make_segment("first", has_attribute("color", "red"))
    second = make_segment("second", has_attribute("color", "blue"))
    (job,) = Job.objects.filter(kind="segments.indexes")
    done = jobs.run(job.pk)
    assert done is not None
    assert done.result == {"made": [name], "dropped": []}
    assert _index_names() == {name}
    color.refresh_from_db()
    assert color.is_indexed
    lifecycle.inactivate(first, actor=SYSTEM, at=NOW)
    assert indexes.bring_into_step() == indexes.Changed((), ())
    lifecycle.update_segment(
        second, actor=SYSTEM, at=NOW, criteria={"combinator": "and", "rules": []}
    )
    assert indexes.request_if_needed() is None, "the change requested it"
    Job.objects.all().delete()
    assert indexes.request_if_needed() is not None
    assert indexes.bring_into_step() == indexes.Changed((), (name,))
    assert _index_names() == set()
    color.refresh_from_db()
    assert not color.is_indexed


def test_nothing_is_requested_where_nothing_is_missing() -> None:
    _define("color")
    make_segment(criteria=has_attribute("color", "red"))
    indexes.bring_into_step()
    Job.objects.all().delete()
    assert indexes.request_if_needed() is None


def test_an_index_that_a_killed_run_left_behind_is_made_anew() -> None:
    color = _define("color")
    make_segment(criteria=has_attribute("color", "red"))
    indexes.bring_into_step()
    (name,) = _index_names()
    sql.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", [name])
    color.refresh_from_db()
    Job.objects.all().delete()
    assert indexes.request_if_needed() is not None
    assert indexes.bring_into_step() == indexes.Changed((name,), (name,))
    assert _index_names() == {name}


def test_an_attribute_of_yes_or_no_has_statistics_only() -> None:
    happy = _define("happy", "boolean")
    make_segment(criteria=has_attribute("happy", True))
    assert indexes.bring_into_step().made == (f"contacts_contact_attribute_{happy.pk}_boolean",)
    assert _index_names() == set()
    assert indexes._statistics() == {f"contacts_contact_attribute_{happy.pk}_boolean"}
    assert indexes.bring_into_step() == indexes.Changed((), ())


def test_an_attribute_that_was_deleted_loses_its_index() -> None:
    color = _define("color")
    make_segment(criteria=has_attribute("color", "red"))
    indexes.bring_into_step()
    color.delete()
    assert len(indexes.bring_into_step().dropped) == 1


def test_only_one_run_is_at_it_at_a_time() -> None:
    with locks.held("segments attribute indexes") as is_mine:
        assert is_mine
        assert isinstance(Apart(indexes.bring_into_step).join().error, Busy)


@pytest.mark.parametrize(
    ("type_", "stored", "operator", "asked"),
    [
        ("text", "v{}", "=", "v7"),
        ("text", "v{}", "in", ["v7", "v8"]),
        ("number", "{}", "=", 7),
        ("number", "{}", "between", [7, 8]),
        ("date", "2020-01-{:02}", "=", "2020-01-07"),
        ("datetime", "2020-01-{:02}T00:00:00.000000Z", "<", "2020-01-02T00:00:00Z"),
        ("list", "l{}", "in", ["l7"]),
    ],
)
def test_the_server_uses_it(type_: str, stored: str, operator: str, asked: Any) -> None:
    definition = _define("x", type_)
    contacts = []
    for number in range(1, 2001):
        value: Any = stored.format(number % 28 + 1 if "-" in stored else number)
        if type_ == "number":
            value = number
        contacts.append(Contact(attributes={"x": [value] if type_ == "list" else value}))
    Contact.objects.bulk_create(contacts)
    rule = {"field": "attribute.x", "operator": operator, "value": asked}
    document = {"combinator": "and", "rules": [rule]}
    make_segment(criteria=document)
    indexes.bring_into_step()
    query = compile_count(parse_criteria(document, SYSTEM), now=NOW)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query.text}", query.params)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert f"contacts_contact_attribute_{definition.pk}_{type_}" in plan, plan


def test_the_server_knows_how_many_have_a_value() -> None:
    _define("happy", "boolean")
    Contact.objects.bulk_create(
        Contact(attributes={"happy": number % 10 == 0}) for number in range(2000)
    )
    document = has_attribute("happy", True)
    make_segment(criteria=document)
    query = compile_count(parse_criteria(document, SYSTEM), now=datetime.now(tz=UTC))
    statement = f"EXPLAIN (FORMAT JSON) {query.text}"
    with connection.cursor() as cursor:
        indexes.bring_into_step()
        cursor.execute(statement, query.params)
        row = cursor.fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    while "Plans" in plan:
        plan = plan["Plans"][0]
    assert 150 <= plan["Plan Rows"] <= 250
