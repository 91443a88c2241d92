"""Who may see and choose what."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.test import RequestFactory

from segments.models import Segment
from workspace import access
from workspace.access import Actor, actor_of, actor_of_api_user, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import ApiUser, Job, User, UserGroup

pytestmark = pytest.mark.django_db


def _group(name: str, *, is_role: bool = False, entities: tuple[str, ...] = ()) -> Group:
    group = Group.objects.create(name=name)
    UserGroup.objects.create(group=group, is_role=is_role, entities=list(entities))
    return group


def _person(name: str, *groups: Group) -> Actor:
    user = User.objects.create_user(name, password=None, is_staff=True)
    user.groups.set(groups)
    return actor_of_user(user)


def _segment(key: str, *groups: Group) -> Segment:
    segment = Segment.objects.create(key=key, name=key)
    segment.groups.set(groups)
    return segment


def _keys(actor: Actor) -> set[str]:
    return set(access.visible(Segment.objects.all(), actor).values_list("key", flat=True))


def test_people_see_what_is_theirs_and_what_is_nobodys() -> None:
    poland, france = _group("Poland"), _group("France")
    for segment in (_segment("pl", poland), _segment("fr", france), _segment("all")):
        assert segment.pk
    both = _segment("both", poland, france)
    admin = actor_of_user(User.objects.create_superuser("root"))
    anna, outsider = _person("anna", poland), _person("otto")
    assert _keys(anna) == {"pl", "both", "all"}
    assert _keys(outsider) == {"all"}
    assert _keys(admin) == {"pl", "fr", "all", "both"}
    assert access.is_visible(both, anna)
    assert not access.is_visible(both, outsider)


def test_programs_see_by_their_groups_too() -> None:
    poland = _group("Poland")
    _segment("pl", poland)
    program = ApiUser.objects.create(name="shop", prefix="a", key_hash="b")
    assert _keys(actor_of_api_user(program)) == set()
    program.groups.add(poland)
    assert _keys(actor_of_api_user(program)) == {"pl"}


def test_a_role_is_no_user_group() -> None:
    poland, role = _group("Poland"), _group("Callers", is_role=True)
    anna = _person("anna", poland, role)
    assert list(access.choosable_groups(anna)) == [poland]
    bare = Group.objects.create(name="Without settings")
    admin = actor_of_user(User.objects.create_superuser("root"))
    assert list(access.choosable_groups(admin)) == [poland, bare]


def test_a_group_is_required_once_a_user_group_says_so() -> None:
    assert not access.group_required(UserGroup.Entity.SEGMENT)
    _group("Poland", entities=("segment",))
    assert access.group_required(UserGroup.Entity.SEGMENT)
    assert not access.group_required(UserGroup.Entity.EXPORT)


def test_scopes_of_a_program_stand_for_permissions() -> None:
    program = ApiUser.objects.create(
        name="shop", prefix="a", key_hash="b", scopes=["segments:read"]
    )
    actor = actor_of_api_user(program)
    assert actor.may("segments.view_segment")
    assert not actor.may("segments.change_segment")
    assert not actor.may("contacts.view_contact")
    with pytest.raises(NotAllowed, match=r"segments\.archive_segment"):
        access.require(actor, "segments.archive_segment")


def test_permissions_of_a_person_come_from_roles() -> None:
    role = _group("Callers", is_role=True)
    role.permissions.add(Permission.objects.get(codename="view_segment"))
    actor = _person("anna", role)
    assert actor.may("segments.view_segment")
    assert not actor.may("segments.refresh_segment")


def test_nobody_is_no_actor() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    with pytest.raises(NotAllowed, match="Log in"):
        actor_of(request)
    request.user = User(username="left", is_active=False)
    with pytest.raises(NotAllowed, match="closed"):
        actor_of(request)


def test_a_few_jobs_are_seen_by_the_same_rule_as_all() -> None:
    poland = _group("Poland")
    pl, open_ = _segment("pl", poland), _segment("open")
    people = [_person("anna", poland), _person("otto")]
    curious = User.objects.create_user("curious")
    curious.user_permissions.add(Permission.objects.get(codename="view_job"))
    actors = [*people, actor_of_user(curious), access.SYSTEM]
    for owner in User.objects.all():
        for subject in (f"segment:{pl.pk}", f"segment:{open_.pk}", "segment:99999", "other:1", ""):
            Job.objects.create(kind="k", title="t", subject=subject, user=owner)
    jobs = list(Job.objects.order_by("pk"))
    for actor in actors:
        few = [job.pk for job in access.visible_among(jobs, actor)]
        assert few == list(access.visible_jobs(actor).order_by("pk").values_list("pk", flat=True))
