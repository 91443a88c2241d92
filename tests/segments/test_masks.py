"""What people read of criteria that name segments hidden from them, and what they may send back."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segments import lifecycle, preview
from segments.errors import CriteriaRefused
from segments.explanation import explain_contact
from segments.masks import Mask, mask_criteria
from segments.models import Segment
from tests.segments.factories import NOW, is_in, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.models import AuditEntry, User

_BOTH = {"combinator": "and", "rules": [*is_in("polish", "open")["rules"], *lives_in("A")["rules"]]}


@pytest.fixture
def pierre() -> Actor:
    """Somebody who may do everything with segments, and is in the group France."""
    user = User.objects.create_user("pierre")
    user.groups.add(Group.objects.create(name="France"))
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="segments"))
    return actor_of_user(user)


@pytest.fixture
def shared() -> Segment:
    """A segment for everybody whose criteria name one of the group Poland."""
    Group.objects.create(name="Poland")
    make_segment("polish", groups=["Poland"])
    make_segment("open")
    return make_segment("shared", _BOTH)


pytestmark = pytest.mark.django_db


def test_a_document_is_read_without_the_keys_of_hidden_segments(
    shared: Segment, pierre: Actor
) -> None:
    read = mask_criteria(shared.criteria, pierre)
    assert read["rules"][0]["value"] == ["hidden:1", "open"]
    assert read["rules"][1] == shared.criteria["rules"][1]
    assert mask_criteria(shared.criteria, SYSTEM) is shared.criteria


def test_sent_back_as_it_was_read_it_stays_as_it_was(shared: Segment, pierre: Actor) -> None:
    read = mask_criteria(shared.criteria, pierre)
    saved = lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=read, name="Ours")
    assert saved.name == "Ours"
    assert (saved.criteria, saved.version_number) == (_BOTH, 1)
    found = preview.preview(read, actor=pierre, as_of=NOW, segment=shared)
    assert "a segment of another group" in found.sentence


def test_around_a_mask_nothing_is_changed_but_it_may_be_taken_out(
    shared: Segment, pierre: Actor
) -> None:
    read = mask_criteria(shared.criteria, pierre)
    only = {**read, "rules": read["rules"][:1]}
    tries: list[Callable[[], object]] = [
        lambda: lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=only),
        lambda: preview.preview(only, actor=pierre, as_of=NOW, segment=shared),
        lambda: make_segment("mine", read, actor=pierre),
        lambda: lifecycle.copy_segment(shared, actor=pierre, at=NOW),
    ]
    for attempt in tries:
        with pytest.raises(CriteriaRefused) as refused:
            attempt()
        assert [fault.code for fault in refused.value.criteria_problems] == ["not_allowed"]
        assert "polish" not in str(refused.value)
    saved = lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=lives_in("A"))
    assert saved.criteria == lives_in("A")


def test_the_key_itself_is_unknown_also_where_it_stands_in_the_document(
    shared: Segment, pierre: Actor
) -> None:
    for key in ("polish", "never-was"):
        guessed: Any = deepcopy(_BOTH)
        guessed["rules"][0]["value"][0] = key
        with pytest.raises(CriteriaRefused) as refused:
            lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=guessed)
        assert [fault.code for fault in refused.value.criteria_problems] == ["unknown_key"]


def test_a_disabled_part_tells_nothing_of_a_guess_and_loses_nothing(
    shared: Segment, pierre: Actor
) -> None:
    off = {**is_in("polish")["rules"][0], "disabled": True}
    lifecycle.update_segment(
        shared, actor=SYSTEM, at=NOW, criteria={"combinator": "and", "rules": [off]}
    )
    for key in ("polish", "never-was"):
        guess = {"field": "segment", "operator": "in", "value": key, "disabled": True}
        mine = make_segment(f"m-{key}", {"combinator": "and", "rules": [guess]}, actor=pierre)
        assert mask_criteria(mine.criteria, pierre)["rules"][0]["value"] == "hidden:1"
    shared.refresh_from_db()
    read = mask_criteria(shared.criteria, pierre)
    read["rules"].append(lives_in("B")["rules"][0])
    saved = lifecycle.update_segment(shared, actor=pierre, at=NOW, criteria=read)
    assert saved.criteria["rules"][0]["value"] == ["polish"]
    on = mask_criteria(saved.criteria, pierre)
    del on["rules"][0]["disabled"]
    with pytest.raises(CriteriaRefused):
        lifecycle.update_segment(saved, actor=pierre, at=NOW, criteria=on)


def test_why_somebody_is_in_does_not_tell_who_is_in_a_hidden_segment(
    shared: Segment, pierre: Actor
) -> None:
    inside, outside = make_contacts("Warszawa", "Paris")
    for segment in Segment.objects.exclude(pk=shared.pk):
        refresh(segment)
    told = []
    for contact_id in (inside, outside):
        hidden, city = explain_contact(shared, contact_id, as_of=NOW, actor=pierre).clauses
        assert city.holds is False
        told.append((hidden.holds, hidden.value, hidden.until, hidden.sentence))
    assert told[0] == told[1] == (None, None, None, told[0][3])
    for_all = explain_contact(shared, inside, as_of=NOW).clauses[0]
    assert (for_all.holds, for_all.value) == (True, ["open", "polish"])


_STRANGER = Actor(AuditEntry.ActorKind.USER, 0, "stranger")
_LEAF = st.fixed_dictionaries(
    {"field": st.sampled_from(["segment", "tag"]), "operator": st.just("in")},
    optional={
        "value": st.sampled_from(["a", ["a"], ["b", "a", "a"], [], None, 1, ["hidden:1", 2]]),
        "disabled": st.booleans(),
    },
)
_DOCUMENTS = st.recursive(
    _LEAF,
    lambda children: st.fixed_dictionaries(
        {"combinator": st.just("or"), "rules": st.lists(children, max_size=4)},
        optional={"disabled": st.just(True), "id": st.text(max_size=3)},
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[*HealthCheck])
@given(document=_DOCUMENTS)
def test_any_document_survives_being_read_and_sent_back(document: dict[str, Any]) -> None:
    before, mask = deepcopy(document), Mask(_STRANGER)
    read = mask.of(document)
    assert document == before
    assert mask.lifted(read, document) == document
    written = str(read)
    assert not any(f"'{key}'" in written for key in ("a", "b")) or "tag" in written
