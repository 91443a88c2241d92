"""The pages of a segment: members and changes page by page, why somebody is in, files."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from contacts.models import Contact
from segments.models import Segment
from tests.factories import make_contact
from tests.segments.factories import NOW, lives_in, make_contacts, make_segment, refresh


def _pages(client: Client, address: str, direction: str = "next") -> list[str]:
    """The contents of a page and of all that follow by its links."""
    base, found = address.partition("?")[0], []
    while address:
        page = client.get(address).content.decode()
        found.append(page)
        link = re.search(rf'rel="{direction}" href="([^"]+)"', page)
        address = base + link[1].replace("&amp;", "&") if link else ""
        assert len(found) < 20
    return found


def _contacts_on(page: str) -> list[int]:
    return [int(pk) for pk in re.findall(r"/admin/contacts/contact/(\d+)/change/", page)]


@pytest.fixture
def crowd() -> Segment:
    """A segment of 120 people."""
    make_contacts(*["Warszawa"] * 120)
    segment = make_segment()
    refresh(segment)
    return segment


def test_members_are_turned_page_by_page_each_once(admin: Client, crowd: Segment) -> None:
    address = reverse("admin:segments_segment_members", args=[crowd.pk])
    seen = [pk for page in _pages(admin, address) for pk in _contacts_on(page)]
    assert seen == sorted(Contact.objects.values_list("pk", flat=True))


def test_members_are_turned_back_to_the_first_page(admin: Client, crowd: Segment) -> None:
    address = reverse("admin:segments_segment_members", args=[crowd.pk])
    last = max(seen for page in _pages(admin, address) for seen in _contacts_on(page))
    back = _pages(admin, f"{address}?before={last}", "prev")
    seen = sorted(pk for page in back for pk in _contacts_on(page))
    assert seen == sorted(Contact.objects.exclude(pk=last).values_list("pk", flat=True))


@pytest.mark.parametrize("query", ["?after=x", "?before=-1", "?after=" + "9" * 40])
def test_a_nonsensical_place_shows_the_first_page(
    admin: Client, crowd: Segment, query: str
) -> None:
    address = reverse("admin:segments_segment_members", args=[crowd.pk])
    page = admin.get(address + query)
    assert page.status_code == 200
    assert len(_contacts_on(page.content.decode())) == 50


def test_changes_are_turned_newest_first_each_once(admin: Client, crowd: Segment) -> None:
    moved = list(Contact.objects.values_list("pk", flat=True)[:20])
    Contact.objects.filter(pk__in=moved).update(city="Kraków")
    refresh(crowd, as_of=NOW + timedelta(hours=1))
    address = reverse("admin:segments_segment_changes", args=[crowd.pk])
    pages = _pages(admin, address)
    assert sum(len(_contacts_on(page)) for page in pages) == 140
    assert pages[0].index(">left<") < pages[0].index(">entered<")
    left = _pages(admin, f"{address}?kind=left")
    assert sum(len(_contacts_on(page)) for page in left) == 20


def test_the_history_is_drawn_and_told_as_a_table(admin: Client, crowd: Segment) -> None:
    page = admin.get(reverse("admin:segments_segment_history", args=[crowd.pk])).content.decode()
    assert page.count('<canvas class="chart"') == 2
    assert "The same as a table" in page


@pytest.mark.parametrize("name", ["ext-1", "anna@example.com", "#{pk}"])
def test_explain_finds_the_contact_and_answers_rule_by_rule(admin: Client, name: str) -> None:
    anna = make_contact(external_id="ext-1", email="anna@example.com", city="Kraków")
    segment = make_segment()
    refresh(segment)
    address = reverse("admin:segments_segment_explain", args=[segment.pk])
    page = admin.get(address, {"contact": name.format(pk=anna.pk)}).content.decode()
    for words in ("does not fit now", "does not hold", "Kraków", "rules[0]", "Not in the segment"):
        assert words in page, words


def test_why_draws_the_groups_and_says_what_would_change(admin: Client) -> None:
    anna = make_contact(first_name="Anna", last_name="Kowal", city="Kraków")
    lately = {"field": "contact.created_at", "operator": "inLast"}
    rules = [
        {"combinator": "or", "rules": [*lives_in("Kraków")["rules"], *lives_in("Rome")["rules"]]},
        {**lately, "value": {"amount": 10000, "unit": "week"}},
        {"combinator": "and", "not": True, "rules": lives_in("Paris")["rules"]},
    ]
    segment = make_segment(criteria={"combinator": "and", "rules": rules})
    address = reverse("admin:segments_segment_explain", args=[segment.pk])
    page = admin.get(address, {"contact": f"#{anna.pk}"}).content.decode()
    for words in (
        "All of these hold",
        "At least one of these holds",
        "Not all of these hold",
        "Leaves by itself in",
        "What would take the contact out",
        "must not hold",
        "more)",
    ):
        assert words in page, words
    page = admin.get(address, {"contact": "kowa"}).content.decode()
    assert f"?contact=%23{anna.pk}" in page
    assert "Anna Kowal" in page
    profile = admin.get(reverse("admin:contacts_contact_change", args=[anna.pk])).content.decode()
    assert f"{address}?contact=%23{anna.pk}" in profile, "why not in it"


def test_explain_says_when_there_is_no_such_contact(admin: Client) -> None:
    address = reverse("admin:segments_segment_explain", args=[make_segment().pk])
    assert (
        "There is no contact “nobody”" in admin.get(address, {"contact": "nobody"}).content.decode()
    )


def test_who_uses_a_segment_is_told(admin: Client) -> None:
    make_segment("poles", lives_in("Warszawa"), name="Poles")
    asked = {"field": "segment", "operator": "in", "value": ["poles"]}
    make_segment("more", {"combinator": "and", "rules": [asked]}, name="More Poles")
    page = admin.get(
        reverse("admin:segments_segment_change", args=[Segment.objects.get(key="poles").pk])
    )
    assert [use.key for use in page.context["uses"]] == ["more"]
    assert "More Poles" in page.content.decode()
