"""Buttons act by POST only, after a dialog that says what will happen, with their permission."""

import re

import pytest
from django.contrib import admin as django_admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from segments import lifecycle
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.admin.workspace import furnish, some_job
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.admin import ObjectActionsAdmin
from workspace.models import ApiUser, AuditEntry, Job


def _button(name: str, segment: Segment) -> str:
    return reverse("admin:segments_segment_action", args=[segment.pk, name])


def _dialog(page: str, name: str) -> str:
    found = re.search(rf'<dialog[^>]*id="dialog-{name}".*?</dialog>', page, re.DOTALL)
    assert found, f"there is no dialog {name}"
    return found[0]


def _press(client: Client, segment: Segment, name: str) -> str:
    """Open the page, find the dialog, send its own form; what the next page says."""
    page = client.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    form = _dialog(page, name)
    address = re.search(r'action="([^"]+)"', form)
    assert address
    return client.post(address[1], follow=True).content.decode()


def test_every_button_of_every_screen_refuses_get(admin: Client) -> None:
    furnish(1)
    tried = 0
    for model, screen in django_admin.site._registry.items():
        thing = model._default_manager.order_by("pk").first()
        if not isinstance(screen, ObjectActionsAdmin) or thing is None:
            continue
        for name in screen.object_actions():
            room = f"admin:{model._meta.app_label}_{model._meta.model_name}_action"
            assert admin.get(reverse(room, args=[thing.pk, name])).status_code == 405
            tried += 1
    assert tried >= 7


def test_the_views_that_write_refuse_get(admin: Client) -> None:
    furnish(1)
    for name, args in (
        ("contacts_contact_consent", [1]),
        ("contacts_contact_label", [1, "tags", "add"]),
        ("segments_preview", []),
    ):
        assert admin.get(reverse(f"admin:{name}", args=args)).status_code == 405


def test_a_button_needs_the_token_of_its_page(admin: Client) -> None:
    segment = make_segment()
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = admin.cookies
    assert careful.post(_button("set_inactive", segment)).status_code == 403
    segment.refresh_from_db()
    assert segment.status == Segment.Status.ACTIVE


def test_dialogs_say_what_will_happen(admin: Client) -> None:
    make_contacts("Warszawa", "Warszawa")
    segment = make_segment(name="Poles")
    refresh(segment)
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "Its 2" in _dialog(page, "set_inactive")
    lifecycle.inactivate(segment, actor=SYSTEM, at=timezone.now())
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "All 2 members leave “Poles”" in _dialog(page, "archive")
    assert "cannot be undone" in _dialog(page, "archive")


def test_refresh_now_queues_a_job(admin: Client) -> None:
    segment = make_segment()
    Job.objects.all().delete()
    page = admin.post(_button("refresh_now", segment), follow=True).content.decode()
    assert "is being refreshed" in page
    assert Job.objects.get(kind="segments.refresh").subject == f"segment:{segment.pk}"


def test_a_segment_goes_from_active_to_inactive_to_archived(admin: Client) -> None:
    segment = make_segment(name="Poles")
    assert "“Poles” is inactive" in _press(admin, segment, "set_inactive")
    assert "“Poles” is archived" in _press(admin, segment, "archive")
    segment.refresh_from_db()
    assert segment.status == Segment.Status.ARCHIVED
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "dialog-archive" not in page
    assert "dialog-set_active" not in page


def test_an_active_segment_is_not_archived_even_by_a_forged_post(admin: Client) -> None:
    segment = make_segment()
    page = admin.post(_button("archive", segment), follow=True).content.decode()
    assert "Inactivate it first" in page
    segment.refresh_from_db()
    assert segment.status == Segment.Status.ACTIVE


def test_copy_leads_to_the_copy(admin: Client) -> None:
    segment = make_segment(name="Poles")
    page = _press(admin, segment, "copy")
    assert Segment.objects.filter(name="Poles (copy)").exists()
    assert "Poles (copy)" in page


@pytest.mark.parametrize("name", ["refresh_now", "set_inactive", "archive", "copy"])
def test_a_button_without_its_permission_is_neither_shown_nor_obeyed(
    make_person: MakePerson, name: str
) -> None:
    segment = make_segment()
    onlooker = make_person("segments.view_segment")
    page = onlooker.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    assert f"dialog-{name}" not in page.content.decode()
    assert onlooker.post(_button(name, segment)).status_code == 403


def test_an_unknown_button_is_not_found(admin: Client) -> None:
    assert admin.post(_button("get_queryset", make_segment())).status_code == 404


def test_a_job_is_cancelled_from_its_page(admin: Client) -> None:
    furnish(1)
    job = some_job()
    address = reverse("admin:workspace_job_action", args=[job.pk, "cancel_job"])
    assert (
        address in admin.get(reverse("admin:workspace_job_change", args=[job.pk])).content.decode()
    )
    page = admin.post(address, follow=True).content.decode()
    assert "was cancelled" in page
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def test_a_new_key_is_shown_once_and_only_its_hash_is_kept(admin: Client) -> None:
    given = {
        "name": "Shop",
        "requests_per_minute": 60,
        "scopes": ["contacts:read"],
        "enabled": "on",
    }
    page = admin.post(reverse("admin:workspace_apiuser_add"), given)
    key = re.search(r"regulars_[0-9a-z]{12}_[\w-]{43}", page.content.decode())
    assert key, page.content.decode()
    assert "no-store" in page["Cache-Control"]
    program = ApiUser.objects.get()
    assert program.scopes == ["contacts:read"]
    later = admin.get(reverse("admin:workspace_apiuser_change", args=[program.pk]))
    assert key[0] not in later.content.decode()
    told = " ".join(str(entry.changes) for entry in AuditEntry.objects.all())
    assert key[0] not in told


def test_renewing_a_key_makes_the_old_one_worthless(admin: Client) -> None:
    furnish(1)
    program = ApiUser.objects.get()
    address = reverse("admin:workspace_apiuser_action", args=[program.pk, "new_key"])
    page = admin.post(address).content.decode()
    before = program.key_hash
    program.refresh_from_db()
    assert program.key_hash != before
    assert program.prefix in page


def test_disabling_an_api_user_is_told_in_the_trail(admin: Client) -> None:
    furnish(1)
    program = ApiUser.objects.get()
    address = reverse("admin:workspace_apiuser_change", args=[program.pk])
    given = {"name": program.name, "requests_per_minute": 600, "scopes": program.scopes}
    admin.post(address, given)
    program.refresh_from_db()
    assert not program.enabled
    entry = AuditEntry.objects.filter(action="apiuser.changed").get()
    assert entry.changes["enabled"] == [True, False]
