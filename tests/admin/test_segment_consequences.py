"""Before a segment is taken away, its page says what uses it and how many lose what."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments import lifecycle
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, is_in, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
_SEES_AND_TURNS = (
    "segments.view_segment",
    "segments.inactivate_segment",
    "segments.archive_segment",
)


def _dialog(client: Client, segment: Segment, name: str) -> Any:
    page = client.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    (button,) = (found for found in page.context["buttons"] if found["name"] == name)
    assert str(button["affects"].text) in page.content.decode()
    return button["affects"]


def _act(client: Client, segment: Segment, name: str) -> None:
    client.post(reverse("admin:segments_segment_action", args=[segment.pk, name]))


@pytest.fixture
def base() -> Segment:
    make_contacts("Warszawa", "Warszawa", "Kraków")
    segment = make_segment("base", lives_in("Warszawa", "Kraków"))
    refresh(segment)
    return segment


def test_nothing_that_uses_it_is_said_too(admin: Client, base: Segment) -> None:
    affects = _dialog(admin, base, "set_inactive")
    assert (affects.text, list(affects.things)) == ("Nothing uses it.", [])


def test_inactivating_names_what_goes_on_with_its_last_members(
    admin: Client, base: Segment
) -> None:
    above = make_segment("above", is_in("base"), name="Above")
    affects = _dialog(admin, base, "set_inactive")
    assert affects.text == "1 thing uses it, and goes on with its last members:"
    (line,) = affects.things
    page = reverse("admin:segments_segment_change", args=[above.pk])
    assert (line.label, line.name, line.url, line.note) == ("Segment", "Above", page, "active")


def test_archiving_says_how_many_lose_what(admin: Client, base: Segment) -> None:
    above = make_segment("above", {"combinator": "and", "rules": [*is_in("base")["rules"]]})
    refresh(above)
    make_segment("later", is_in("base"), name="Later")
    lifecycle.inactivate(base, actor=SYSTEM, at=NOW)
    page = admin.get(reverse("admin:segments_segment_change", args=[base.pk])).content.decode()
    assert "All 3 members leave “Base”" in page
    affects = _dialog(admin, base, "archive")
    assert affects.text == "2 things use it, and find nobody in it from then on:"
    assert [line.note for line in affects.things] == [
        "3 contacts are in both, and may leave it at its next refresh",
        "0 contacts are in both, and may leave it at its next refresh",
    ]
    _act(admin, base, "archive")
    base.refresh_from_db()
    assert (base.status, base.member_count) == ("archived", 0)


def test_what_one_may_not_see_is_counted_only(
    make_person: MakePerson, base: Segment, scoped_group: Group
) -> None:
    Segment.objects.filter(pk=base.pk).update(status="inactive")
    make_segment("secret", is_in("base"), name="Secret", groups=["Poland"])
    outsider = make_person(*_SEES_AND_TURNS)
    affects = _dialog(outsider, base, "archive")
    (line,) = affects.things
    assert (line.name, line.url, line.note) == ("1 that you may not see", "", "")
    page = outsider.get(reverse("admin:segments_segment_change", args=[base.pk]))
    assert "Secret" not in page.content.decode()


def test_only_an_inactive_one_is_archived_and_nothing_deletes_one(
    admin: Client, base: Segment
) -> None:
    page = admin.get(reverse("admin:segments_segment_change", args=[base.pk]))
    assert "archive" not in [button["name"] for button in page.context["buttons"]]
    _act(admin, base, "archive")
    base.refresh_from_db()
    assert base.status == "active"
    delete = reverse("admin:segments_segment_delete", args=[base.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 403
    listed = reverse("admin:segments_segment_changelist")
    admin.post(listed, {"action": "delete_selected", "_selected_action": [base.pk], "post": "yes"})
    assert Segment.objects.filter(pk=base.pk).exists()


def test_an_archived_one_offers_nothing_but_a_copy(admin: Client, base: Segment) -> None:
    lifecycle.inactivate(base, actor=SYSTEM, at=NOW)
    lifecycle.archive(base, actor=SYSTEM, at=NOW)
    page = admin.get(reverse("admin:segments_segment_change", args=[base.pk]))
    assert [button["name"] for button in page.context["buttons"]] == ["copy"]
    for name in ("set_active", "refresh_now", "archive", "set_inactive"):
        _act(admin, base, name)
    base.refresh_from_db()
    assert (base.status, base.refresh_requested_at) == ("archived", None)


def test_a_waiting_calculation_is_cancelled_from_its_page(admin: Client) -> None:
    segment = make_segment("waiting")
    _act(admin, segment, "cancel_calculation")
    segment.refresh_from_db()
    assert segment.refresh_requested_at is None
    page = admin.get(reverse("admin:segments_segment_change", args=[segment.pk])).content.decode()
    assert "cancelled" in page
