"""What belongs to user groups, and what becomes of it when a group is deleted."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction

from segments.models import Segment
from tests.segments.factories import NOW, make_segment
from workspace import access, roles, user_groups
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User, UserGroup
from workspace.user_groups import Entity, GroupInUse, RoleStays

pytestmark = pytest.mark.django_db


def _group(name: str, *entities: str) -> Group:
    group = Group.objects.create(name=name)
    UserGroup.objects.create(group=group, entities=list(entities))
    return group


def _member(*groups: Group) -> Actor:
    user = User.objects.create_user(f"person{User.objects.count()}")
    user.groups.set(groups)
    return actor_of_user(user)


def _names(segment: Segment) -> list[str]:
    return sorted(group.name for group in segment.groups.all())


def _check_now() -> None:
    """Ask the database what it would ask at the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_what_belongs_to_a_group_is_counted_as_far_as_one_may_know() -> None:
    poland, france = _group("Poland"), _group("France")
    make_segment("pl", groups=["Poland"])
    make_segment("both", groups=["Poland", "France"])
    make_segment("open")
    [held] = user_groups.holdings(poland, actor=SYSTEM)
    assert (held.label, held.count, held.alone) == ("segments", 2, 1)
    [seen] = user_groups.holdings(poland, actor=_member(france))
    assert (seen.count, seen.alone) == (1, 0)
    assert user_groups.holdings(_group("Empty"), actor=SYSTEM) == []


def test_a_group_to_which_things_belong_is_deleted_only_with_an_heir() -> None:
    poland, france = _group("Poland"), _group("France")
    alone = make_segment("pl", groups=["Poland"])
    both = make_segment("both", groups=["Poland", "France"])
    with pytest.raises(GroupInUse, match="2 segments belong to “Poland”"):
        user_groups.delete_group(poland, actor=SYSTEM, at=NOW)
    user_groups.delete_group(poland, actor=SYSTEM, at=NOW, heir=france)
    _check_now()
    assert (_names(alone), _names(both)) == (["France"], ["France"])
    told = list(AuditEntry.objects.filter(action__startswith="group.").order_by("pk"))
    assert [entry.action for entry in told] == ["group.handed_over", "group.deleted"]
    assert told[0].changes == {"handed_over_to": [None, "France"], "things": [None, 2]}


def test_things_go_to_no_role_and_not_to_the_group_that_is_deleted() -> None:
    poland = _group("Poland")
    make_segment("pl", groups=["Poland"])
    marketer = Group.objects.get(name="Marketer")
    for heir in (marketer, poland):
        with pytest.raises(GroupInUse):
            user_groups.delete_group(poland, actor=SYSTEM, at=NOW, heir=heir)
    assert Group.objects.filter(pk=poland.pk).exists()


def test_only_administrators_delete_groups_and_ready_roles_stay() -> None:
    poland = _group("Poland")
    with pytest.raises(NotAllowed):
        user_groups.delete_group(poland, actor=_member(poland), at=NOW)
    for role in roles.ROLES.values():
        group = Group.objects.get(name=role.name)
        with pytest.raises(RoleStays):
            user_groups.delete_group(group, actor=SYSTEM, at=NOW)
    user_groups.delete_group(poland, actor=SYSTEM, at=NOW)
    assert not Group.objects.filter(pk=poland.pk).exists()


def test_the_database_lets_no_segment_lose_its_last_group_with_the_group() -> None:
    poland, france = _group("Poland"), _group("France")
    alone = make_segment("pl", groups=["Poland"])
    both = make_segment("both", groups=["Poland", "France"])

    def delete() -> None:
        with transaction.atomic():
            Group.objects.filter(pk=poland.pk).delete()
            _check_now()

    with pytest.raises(IntegrityError, match="would be seen by everybody"):
        delete()
    alone.groups.set([france])
    delete()
    assert _names(both) == ["France"]


def test_things_without_a_group_are_counted_once_one_is_needed() -> None:
    make_segment("open")
    assert user_groups.lacking(Entity.SEGMENT) == 0
    _group("Poland", "segment")
    assert user_groups.lacking(Entity.SEGMENT) == 1
    make_segment("pl", groups=["Poland"])
    assert user_groups.lacking(Entity.SEGMENT) == 1


def test_roles_are_ready_after_every_migration() -> None:
    ready = Group.objects.filter(settings__is_ready=True)
    assert {group.name for group in ready} == {role.name for role in roles.ROLES.values()}
    assert not access.user_groups().filter(pk__in=ready).exists()
    marketer = Group.objects.get(name="Marketer")
    marketer.permissions.clear()
    UserGroup.objects.filter(group=marketer).delete()
    roles.make_ready()
    roles.make_ready()
    assert not marketer.permissions.exists(), "a group that somebody named so stays what it is"
    Group.objects.filter(name="Analyst").delete()
    assert len(roles.make_ready()) == 4
    assert Group.objects.get(name="Analyst").permissions.filter(codename="view_segment").exists()


_TABLE: dict[str, dict[str, bool]] = {
    "marketer": dict.fromkeys(
        ("view", "add", "change", "refresh", "inactivate", "archive", "export", "run_actions"), True
    ),
    "analyst": {"view": True, "export": True},
    "loyalty_manager": dict.fromkeys(
        ("view", "add", "change", "refresh", "inactivate", "archive", "export", "run_actions"), True
    ),
    "integrator": {"view": True},
}


@pytest.mark.parametrize("key", _TABLE)
def test_a_role_lets_people_do_with_segments_what_the_table_says(key: str) -> None:
    person = roles.create_staff(username="person", password="pass word 1", role=key)
    actor: Any = actor_of_user(User.objects.get(pk=person.pk))
    found = {verb: actor.may(f"segments.{verb}_segment") for verb in _TABLE["marketer"]}
    assert found == {verb: _TABLE[key].get(verb, False) for verb in found}
