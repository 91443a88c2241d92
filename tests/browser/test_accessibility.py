"""No page has a serious fault for people who read it otherwise; axe looks, in both themes."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page

from contacts.models import Contact, Tag
from segments import actions
from segments.models import Segment
from tests.browser.looking import RULES_OF_LOOKS, dress, faults_by_path
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import UserGroup
from workspace.roles import create_staff


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


Shown = tuple[Page, Sequence[str]]


_DESK = pytest.param((1280, "light", ()), id="desk")
# The same pages again: once a night is enough.
_PHONE = pytest.param((360, "dark", RULES_OF_LOOKS), id="phone", marks=pytest.mark.long)


@pytest.fixture(params=[_DESK, _PHONE])
def shown(request: Any, logged_in: Page) -> Shown:
    """The browser on a desk in the light, and on a phone in the dark; with the rules to hold."""
    width, theme, rules = request.param
    dress(logged_in, width=width, theme=theme)
    return logged_in, rules


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_no_page_of_segments_has_a_serious_fault(segment: Segment, shown: Shown) -> None:
    contact = Contact.objects.order_by("pk").first()
    assert contact is not None
    room = f"/admin/segments/segment/{segment.pk}"
    paths = [
        "/admin/",
        "/admin/segments/segment/",
        "/admin/segments/segment/add/",
        f"/admin/segments/segment/overlap/?keys={segment.key}",
        "/admin/contacts/metricdefinition/computing/?event_name=x&amount_property=y",
        "/admin/contacts/metricdefinition/formula/",
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
        f"/admin/contacts/contact/{contact.pk}/merge/",
        f"/admin/contacts/contact/{contact.pk}/merge/?other={contact.pk + 1}",
        "/admin/contacts/identityrule/",
        "/admin/contacts/identityrule/email/change/",
    ]
    page, rules = shown
    assert faults_by_path(page, paths, rules=rules) == {}


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_no_page_of_staff_and_groups_has_a_serious_fault(shown: Shown) -> None:
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
    page, rules = shown
    assert faults_by_path(page, paths, rules=rules) == {}
