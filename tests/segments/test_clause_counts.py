"""A count beside each rule and group: what the reference counts, and nothing about the hidden."""

import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from loyalty import members as loyalty_members
from segments import clause_counts
from segments.clause_counts import ClauseCount, count_clauses
from segments.errors import PreviewOutdated
from segments.tickets import take_place
from tests.segments.criteria.asking import all_of, any_of, rule
from tests.segments.factories import NOW, is_in, lives_in, make_contacts, make_segment, refresh
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.models import AuditEntry, UserGroup

IN_WARSAW = rule("contact.city", "=", "Warszawa")
IN_PARIS = rule("contact.city", "=", "Paris")


def counts(document: Any, **given: Any) -> dict[str, int | None]:
    found = count_clauses(document, actor=given.pop("actor", SYSTEM), as_of=NOW, **given)
    return {path: one.count for path, one in found.items()}


@pytest.mark.django_db
def test_rules_and_groups_are_counted_each_as_if_alone() -> None:
    make_contacts("Warszawa", "Warszawa", "Paris", "Rome")
    document = all_of(
        rule("contact.city", "notNull"),
        any_of(IN_WARSAW, IN_PARIS),
        all_of(IN_PARIS, **{"not": True}),
    )
    assert counts(document) == {
        "": 2,
        "rules[0]": 4,
        "rules[1]": 3,
        "rules[1].rules[0]": 2,
        "rules[1].rules[1]": 1,
        "rules[2]": 3,
        "rules[2].rules[0]": 1,
    }


@pytest.mark.django_db
def test_columns_are_counted_in_one_statement_and_equal_parts_once() -> None:
    make_contacts("Warszawa")
    document = any_of(*[rule("contact.city", "=", f"City {n}") for n in range(50)], IN_WARSAW)
    tag = rule("tag", "notNull")
    with CaptureQueriesContext(connection) as captured:
        found = counts(all_of(document, tag, all_of(tag), any_of(tag)))
    assert len(found) == 58
    counting = [q for q in captured.captured_queries if "count(*)" in q["sql"]]
    assert len(counting) == 3, "the scan, the tag, the whole"


@pytest.mark.django_db
def test_what_is_faulty_has_no_count_and_nothing_around_it_has() -> None:
    make_contacts("Warszawa")
    faulty = rule("contact.shoe_size", "=", 43)
    found = counts(all_of(IN_WARSAW, any_of(IN_PARIS, faulty), any_of(IN_WARSAW)))
    assert found == {
        "rules[0]": 1,
        "rules[1].rules[0]": 0,
        "rules[2]": 1,
        "rules[2].rules[0]": 1,
    }
    assert counts({"combinator": "xor", "rules": [IN_WARSAW]}) == {}
    assert counts([1]) == {}
    assert counts(all_of(rule("event.purchase", "=", "much"), IN_WARSAW)) == {"rules[1]": 1}


@pytest.mark.django_db
def test_what_nests_without_end_is_no_document() -> None:
    document: dict[str, Any] = all_of()
    for _level in range(300):
        document = all_of(document, IN_WARSAW)
    assert "" not in counts(document)


@pytest.mark.django_db
def test_loyalty_members_only() -> None:
    [one, _other] = make_contacts("Warszawa", "Warszawa")
    loyalty_members.save_member(one, changes={}, actor=SYSTEM, at=NOW)
    assert counts(lives_in("Warszawa"), members_only=True) == {"": 1, "rules[0]": 1}


@pytest.mark.django_db
def test_a_segment_that_one_may_not_know_of_has_no_count() -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    make_contacts("Warszawa")
    refresh(make_segment("secret", groups=["Poland"]))
    outsider = Actor(
        AuditEntry.ActorKind.USER, None, "x", permissions=frozenset({"segments.view_segment"})
    )
    assert counts(is_in("secret")) == {"": 1, "rules[0]": 1}
    assert counts(is_in("secret"), actor=outsider) == {} == counts(is_in("no"), actor=outsider)


@pytest.mark.django_db
def test_what_takes_too_long_is_a_lower_bound_and_the_others_are_exact(
    monkeypatch: pytest.MonkeyPatch, slow_fact: str
) -> None:
    make_contacts("a", "b", "Slough", "Warszawa")
    monkeypatch.setattr(clause_counts, "_STATEMENT_SECONDS", 0.1)
    monkeypatch.setattr(clause_counts, "_AFTERTHOUGHT_SECONDS", 0.1)
    monkeypatch.setattr("segments.preview.SAMPLE_SIZE", 2)
    monkeypatch.setattr("segments.preview._STRIDE", 1)
    slow = rule(slow_fact, "=", True)
    found = count_clauses(any_of(IN_WARSAW, all_of(slow)), actor=SYSTEM, as_of=NOW)
    assert found["rules[0]"] == ClauseCount(1, exact=True)
    assert found["rules[1]"] == found["rules[1].rules[0]"] == ClauseCount(2, exact=False)


@pytest.mark.django_db
def test_when_the_time_is_over_nothing_more_is_counted() -> None:
    make_contacts("Warszawa")
    found = count_clauses(lives_in("Warszawa"), actor=SYSTEM, as_of=NOW, timeout_seconds=0)
    assert set(found.values()) == {ClauseCount(None, exact=False)}


@pytest.mark.django_db
def test_a_newer_question_of_the_same_place_ends_the_older() -> None:
    older = take_place("counts", "builder 7", SYSTEM)
    take_place("counts", "another place", SYSTEM)
    older.refuse_taken()
    take_place("counts", "builder 7", SYSTEM)
    with pytest.raises(PreviewOutdated):
        older.refuse_taken()


@pytest.mark.django_db(transaction=True)
def test_a_newer_question_stops_the_statement_of_the_older(
    monkeypatch: pytest.MonkeyPatch, slow_fact: str
) -> None:
    monkeypatch.setattr(clause_counts, "_STATEMENT_SECONDS", 30)
    make_contacts("Slough")
    ended: list[str] = []

    def older() -> None:
        try:
            counts(all_of(rule(slow_fact, "=", True)), timeout_seconds=30, ticket="builder 7")
        except PreviewOutdated as error:
            ended.append(error.code)
        finally:
            connection.close()

    thread = threading.Thread(target=older)
    thread.start()
    sleeping = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    deadline = time.monotonic() + 5
    while not sql.one(sleeping):
        assert time.monotonic() < deadline, "the older question did not start"
        time.sleep(0.02)
    assert counts(lives_in("Slough"), ticket="builder 7") == {"": 1, "rules[0]": 1}
    thread.join(timeout=5)
    assert ended == ["preview_outdated"]
