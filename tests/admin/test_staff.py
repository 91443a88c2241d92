"""Staff with their roles and user groups, and the groups' own pages."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import make_segment
from workspace.models import AuditEntry, User, UserGroup
from workspace.roles import create_staff


@pytest.fixture
def mara(scoped_group: Group) -> User:
    """A marketer of the group Poland."""
    return create_staff(
        username="mara", password="pass word 1", role="marketer", groups=[scoped_group]
    )


def _page(client: Client, name: str, *args: Any) -> str:
    answer = client.get(reverse(f"admin:{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def _given(person: User, *roles: str, groups: tuple[Group, ...] = ()) -> dict[str, Any]:
    chosen = Group.objects.filter(name__in=roles)
    return {
        "username": person.username,
        "is_active": "on",
        "is_staff": "on",
        "roles": [group.pk for group in chosen],
        "user_groups": [group.pk for group in groups],
    }


def test_roles_and_groups_of_a_person_are_given_in_one_place(admin: Client, mara: User) -> None:
    france = Group.objects.create(name="France")
    address = reverse("admin:workspace_user_change", args=[mara.pk])
    assert "Looks at everything, changes nothing" in admin.get(address).content.decode()
    assert admin.post(address, _given(mara, "Analyst", groups=(france,))).status_code == 302
    assert {group.name for group in mara.groups.all()} == {"Analyst", "France"}
    entry = AuditEntry.objects.get(action="user.changed")
    assert entry.changes == {
        "roles": [["Marketer"], ["Analyst"]],
        "user_groups": [["Poland"], ["France"]],
    }


def test_the_role_administrator_makes_one_and_its_loss_unmakes_one(
    admin: Client, mara: User
) -> None:
    address = reverse("admin:workspace_user_change", args=[mara.pk])
    for role, is_admin in (("Administrator", True), ("Marketer", False)):
        admin.post(address, _given(mara, role))
        mara.refresh_from_db()
        assert mara.is_superuser is is_admin


def test_the_last_administrator_stays_one(admin: Client) -> None:
    root = User.objects.get(username="root")
    address = reverse("admin:workspace_user_change", args=[root.pk])
    page = admin.post(address, _given(root, "Marketer")).content.decode()
    assert "This is the last administrator" in page
    root.refresh_from_db()
    assert root.is_superuser


def test_nobody_but_an_administrator_gives_roles_and_groups(
    make_person: MakePerson, mara: User
) -> None:
    helper = make_person("workspace.view_user", "workspace.change_user")
    me = User.objects.get(username="person1")
    for person in (me, mara):
        address = reverse("admin:workspace_user_change", args=[person.pk])
        before = {group.name for group in person.groups.all()}
        assert helper.post(address, _given(person, "Administrator")).status_code == 302
        person.refresh_from_db()
        assert not person.is_superuser
        assert {group.name for group in person.groups.all()} == before


def test_what_a_person_may_see_and_do_stands_on_one_page(admin: Client, mara: User) -> None:
    make_segment("pl", groups=["Poland"])
    page = _page(admin, "workspace_user_access", mara.pk)
    plain = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Poland 1 segments" in plain
    assert "Of those of other groups this person learns nothing" in plain
    assert "Segments look at, add, change, refresh, set active and inactive" in plain
    assert "run actions" in plain
    assert "Marketer" in plain
    root = User.objects.get(username="root")
    assert "in every user group" in _page(admin, "workspace_user_access", root.pk)


def test_the_page_of_a_group_says_who_is_in_it_and_what_belongs_to_it(
    admin: Client, mara: User, scoped_group: Group
) -> None:
    make_segment("pl", groups=["Poland"])
    Segment.objects.create(key="open", name="Open")
    page = _page(admin, "auth_group_change", scoped_group.pk)
    assert reverse("admin:workspace_user_change", args=[mara.pk]) in page
    assert f"?group={scoped_group.pk}" in page
    assert "1 segment or saved criteria belongs to no user group" in page
    assert "every new segment needs a user group" in page


def test_the_links_of_a_groups_page_lead_to_its_segments(
    admin: Client, scoped_group: Group
) -> None:
    make_segment("pl", groups=["Poland"])
    Segment.objects.create(key="open", name="Open")
    address = reverse("admin:segments_segment_changelist")
    for query, keys in (
        ({"group": scoped_group.pk}, {"pl"}),
        ({"group": "none"}, {"open"}),
    ):
        found = admin.get(address, query).context["cl"].result_list
        assert {segment.key for segment in found} == keys


def test_a_switch_of_a_group_is_kept_and_written_down(admin: Client) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    given = {
        "name": "Poland",
        "settings-TOTAL_FORMS": "1",
        "settings-INITIAL_FORMS": "1",
        "settings-0-group": group.pk,
        "settings-0-scopes_segments": "on",
    }
    assert admin.post(reverse("admin:auth_group_change", args=[group.pk]), given).status_code == 302
    assert UserGroup.objects.get(group=group).entities == ["segment"]
    entry = AuditEntry.objects.get(action="group.changed")
    assert entry.changes == {"scopes_segments": [False, True]}


def test_a_group_to_which_things_belong_is_made_no_role(admin: Client, scoped_group: Group) -> None:
    make_segment("pl", groups=["Poland"])
    given = {
        "name": "Poland",
        "settings-TOTAL_FORMS": "1",
        "settings-INITIAL_FORMS": "1",
        "settings-0-group": scoped_group.pk,
        "settings-0-is_role": "on",
    }
    page = admin.post(reverse("admin:auth_group_change", args=[scoped_group.pk]), given)
    assert "none can belong to a role" in page.content.decode()
    assert not UserGroup.objects.get(group=scoped_group).is_role


def test_deleting_a_group_says_what_it_does_and_hands_over(
    admin: Client, mara: User, scoped_group: Group
) -> None:
    france = Group.objects.create(name="France")
    segment = make_segment("pl", groups=["Poland"])
    page = _page(admin, "auth_group_change", scoped_group.pk)
    assert "1 segments belong to “Poland”. Choose the group that gets them" in page
    address = reverse("admin:auth_group_action", args=[scoped_group.pk, "delete_group"])
    admin.post(address, {})
    assert Group.objects.filter(name="Poland").exists()
    admin.post(address, {"heir": france.pk})
    assert not Group.objects.filter(name="Poland").exists()
    assert list(segment.groups.all()) == [france]


def test_groups_are_deleted_by_administrators_and_by_that_button_only(
    admin: Client, make_person: MakePerson, scoped_group: Group
) -> None:
    helper = make_person("auth.view_group", "auth.change_group", "auth.delete_group")
    address = reverse("admin:auth_group_action", args=[scoped_group.pk, "delete_group"])
    assert helper.post(address, {}).status_code == 403
    for client in (admin, helper):
        usual = reverse("admin:auth_group_delete", args=[scoped_group.pk])
        assert client.post(usual, {"post": "yes"}).status_code == 403
    assert Group.objects.filter(pk=scoped_group.pk).exists()


def test_ready_roles_are_shown_and_stay_as_they_are(admin: Client) -> None:
    listed = _page(admin, "auth_group_changelist")
    for name in ("Marketer", "Analyst", "Loyalty manager", "Integrator", "Administrator"):
        assert name in listed
    marketer = Group.objects.get(name="Marketer")
    page = _page(admin, "auth_group_change", marketer.pk)
    assert "comes with the product" in page
    assert "run actions" in page
    address = reverse("admin:auth_group_change", args=[marketer.pk])
    assert admin.post(address, {"name": "Other"}).status_code == 403
