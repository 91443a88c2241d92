"""Two people of the staff, each at his own browser: one does not learn of the other's segment."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from segments.models import Segment
from tests.browser.conftest import PASSWORD
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace.models import UserGroup
from workspace.roles import create_staff

NAME = "Tea drinkers of the north"


def _group(name: str) -> Group:
    """A user group to which segments belong."""
    group = Group.objects.create(name=name)
    UserGroup.objects.create(group=group, entities=[UserGroup.Entity.SEGMENT])
    return group


@pytest.fixture
def seat(browser: Browser, address: str, settings: Any) -> Iterator[Callable[[str, Group], Page]]:
    """A browser of their own for a marketer of a group, who is logged in."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    contexts = []

    def sit(username: str, group: Group) -> Page:
        create_staff(username=username, password=PASSWORD, role="marketer", groups=[group])
        context = browser.new_context(base_url=address)
        contexts.append(context)
        page = context.new_page()
        page.goto("/admin/login/")
        page.fill("#id_username", username)
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url("**/admin/")
        return page

    yield sit
    for context in contexts:
        context.close()


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_person_of_another_group_does_not_learn_of_a_segment(
    seat: Callable[[str, Group], Page],
) -> None:
    north, south = _group("North"), _group("South")
    [contact_id] = make_contacts("Warszawa")
    segment = make_segment("tea", name=NAME, groups=["North"])
    make_segment("coffee", name="Coffee drinkers", groups=["South"])
    refresh(segment, as_of=timezone.now())
    nora, sam = seat("nora", north), seat("sam", south)
    profile = f"/admin/contacts/contact/{contact_id}/change/"
    for path in ("/admin/", "/admin/segments/segment/", profile):
        nora.goto(path)
        expect(nora.get_by_text(NAME).first).to_be_attached()
        sam.goto(path)
        assert NAME not in sam.content(), path
    sam.goto("/admin/segments/segment/")
    expect(sam.get_by_text("Coffee drinkers").first).to_be_visible()
    for part in ("change", "members", "history", "changes", "versions", "explain", "actions"):
        answer = sam.goto(f"/admin/segments/segment/{segment.pk}/{part}/")
        assert answer is not None
        assert answer.status == 404, part
        assert NAME not in sam.content()
    sam.goto("/admin/segments/export/add/")
    expect(sam.get_by_label("Segment", exact=True)).to_contain_text("Coffee drinkers")
    assert NAME not in sam.content()
    # A key that somebody guesses finds nothing either.
    sam.goto("/admin/segments/segment/?q=tea")
    expect(sam.get_by_text("Nothing matches")).to_be_visible()
    assert Segment.objects.get(pk=segment.pk).status == Segment.Status.ACTIVE
