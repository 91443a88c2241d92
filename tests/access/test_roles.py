"""What each role may do with segments: on the screen and over HTTP, the button and the deed."""

import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.test import Client
from django.urls import reverse

from segments.models import Segment
from tests.segments.factories import NOW, make_contacts, make_segment, refresh
from workspace.access import SCOPES
from workspace.models import User
from workspace.roles import create_staff

pytestmark = pytest.mark.django_db

_ALL = ("view", "add", "change", "refresh", "inactivate", "archive", "export", "run_actions")
_MAY = {
    "marketer": set(_ALL),
    "loyalty_manager": set(_ALL),
    "analyst": {"view", "export"},
    "integrator": {"view"},
    "administrator": set(_ALL),
}
# The name of a button on the page of a segment, and what one needs to press it.
_BUTTONS = {
    "refresh_now": "refresh",
    "copy": "add",
    "set_inactive": "inactivate",
    "set_active": "inactivate",
    "archive": "archive",
}
_BODY = {"name": "Mine", "criteria": {"combinator": "and", "rules": []}}
# (method, address under the segment, body, what one needs).
_DEEDS: tuple[tuple[str, str, Any, str], ...] = (
    ("get", "", None, "view"),
    ("get", "members/", None, "view"),
    ("patch", "", {"description": "x"}, "change"),
    ("post", "refresh/", {}, "refresh"),
    ("post", "inactivate/", {}, "inactivate"),
    ("post", "activate/", {}, "inactivate"),
    ("post", "archive/", {}, "archive"),
    ("post", "copy/", {}, "add"),
    ("post", "actions/", {"kind": "add_tag", "key": "vip", "when": "now"}, "run_actions"),
)


@pytest.fixture(autouse=True)
def static_files(settings: Any) -> None:
    """Pages name static files as they lie in the checkout."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    place = f"{StaticFilesStorage.__module__}.{StaticFilesStorage.__name__}"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": place}}


@pytest.fixture
def segments() -> dict[str, Segment]:
    """An active segment, and one out of use."""
    make_contacts("Warszawa")
    active, inactive = make_segment("active"), make_segment("inactive")
    refresh(active, as_of=NOW)
    Segment.objects.filter(pk=inactive.pk).update(status=Segment.Status.INACTIVE)
    return {"active": active, "inactive": Segment.objects.get(pk=inactive.pk)}


def _somebody(role: str) -> Client:
    person = create_staff(username=role, password="pass word 1", role=role)
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(pk=person.pk), "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("role", _MAY)
def test_a_role_is_offered_its_buttons_and_refused_the_others(
    segments: dict[str, Segment], role: str
) -> None:
    client, may = _somebody(role), _MAY[role]
    offered = set[str]()
    for segment in segments.values():
        page = client.get(reverse("admin:segments_segment_change", args=[segment.pk]))
        offered |= set(re.findall(r'data-opens="dialog-(\w+)"', page.content.decode()))
    # The form has its own way to refresh; the button is in the rows of the list.
    assert {name for name in _BUTTONS if name in offered} == {
        name for name, verb in _BUTTONS.items() if verb in may and name != "refresh_now"
    }
    for name, verb in _BUTTONS.items():
        address = reverse("admin:segments_segment_action", args=[segments["active"].pk, name])
        if verb not in may:
            assert client.post(address).status_code == 403, name
    listed = client.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert (reverse("admin:segments_segment_add") in listed) is ("add" in may)
    refreshing = reverse(
        "admin:segments_segment_action", args=[segments["active"].pk, "refresh_now"]
    )
    assert (refreshing in listed) is ("refresh" in may)
    for place, verb in (("add", "add"), ("export", "export"), ("actions", "run_actions")):
        args = [] if place == "add" else [segments["active"].pk]
        address = reverse(f"admin:segments_segment_{place}", args=args)
        status = client.post(address, {}).status_code
        assert (status == 403) is (verb not in may), (place, status)
    assert Segment.objects.filter(status="archived").count() == 0


@pytest.mark.parametrize("role", _MAY)
def test_a_role_does_the_same_over_http(segments: dict[str, Segment], role: str) -> None:
    client, may = _somebody(role), _MAY[role]
    for method, place, body, verb in _DEEDS:
        address = f"/api/segments/active/{place}"
        sent: dict[str, Any] = {} if body is None else {"data": body}
        answer = getattr(client, method)(address, content_type="application/json", **sent)
        assert (answer.status_code == 403) is (verb not in may), (method, place, answer.content)
    made = client.post("/api/segments/", _BODY, content_type="application/json")
    assert made.status_code == (201 if "add" in may else 403)
    exported = client.post("/api/exports/", {"segment": "active"}, content_type="application/json")
    assert (exported.status_code == 403) is ("export" not in may)
    assert client.delete("/api/segments/active/").status_code == 405


def test_the_scopes_of_a_program_are_the_rooms_of_roles() -> None:
    rooms = {scope.partition(":")[0] for scope in SCOPES}
    assert {"contacts", "segments", "loyalty", "journeys", "integrations", "workspace"} == rooms
    assert Group.objects.filter(settings__is_ready=True).count() == len(_MAY)
