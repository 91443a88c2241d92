"""No page has a serious fault for people who read it otherwise; axe looks, in both themes."""

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page

from contacts.models import Contact, Tag
from segments import actions
from segments.models import Segment
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import UserGroup
from workspace.roles import create_staff

# Told by axe as of this weight: what keeps somebody from using the page.
_SERIOUS = {"serious", "critical"}


def _faults(page: Page) -> list[str]:
    """The serious faults of the page that is open, with the first places of each."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{fault['id']} ({fault['impact']}): "
        + "; ".join(node["html"][:160] for node in fault["nodes"][:3])
        for fault in found
        if fault["impact"] in _SERIOUS
    ]


@pytest.fixture
def segment(transactional_db: None) -> Segment:
    """A segment with members, a history and actions."""
    make_contacts("Warszawa", "Warszawa", "Kraków")
    made = make_segment(name="People of Warszawa")
    refresh(made, as_of=timezone.now())
    Tag.objects.create(key="vip", label="VIP")
    for when in ("now", "after_refresh"):
        actions.plan_action(
            made, actor=SYSTEM, at=timezone.now(), kind="add_tag", key="vip", when=when
        )
    return made


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (360, "light")], ids=str)
def shown(request: Any, logged_in: Page) -> Page:
    """The browser at a width, in a theme."""
    width, theme = request.param
    scheme: Literal["light", "dark"] = theme
    logged_in.set_viewport_size({"width": width, "height": 900})
    logged_in.emulate_media(color_scheme=scheme)
    return logged_in


@pytest.mark.django_db(transaction=True)
def test_no_page_of_segments_has_a_serious_fault(segment: Segment, shown: Page) -> None:
    contact = Contact.objects.order_by("pk").first()
    assert contact is not None
    room = f"/admin/segments/segment/{segment.pk}"
    paths = [
        "/admin/",
        "/admin/segments/segment/",
        "/admin/segments/segment/add/",
        f"/admin/segments/segment/overlap/?keys={segment.key}",
        "/admin/contacts/metricdefinition/computing/?event_name=x&amount_property=y",
        "/admin/segments/segment/add/?start=template:lapsing_buyers",
        "/admin/segments/savedcriteria/add/",
        f"{room}/settings/",
        *(f"{room}/{part}/" for part in ("change", "members", "history", "changes", "versions")),
        *(f"{room}/{part}/" for part in ("explain", "actions", "export")),
        f"{room}/actions/?add=1",
        "/admin/segments/segmentaction/",
        f"{room}/explain/?contact={contact.pk}",
        "/admin/segments/export/",
        "/admin/segments/export/add/",
        "/admin/segments/exportschedule/",
        f"/admin/contacts/contact/{contact.pk}/change/",
    ]
    found: dict[str, list[str]] = {}
    for path in paths:
        shown.goto(path)
        shown.wait_for_load_state("networkidle")
        if faults := _faults(shown):
            found[path] = faults
    assert found == {}, "\n".join(f"{path}\n  " + "\n  ".join(f) for path, f in found.items())


@pytest.mark.django_db(transaction=True)
def test_no_page_of_staff_and_groups_has_a_serious_fault(shown: Page) -> None:
    make_segment("open")
    poland = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=poland, entities=["segment"])
    make_segment("pl", groups=["Poland"])
    mara = create_staff(username="mara", password="pass word 1", role="marketer", groups=[poland])
    marketer = Group.objects.get(name="Marketer")
    paths = [
        "/admin/auth/group/",
        *(f"/admin/auth/group/{group.pk}/change/" for group in (poland, marketer)),
        "/admin/workspace/user/",
        *(f"/admin/workspace/user/{mara.pk}/{page}/" for page in ("change", "access")),
    ]
    found = {}
    for path in paths:
        shown.goto(path)
        shown.wait_for_load_state("networkidle")
        if faults := _faults(shown):
            found[path] = faults
    assert found == {}, "\n".join(f"{path}\n  " + "\n  ".join(f) for path, f in found.items())
