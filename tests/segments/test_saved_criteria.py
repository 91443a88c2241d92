"""Criteria kept by name: made, changed, deleted; in user groups and with documents as segments."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from contacts.definitions import Kind, delete_definition
from contacts.errors import DefinitionInUse
from contacts.models import Tag
from segments import saved_criteria
from segments.errors import CriteriaRefused, SavedCriteriaUnknown
from segments.models import SavedCriteria
from segments.saved_criteria import (
    create_saved_criteria,
    delete_saved_criteria,
    find_saved_criteria,
    known_saved_criteria,
    update_saved_criteria,
)
from segments.uses import uses_of
from tests.segments.factories import HOUR, NOW, is_in, lives_in, make_segment
from workspace.access import SYSTEM, Actor
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, User, UserGroup

pytestmark = pytest.mark.django_db
ALL = frozenset(
    f"segments.{verb}_savedcriteria" for verb in ("view", "add", "change", "delete")
) | {"segments.view_segment"}


def save(criteria: Any = None, **given: Any) -> SavedCriteria:
    given = {"actor": SYSTEM, "at": NOW, "name": "Of Warszawa", **given}
    return create_saved_criteria(criteria=criteria or lives_in("Warszawa"), **given)


def person(*groups: Group, permissions: frozenset[str] = ALL) -> Actor:
    user = User.objects.create_user(f"person{User.objects.count()}")
    ids = frozenset(group.pk for group in groups)
    kind = AuditEntry.ActorKind.USER
    return Actor(kind, user.pk, str(user), group_ids=ids, permissions=permissions)


@pytest.fixture
def poland() -> Group:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    return group


def test_criteria_are_kept_by_name_with_a_key_and_an_owner() -> None:
    somebody = person()
    saved = save(actor=somebody, description=" Where we began ")
    assert (saved.key, saved.description) == ("of-warszawa", "Where we began")
    assert saved.owner_id == somebody.id
    assert saved.created_at == saved.updated_at == NOW
    assert save().key == "of-warszawa-2"
    assert AuditEntry.objects.filter(action="saved_criteria.created").count() == 2


def test_every_fault_is_told_at_once() -> None:
    save(key="taken")
    faulty = {"combinator": "and", "rules": [{"field": "contact.shoe", "operator": "null"}]}
    with pytest.raises(CriteriaRefused) as refused:
        save(faulty, name=" ", key="taken", groups=["Nowhere"])
    assert {problem.path for problem in refused.value.problems} == {
        *("name", "key", "groups[0]", "criteria")
    }
    assert [problem.path for problem in refused.value.criteria_problems] == ["rules[0].field"]
    with pytest.raises(InputInvalid):
        save(key="not a key")
    assert SavedCriteria.objects.count() == 1


def test_what_is_changed_is_told_and_what_is_equal_changes_nothing() -> None:
    saved = save()
    update_saved_criteria(saved, actor=SYSTEM, at=NOW + HOUR, criteria=lives_in("Warszawa"))
    saved.refresh_from_db()
    assert saved.updated_at == NOW
    update_saved_criteria(
        saved, actor=SYSTEM, at=NOW + HOUR, criteria=lives_in("Oslo"), name="Of Oslo"
    )
    saved.refresh_from_db()
    assert (saved.key, saved.name, saved.criteria) == ("of-warszawa", "Of Oslo", lives_in("Oslo"))
    assert saved.updated_at == NOW + HOUR
    entry = AuditEntry.objects.get(action="saved_criteria.updated")
    assert set(entry.changes) == {"name", "criteria"}
    with pytest.raises(InputInvalid):
        update_saved_criteria(saved, actor=SYSTEM, at=NOW, name="")
    with pytest.raises(TypeError):
        update_saved_criteria(saved, actor=SYSTEM, at=NOW, key="other")


def test_what_is_deleted_is_gone_and_told() -> None:
    saved = save()
    delete_saved_criteria(saved, actor=SYSTEM, at=NOW)
    assert not SavedCriteria.objects.exists()
    assert AuditEntry.objects.filter(action="saved_criteria.deleted").exists()
    with pytest.raises(SavedCriteriaUnknown):
        delete_saved_criteria(saved, actor=SYSTEM, at=NOW)


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_each_verb_needs_its_permission(verb: str) -> None:
    saved = save()
    without = person(permissions=ALL - {f"segments.{verb}_savedcriteria"})
    doing: dict[str, Callable[[], object]] = {
        "add": lambda: save(actor=without),
        "change": lambda: update_saved_criteria(saved, actor=without, at=NOW, name="x"),
        "delete": lambda: delete_saved_criteria(saved, actor=without, at=NOW),
    }
    with pytest.raises(NotAllowed):
        doing[verb]()


def test_people_of_other_groups_do_not_know_of_them(poland: Group) -> None:
    saved = save(groups=["Poland"])
    insider, outsider = person(poland), person()
    assert list(known_saved_criteria(insider)) == [saved]
    assert list(known_saved_criteria(outsider)) == []
    assert find_saved_criteria("of-warszawa", actor=insider) == saved
    verbs: tuple[Callable[[], object], ...] = (
        lambda: find_saved_criteria("of-warszawa", actor=outsider),
        lambda: update_saved_criteria(saved, actor=outsider, at=NOW, name="x"),
        lambda: delete_saved_criteria(saved, actor=outsider, at=NOW),
    )
    for verb in verbs:
        with pytest.raises(SavedCriteriaUnknown):
            verb()


def test_a_group_is_chosen_where_segments_have_one(poland: Group) -> None:
    with pytest.raises(InputInvalid, match="user group"):
        save(actor=person(poland))
    saved = save(actor=person(poland), groups=["Poland"])
    assert saved.key == "poland-of-warszawa", "a number at its end would tell of others"


def test_a_segment_that_the_author_may_not_know_of_is_refused(poland: Group) -> None:
    make_segment("secret", groups=["Poland"])
    with pytest.raises(CriteriaRefused) as refused:
        save(is_in("secret"), actor=person())
    assert [problem.code for problem in refused.value.criteria_problems] == ["unknown_key"]


def test_what_is_masked_stays_when_somebody_else_changes_the_name(poland: Group) -> None:
    make_segment("secret", groups=["Poland"])
    saved = save(is_in("secret"), groups=["Poland"])
    saved.groups.clear()
    shown = is_in("hidden:1")
    update_saved_criteria(saved, actor=person(), at=NOW, name="Other", criteria=shown)
    saved.refresh_from_db()
    assert (saved.name, saved.criteria) == ("Other", is_in("secret"))
    changed = {"combinator": "or", "rules": shown["rules"]}
    with pytest.raises(CriteriaRefused):
        update_saved_criteria(saved, actor=person(), at=NOW, criteria=changed)


def test_they_count_as_uses_of_the_segments_that_they_name(poland: Group) -> None:
    base = make_segment("base", groups=["Poland"])
    save(is_in("base"), name="Open", groups=["Poland"]).groups.clear()
    save(is_in("base"), name="Of Poland", groups=["Poland"])
    save(name="Nothing", groups=["Poland"])
    assert [saved.name for saved in saved_criteria.naming("base")] == ["Of Poland", "Open"]
    assert [use.name for use in uses_of(base, actor=SYSTEM)] == ["Of Poland", "Open"]
    told = uses_of(base, actor=person())
    assert [use.is_hidden for use in told] == [False, True]
    assert "Poland" not in str(told)


def test_a_tag_that_they_name_is_not_deleted(poland: Group) -> None:
    Tag.objects.create(key="vip", label="VIP")
    rule = {"field": "tag", "operator": "in", "value": ["vip"]}
    save({"combinator": "and", "rules": [rule]}, groups=["Poland"], name="Secret plan")
    with pytest.raises(DefinitionInUse) as refused:
        delete_definition(Kind.TAG, "vip", actor=person(), at=NOW)
    assert "Secret plan" not in str(refused.value)
    assert "saved criteria of another group" in str(refused.value)
