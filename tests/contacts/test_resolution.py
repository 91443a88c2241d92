"""Whom messages are about: names resolve to one contact, within the rules, and safely at once."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.embedded import paths
from contacts.erasure import erase_contact
from contacts.identities import Name
from contacts.identity_graph import IdentityGraph, find
from contacts.identity_rules import Rule, Rules
from contacts.models import Contact, ContactMerge, Identity, IdentityRule
from contacts.resolution import Claim, Resolution, resolve
from contacts.survivors import survivor_of
from tests.factories import NOW, make_contact
from tests.reference.identities import People
from workspace.access import SYSTEM

_NAMESPACES = {"user": "user_id", "anonymous": "anonymous_id"}


def _claim(evidence: str = "", previous: str = "", **names: str) -> Claim:
    """A claim, with the names as they are called in messages."""
    return Claim(
        tuple(Name(_NAMESPACES.get(key, key), value) for key, value in names.items()),
        evidence,
        previous,
    )


def _resolve(*claims: Claim) -> list[Resolution]:
    return resolve(claims, at=NOW, cause="source:shop")


def _one(**names: str) -> int:
    (found,) = _resolve(_claim(**names))
    assert found.contact_id is not None
    return found.contact_id


def _names(contact_id: int | None) -> set[str]:
    return {str(identity) for identity in Identity.objects.filter(contact_id=contact_id or 0)}


@pytest.mark.django_db
def test_michael_browses_signs_up_and_comes_back_on_his_phone() -> None:
    browsing = _one(anonymous="laptop")
    assert _one(user="michael", anonymous="laptop") == browsing
    on_the_phone = _one(anonymous="phone")
    (found,) = _resolve(_claim("identify, message 7", user="michael", anonymous="phone"))
    assert found == Resolution(browsing, False, (on_the_phone,))
    assert _names(browsing) == {"user_id:michael", "anonymous_id:laptop", "anonymous_id:phone"}
    merge = ContactMerge.objects.get(pk=on_the_phone)
    assert (merge.survivor_id, merge.evidence) == (browsing, "identify, message 7")
    assert merge.names == [["user_id", "michael"], ["anonymous_id", "phone"]]
    assert survivor_of(on_the_phone) == browsing


@pytest.mark.django_db
def test_who_has_an_external_id_survives_else_the_older() -> None:
    older, newer = _one(anonymous="a"), _one(anonymous="b")
    assert _one(email="ann@example.com", anonymous="b") == newer
    known = _one(user="ann")
    assert _one(user="ann", anonymous="a") == known
    assert survivor_of(older) == known
    third = _one(anonymous="c")
    assert _one(email="ann@example.com", anonymous="c") == newer
    assert survivor_of(third) == newer


@pytest.mark.django_db
def test_two_people_at_one_computer_stay_two() -> None:
    anna = _one(user="anna", anonymous="family-pc")
    (found,) = _resolve(_claim(user="ben", anonymous="family-pc"))
    assert found.is_new
    assert found.contact_id != anna
    (left_out,) = found.left_out
    assert (left_out.code, left_out.contact_id) == ("protected", anna)
    assert "anonymous_id “family-pc” stays with contact #" in left_out.message
    assert "1 values of user_id" in left_out.message
    assert _one(anonymous="family-pc") == anna


@pytest.mark.django_db
def test_two_customers_with_one_address_stay_two_and_what_is_new_goes_to_the_stronger() -> None:
    anna = _one(user="anna", email="Home@example.com")
    (found,) = _resolve(_claim(user="ben", email="home@example.com", anonymous="ben-pc"))
    assert found.contact_id != anna
    assert [one.code for one in found.left_out] == ["protected"]
    assert _names(found.contact_id) == {"user_id:ben", "anonymous_id:ben-pc"}


@pytest.mark.django_db
def test_a_reader_of_the_newsletter_becomes_the_customer_of_that_address() -> None:
    reader = make_contact(email="Ann@Example.com", first_name="Ann").pk
    assert _one(user="c-17", email="ann@example.com") == reader
    assert _names(reader) == {"email:ann@example.com", "user_id:c-17"}


@pytest.mark.django_db
def test_an_alias_joins_what_an_anonymous_id_did_and_renames_a_user() -> None:
    browsing = _one(anonymous="a-1")
    assert _resolve(_claim(user="u-1", previous="a-1"))[0].contact_id == browsing
    other = _one(user="u-2")
    (found,) = _resolve(_claim("alias, message 9", user="u-2", previous="u-1"))
    assert found == Resolution(browsing, False, (other,))
    assert _names(browsing) == {"user_id:u-1", "user_id:u-2", "anonymous_id:a-1"}
    # An alias that comes before what it tells of.
    early = _resolve(_claim(user="u-3", previous="a-3"))[0].contact_id
    assert _one(anonymous="a-3") == early


@pytest.mark.django_db
def test_blocked_and_impossible_names_name_nobody() -> None:
    nobody, somebody = _resolve(
        _claim(user="NULL", anonymous="00000000-0000-0000-0000-000000000000"),
        _claim(user="undefined", email="not an address", anonymous="a-1"),
    )
    assert (nobody.contact_id, nobody.is_new) == (None, False)
    assert [one.code for one in nobody.left_out] == ["blocked", "blocked"]
    assert [one.code for one in somebody.left_out] == ["invalid", "blocked"]
    assert _names(somebody.contact_id) == {"anonymous_id:a-1"}
    assert Contact.objects.count() == 1


@pytest.mark.django_db
def test_rules_of_the_workspace_take_the_place_of_the_defaults() -> None:
    IdentityRule.objects.create(
        namespace="household", priority=15, value_limit=1, merges=False, blocked_values=["None-1"]
    )
    home = _one(household="h-1")
    (found,) = _resolve(_claim(user="anna", household="h-1"))
    assert found.contact_id != home
    assert [one.code for one in found.left_out] == ["never_merges"]
    blocked, many = _resolve(_claim(household="none-1"), _claim(user="anna", household="h-2"))
    assert blocked.contact_id is None
    assert many.contact_id == found.contact_id
    (third,) = _resolve(_claim(user="anna", household="h-3"))
    assert [one.code for one in third.left_out] == ["limit_reached"]


@pytest.mark.django_db
def test_a_name_that_was_left_with_a_merged_contact_finds_the_survivor() -> None:
    browsing, ann = _one(anonymous="a"), _one(user="ann")
    _one(user="ann", anonymous="a")
    Identity.objects.create(namespace="card", value="7", contact_id=browsing)
    assert _one(card="7") == ann
    gone = make_contact()
    erase_contact(gone.pk, actor=SYSTEM, at=NOW)
    Identity.objects.create(namespace="card", value="8", contact=gone)
    (found,) = _resolve(_claim(card="8"))
    assert found.is_new


@pytest.mark.django_db
def test_of_one_batch_claims_that_share_names_are_one_contact() -> None:
    found = _resolve(
        _claim("first", anonymous="x"),
        _claim(anonymous="y", email="Ann@Example.com"),
        _claim("third", user="ann", anonymous="x", email="ann@example.com", phone="0048 601"),
        _claim(anonymous="z"),
    )
    ann = found[0].contact_id
    assert [one.contact_id == ann for one in found] == [True, True, True, False]
    assert [one.is_new for one in found] == [True, False, False, True]
    contact = Contact.objects.get(pk=ann or 0)
    assert (contact.email, contact.phone) == ("Ann@Example.com", "0048 601")
    assert Contact.objects.count() == 2
    learned = Identity.objects.get(namespace="user_id", value="ann")
    assert (learned.cause, learned.evidence) == ("source:shop", "third")
    assert learned.created_at == NOW
    again = _resolve(_claim(anonymous="x"), _claim(user="ann"))
    assert again == [Resolution(ann), Resolution(ann)]


@pytest.mark.django_db
def test_a_thousand_claims_take_as_many_statements_as_one() -> None:
    _resolve(*(_claim(anonymous=f"old-{n}") for n in range(30)))
    _resolve(*(_claim(user=f"user-{n}") for n in range(30)))

    def count(*claims: Claim) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            _resolve(*claims)
        return len(queries)

    def mixed(numbers: range) -> list[Claim]:
        return [
            claim
            for n in numbers
            for claim in (
                _claim(user=f"user-{n}", anonymous=f"old-{n}"),
                _claim(user=f"new-{n}", email=f"{n}@example.com"),
                _claim(user=f"user-{n}", phone=f"+48{n:09}"),
            )
        ]

    assert count(*mixed(range(1))) == count(*mixed(range(1, 30)))
    assert ContactMerge.objects.count() == 30


@pytest.mark.django_db(transaction=True)
def test_fifty_requests_with_one_new_user_are_one_contact() -> None:
    start = Barrier(10)

    def send(number: int) -> int | None:
        try:
            start.wait()
            with transaction.atomic():
                (found,) = _resolve(_claim(user="new", anonymous=f"device-{number % 5}"))
                return found.contact_id
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        found = set(pool.map(send, range(50)))
    assert len(found) == 1
    assert list(Contact.objects.values_list("pk", flat=True)) == list(found)
    assert Identity.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_tangled_batches_at_once_neither_wait_for_ever_nor_lose_a_name() -> None:
    random = Random(7)
    batches = [
        [
            _claim(user=f"u{random.randrange(6)}", anonymous=f"a{random.randrange(12)}")
            if random.random() < 0.5
            else _claim(anonymous=f"a{random.randrange(12)}", email=f"{random.randrange(6)}@x.de")
            for _claim_number in range(6)
        ]
        for _batch in range(40)
    ]

    def send(batch: Sequence[Claim]) -> list[Resolution]:
        try:
            with transaction.atomic():
                return resolve(batch, at=NOW, cause="source:shop")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(send, batches))
    said = {name for batch in batches for claim in batch for name in claim.names}
    assert {Name(one.namespace, one.value) for one in Identity.objects.all()} == said
    alive = set(Contact.objects.filter(erased_at=None).values_list("pk", flat=True))
    assert set(Identity.objects.values_list("contact_id", flat=True)) == alive
    for found in results:
        assert {survivor_of(one.contact_id or 0) for one in found} <= alive
    with_users = Identity.objects.filter(namespace="user_id")
    assert with_users.count() == with_users.values("contact_id").distinct().count()


_IN_A_PROCESS = """
import django
django.setup()
from django.db import transaction
from contacts.identities import Name
from contacts.resolution import Claim, resolve
from tests.factories import NOW
found = set()
for number in range(25):
    with transaction.atomic():
        claim = Claim((Name("user_id", "new"), Name("anonymous_id", f"device-{number}")))
        found.add(resolve([claim], at=NOW, cause="test")[0].contact_id)
print(*found)
"""


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_processes_that_send_one_new_user_at_once_make_one_contact() -> None:
    name = connection.settings_dict["NAME"]
    address, _slash, rest = os.environ["DATABASE_URL"].rpartition("/")
    _old, question, options = rest.partition("?")
    environ = {
        **os.environ,
        "DATABASE_URL": f"{address}/{name}{question}{options}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    command = [sys.executable, "-c", _IN_A_PROCESS]
    running = [
        subprocess.Popen(
            command, cwd=paths.CHECKOUT, env=environ, stdout=subprocess.PIPE, text=True
        )
        for _process in range(4)
    ]
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert said == {str(Contact.objects.get().pk)}
    assert Identity.objects.count() == 26


_LIMITS = {"user_id": 1, "email": 2, "phone": 2, "anonymous_id": 3}
_RULES = {
    "user_id": Rule(10, 1),
    "email": Rule(20, 2),
    "phone": Rule(30, 2),
    "anonymous_id": Rule(50, 3),
}
_some_names = st.lists(
    st.builds(
        Name,
        st.sampled_from(["user_id", "email", "anonymous_id", "anonymous_id", "card"]),
        st.sampled_from(["a@x.de", "b@x.de", "c@x.de", "d@x.de", "null"]),
    ),
    min_size=1,
    max_size=3,
)
_said = st.tuples(_some_names, st.sampled_from(["", "", "", "a@x.de", "b@x.de"]))


def _partition(names: dict[Name, object]) -> set[frozenset[tuple[str, str]]]:
    groups: dict[object, set[tuple[str, str]]] = {}
    for name, whose in names.items():
        groups.setdefault(whose, set()).add((name.namespace, name.value))
    return {frozenset(group) for group in groups.values()}


@given(st.lists(_said, max_size=12), st.data())
@settings(max_examples=150, deadline=None)
def test_wherever_batches_end_the_same_names_are_one_person(
    said: list[tuple[list[Name], str]], data: st.DataObject
) -> None:
    people = People(_LIMITS, blocked=["null"])
    known: dict[int, list[Name]] = {}
    rest = list(said)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batch, rest = rest[:size], rest[size:]
        graph = IdentityGraph(
            Rules(_RULES), [(number, name) for number, names in known.items() for name in names]
        )
        for names, previous in batch:
            node = graph.place(names, previous=previous).node
            whose = people.tell([(one.namespace, one.value) for one in names], previous)
            held = (
                None
                if node is None
                else {
                    (namespace, value)
                    for namespace, values in find(node).values.items()
                    for value in values
                }
            )
            assert held == whose
        made = [node for node in graph.made if node.survivor is None]
        for place, node in enumerate(made, max(known, default=0) + 1):
            node.contact_id = place
        owners = {name: number for number, names in known.items() for name in names}
        changed = {name: find(graph.known[number]).contact_id for name, number in owners.items()}
        changed |= {one.name: find(one.node).contact_id for one in graph.attachments}
        known = {}
        for name, number in changed.items():
            assert number is not None
            known.setdefault(number, []).append(name)
    assert {frozenset((n.namespace, n.value) for n in names) for names in known.values()} == {
        frozenset(person) for person in people.people
    }


@pytest.mark.django_db
@given(st.lists(_said, min_size=1, max_size=10), st.integers(1, 10))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_database_holds_what_the_reference_says(
    said: list[tuple[list[Name], str]], size: int
) -> None:
    people = People({"user_id": 1, "email": 5, "phone": 5, "anonymous_id": 100}, blocked=["null"])
    for names, previous in said:
        people.tell([(one.namespace, one.value) for one in names if _is_possible(one)], previous)
    with transaction.atomic():
        for first in range(0, len(said), size):
            batch = [
                Claim(tuple(names), "", previous) for names, previous in said[first : first + size]
            ]
            resolve(batch, at=NOW, cause="test")
        rows = Identity.objects.filter(contact__erased_at=None)
        held = {Name(one.namespace, one.value): one.contact_id for one in rows}
        assert _partition(dict(held)) == {frozenset(person) for person in people.people}
        assert rows.count() == Identity.objects.count()
        assert Contact.objects.filter(erased_at=None).count() == len(people.people)
        transaction.set_rollback(True)


def _is_possible(name: Name) -> bool:
    return name.namespace != "email" or "@" in name.value
