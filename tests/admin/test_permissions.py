"""Who may see what: rooms by permission, segments by user group, jobs by who started them."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from segments import exports, membership
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM, actor_of_user
from workspace.models import ApiUser, User

ALL_OF_SEGMENTS = (
    "segments.view_segment",
    "segments.add_segment",
    "segments.change_segment",
    "segments.refresh_segment",
    "segments.inactivate_segment",
    "segments.archive_segment",
    "segments.export_segment",
    "segments.view_export",
    "contacts.view_contact",
)
PAGES = ("change", "members", "history", "changes", "versions", "explain", "export")


@pytest.fixture
def theirs(scoped_group: Group) -> Segment:
    """A segment of a group to which nobody in these tests belongs."""
    [contact_id] = make_contacts("Warszawa")
    assert contact_id
    segment = make_segment("secret", name="Secret plan", groups=["Poland"])
    refresh(segment)
    return segment


@pytest.mark.parametrize("page", PAGES)
def test_a_segment_outside_ones_groups_is_not_found(
    make_person: MakePerson, theirs: Segment, page: str
) -> None:
    outsider = make_person(*ALL_OF_SEGMENTS)
    address = reverse(f"admin:segments_segment_{page}", args=[theirs.pk])
    answer = outsider.get(address)
    # The theme leads from the form of what is not there to the first page, without its name.
    assert answer.status_code == 404
    assert "Secret plan" not in answer.content.decode()


@pytest.mark.parametrize("button", ["refresh_now", "copy", "set_inactive", "archive"])
def test_its_buttons_are_not_found_either(
    make_person: MakePerson, theirs: Segment, button: str
) -> None:
    outsider = make_person(*ALL_OF_SEGMENTS)
    address = reverse("admin:segments_segment_action", args=[theirs.pk, button])
    assert outsider.post(address).status_code == 404
    theirs.refresh_from_db()
    assert theirs.status == Segment.Status.ACTIVE


def test_nothing_betrays_it(make_person: MakePerson, theirs: Segment) -> None:
    outsider = make_person(*ALL_OF_SEGMENTS)
    [contact_id] = [m.contact_id for m in theirs.membership_set.all()]
    for address in (
        reverse("admin:index"),
        reverse("admin:segments_segment_changelist"),
        reverse("admin:contacts_contact_changelist"),
        reverse("admin:contacts_contact_change", args=[contact_id]),
    ):
        page = outsider.get(address).content.decode()
        assert "Secret plan" not in page, address
        assert "secret" not in page.replace("secrets", ""), address
    counts = outsider.get(reverse("admin:segments_segment_changelist")).context["section_tabs"]
    assert {tab["count"] for tab in counts} == {"0"}


def test_it_is_no_filter_of_contacts(make_person: MakePerson, theirs: Segment) -> None:
    outsider = make_person(*ALL_OF_SEGMENTS)
    answer = outsider.get(reverse("admin:contacts_contact_changelist"), {"segment": "secret"})
    assert answer.context["cl"].result_count == 0


def test_the_preview_does_not_know_it(make_person: MakePerson, theirs: Segment) -> None:
    outsider = make_person(*ALL_OF_SEGMENTS)
    asked = '{"combinator":"and","rules":[{"field":"segment","operator":"in","value":["secret"]}]}'
    found = outsider.post(reverse("admin:segments_preview"), {"criteria": asked}).json()
    assert [problem["code"] for problem in found["problems"]] == ["unknown_key"]


def test_people_of_the_group_see_it(
    make_person: MakePerson, theirs: Segment, scoped_group: Group
) -> None:
    insider = make_person(*ALL_OF_SEGMENTS, groups=(scoped_group,))
    for page in PAGES:
        address = reverse(f"admin:segments_segment_{page}", args=[theirs.pk])
        assert insider.get(address).status_code == 200, page


def test_a_scoped_segment_needs_a_group_that_one_may_choose(
    make_person: MakePerson, scoped_group: Group
) -> None:
    other = Group.objects.create(name="Germany")
    writer = make_person(*ALL_OF_SEGMENTS, groups=(other,))
    given = {"name": "New", "refresh_mode": "once", "criteria": '{"combinator":"and","rules":[]}'}
    address = reverse("admin:segments_segment_add")
    assert writer.post(address, given).status_code == 200
    assert writer.post(address, {**given, "groups": ["Poland"]}).status_code == 200
    assert not Segment.objects.exists()
    assert writer.post(address, {**given, "groups": ["Germany"]}).status_code == 302
    assert [group.name for group in Segment.objects.get().groups.all()] == ["Germany"]


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("contacts_contact", "contacts.view_contact"),
        ("contacts_tag", "contacts.view_tag"),
        ("contacts_eventdefinition", "contacts.view_eventdefinition"),
        ("segments_segment", "segments.view_segment"),
        ("workspace_apiuser", "workspace.view_apiuser"),
        ("workspace_auditentry", "workspace.view_auditentry"),
        ("workspace_user", "workspace.view_user"),
    ],
)
def test_a_room_needs_its_permission_and_is_in_the_menu_with_it_only(
    make_person: MakePerson, name: str, permission: str
) -> None:
    address = reverse(f"admin:{name}_changelist")
    without, with_it = make_person(), make_person(permission)
    assert without.get(address).status_code == 403
    assert address not in without.get(reverse("admin:index")).content.decode()
    assert with_it.get(address).status_code == 200
    assert address in with_it.get(reverse("admin:index")).content.decode()


def test_an_onlooker_neither_writes_contacts_nor_is_offered_to(make_person: MakePerson) -> None:
    [contact_id] = make_contacts("Warszawa")
    onlooker = make_person("contacts.view_contact")
    page = onlooker.get(reverse("admin:contacts_contact_change", args=[contact_id]))
    edit = reverse("admin:contacts_contact_edit", args=[contact_id])
    assert edit not in page.content.decode()
    assert onlooker.get(edit).status_code == 403
    assert onlooker.get(reverse("admin:contacts_contact_add")).status_code == 403
    for name, args in (("consent", [contact_id]), ("label", [contact_id, "tags", "add"])):
        address = reverse(f"admin:contacts_contact_{name}", args=args)
        assert onlooker.post(address).status_code == 403


def test_the_form_of_a_segment_is_not_for_onlookers(make_person: MakePerson) -> None:
    segment = make_segment(name="Poles")
    onlooker = make_person("segments.view_segment")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    assert (
        'type="submit" class="rg-button rg-primary">Save'
        not in onlooker.get(address).content.decode()
    )
    given = {"name": "Mine", "refresh_mode": "once", "criteria": "{}"}
    assert onlooker.post(address, given).status_code == 403


def test_samples_and_members_are_nameless_without_a_look_at_contacts(
    make_person: MakePerson,
) -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    onlooker = make_person("segments.view_segment")
    asked = {"criteria": '{"combinator":"and","rules":[]}'}
    found = onlooker.post(reverse("admin:segments_preview"), asked).json()
    assert found["count"] == "1"
    assert found["sample"] == []
    explain = reverse("admin:segments_segment_explain", args=[segment.pk])
    assert onlooker.get(explain).status_code == 403


def test_jobs_of_others_are_not_found(make_person: MakePerson) -> None:
    mine = make_person()
    me = User.objects.get(username="person1")
    own = jobs.start(membership.REFRESH_JOB, title="Own", actor=actor_of_user(me))
    other = jobs.start(membership.REFRESH_JOB, title="Other", actor=SYSTEM)
    page = mine.get(reverse("admin:workspace_job_changelist")).content.decode()
    assert "Own" in page
    assert "Other" not in page
    assert mine.get(reverse("admin:workspace_job_change", args=[own.pk])).status_code == 200
    for name in ("workspace_job_change", "workspace_job_progress"):
        assert mine.get(reverse(f"admin:{name}", args=[other.pk])).status_code == 404
    address = reverse("admin:workspace_job_action", args=[other.pk, "cancel_job"])
    assert mine.post(address).status_code == 404


def test_exports_of_others_are_not_found(make_person: MakePerson) -> None:
    export = exports.request_export(actor=SYSTEM, at=timezone.now())
    person = make_person("segments.view_export", "segments.export_segment")
    address = reverse("admin:segments_export_download", args=[export.token])
    assert person.get(address).status_code == 404


def test_only_administrators_read_the_mail_outbox(make_person: MakePerson, admin: Client) -> None:
    assert make_person("workspace.view_user").get(reverse("mail_outbox")).status_code == 403
    assert admin.get(reverse("mail_outbox")).status_code == 200


def test_nobody_gives_a_program_groups_that_are_not_his(make_person: MakePerson) -> None:
    mine, other = Group.objects.create(name="Mine"), Group.objects.create(name="Other")
    person = make_person("workspace.view_apiuser", "workspace.add_apiuser", groups=(mine,))
    address = reverse("admin:workspace_apiuser_add")
    given = {"name": "Shop", "requests_per_minute": 60, "enabled": "on"}
    person.post(address, {**given, "groups": [other.pk]})
    assert not ApiUser.objects.exists()
    person.post(address, {**given, "groups": [mine.pk]})
    assert [group.name for group in ApiUser.objects.get().groups.all()] == ["Mine"]


def test_only_an_administrator_gives_permissions_to_a_role(make_person: MakePerson) -> None:
    role = Group.objects.create(name="Role")
    person = make_person("auth.view_group", "auth.change_group")
    wanted = Permission.objects.get(codename="archive_segment")
    given = {
        "name": "Renamed",
        "permissions": [wanted.pk],
        "settings-TOTAL_FORMS": "0",
        "settings-INITIAL_FORMS": "0",
    }
    person.post(reverse("admin:auth_group_change", args=[role.pk]), given)
    role.refresh_from_db()
    assert role.name == "Renamed"
    assert not role.permissions.exists()


def test_nobody_makes_himself_an_administrator(make_person: MakePerson) -> None:
    person = make_person("workspace.view_user", "workspace.change_user")
    me = User.objects.get(username="person1")
    address = reverse("admin:workspace_user_change", args=[me.pk])
    person.post(address, {"username": "person1", "is_active": "on", "is_superuser": "on"})
    me.refresh_from_db()
    assert not me.is_superuser
