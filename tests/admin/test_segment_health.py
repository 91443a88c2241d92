"""What is wrong with a segment is shown in the list and on its page, with what to do."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments import checkups
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, lives_in, make_segment
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db
LIST = "/admin/segments/segment/"
_RULE = {"field": "contact.lead_score", "operator": "null"}
IMPOSSIBLE = {"combinator": "and", "rules": [_RULE]}


def _page(client: Client, segment: Segment) -> str:
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    return client.get(address).content.decode()


def _keys(client: Client, health: str) -> list[str]:
    answer = client.get(LIST, {"health": health})
    return sorted(segment.key for segment in answer.context["cl"].result_list)


def test_the_list_shows_the_worst_finding_and_finds_by_kind(admin: Client) -> None:
    make_segment("bad", IMPOSSIBLE, name="Bad one")
    make_segment("same", lives_in("Warszawa"))
    make_segment("well", lives_in("Warszawa"))
    checkups.check_all(as_of=NOW)
    page = admin.get(LIST).content.decode()
    assert "nobody can fit" in page
    assert _keys(admin, "any") == ["bad", "same", "well"]
    assert _keys(admin, "contradiction") == ["bad"]
    assert _keys(admin, "duplicate") == ["same", "well"]
    assert _keys(admin, "unused") == []


def test_the_page_says_what_is_wrong_and_what_to_do(admin: Client) -> None:
    page = _page(admin, make_segment("bad", IMPOSSIBLE))
    assert "Nobody can ever fit: this never holds" in page
    assert "Change one of them" in page


def test_a_duplicate_links_to_the_other_for_who_may_know_it(
    admin: Client, make_person: MakePerson
) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    seen = make_segment("seen")
    other = make_segment("hidden", name="Secret plan", groups=["Poland"])
    checkups.check_all(as_of=NOW)
    assert reverse("admin:segments_segment_change", args=[other.pk]) in _page(admin, seen)
    outsider = make_person("segments.view_segment")
    assert "Secret plan" not in _page(outsider, seen)
    assert "says the same" not in _page(outsider, seen)
    assert _keys(outsider, "any") == []
    assert "duplicate</span>" not in outsider.get(LIST).content.decode()


def test_the_owner_asks_for_mail_in_the_form(admin: Client) -> None:
    segment = make_segment("vip")
    address = reverse("admin:segments_segment_change", args=[segment.pk])
    form = admin.get(address).context["form"]
    given = {name: form[name].value() for name in form.fields if form[name].value()}
    admin.post(address, {**given, "mail_findings": "on"})
    segment.refresh_from_db()
    assert segment.mail_findings
