"""Segments compared on the screen: chosen by name, drawn, told as a table, made a segment of."""

import json
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments import lifecycle
from segments.admin.upset import COLUMN_LIMIT, draw, short
from segments.models import Membership, Segment
from segments.overlap import Comparison, Overlap
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, make_contacts, make_segment
from workspace.access import SYSTEM

_PAGE = "admin:segments_segment_overlap"


def _with_members(key: str, ids: list[int], **given: Any) -> Segment:
    segment = make_segment(key, **given)
    Membership.objects.bulk_create(
        Membership(segment=segment, contact_id=one, entered_at=NOW) for one in ids
    )
    return segment


@pytest.fixture
def three(db: None) -> list[Segment]:
    """Three segments: of four people, one in each combination of the first two, and a loner."""
    a, b, c, d = make_contacts("A", "B", "C", "D")
    return [
        _with_members("big", [a, b, c], name="Big spenders"),
        _with_members("new", [b, c], name="New ones"),
        _with_members("far", [d], name="Far away"),
    ]


def test_the_page_teaches_before_anything_is_chosen(admin: Client, three: list[Segment]) -> None:
    page = admin.get(reverse(_PAGE)).content.decode()
    assert "How do segments overlap?" in page
    assert '<option value="Big spenders">big</option>' in page


def test_the_list_and_each_active_segment_lead_to_it(admin: Client, three: list[Segment]) -> None:
    listed = admin.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert f'href="{reverse(_PAGE)}"' in listed
    address = reverse("admin:segments_segment_change", args=[three[0].pk])
    assert f'href="{reverse(_PAGE)}?keys=big"' in admin.get(address).content.decode()


def test_it_draws_each_combination_and_says_it_in_words(
    admin: Client, three: list[Segment]
) -> None:
    page = unescape(admin.get(reverse(_PAGE), {"keys": "big,new,far"}).content.decode())
    for words in (
        "4 contacts in at least one",
        "in Big spenders and New ones and no other: 2 (50.0 %)",
        "in Far away and no other: 1 (25.0 %)",
        "66.7 %",
        "Leave New ones out",
    ):
        assert words in page, words
    assert page.count('class="rg-upset-column"') == 3, "combinations without anybody are left out"
    assert "New ones and Far away" not in page


def test_a_combination_leads_to_a_new_segment_with_its_criteria(
    admin: Client, three: list[Segment]
) -> None:
    page = unescape(admin.get(reverse(_PAGE), {"keys": "big,new,far"}).content.decode())
    found = [part.split('"')[0] for part in page.split('class="rg-upset-column" href="')[1:]]
    (document,) = parse_qs(urlsplit(found[0]).query)["criteria"]
    assert json.loads(document)["rules"] == [
        {"field": "segment", "operator": "all", "value": ["big", "new"]},
        {"field": "segment", "operator": "notIn", "value": ["far"]},
    ]
    form = unescape(admin.get(found[0]).content.decode())
    assert '"notIn"' in form
    assert '"far"' in form


@pytest.mark.parametrize("typed", ["far", "Far away", "far AWAY", "aWa"])
def test_a_segment_is_added_by_key_name_or_part_of_it(
    admin: Client, three: list[Segment], typed: str
) -> None:
    answer = admin.get(reverse(_PAGE), {"keys": "big", "add": typed})
    assert answer["Location"] == f"{reverse(_PAGE)}?keys=big,far"


def test_what_is_not_found_or_ambiguous_is_told(admin: Client, three: list[Segment]) -> None:
    for typed in ("nothing", "w"):
        page = admin.get(reverse(_PAGE), {"keys": "big", "add": typed}).content.decode()
        assert f"There is no other active segment “{typed}”" in page
    page = admin.get(reverse(_PAGE), {"keys": "big,gone"}).content.decode()
    assert "There is no active segment “gone”" in page


def test_inactive_ones_and_those_of_others_do_not_exist_here(
    make_person: MakePerson, three: list[Segment], scoped_group: Group
) -> None:
    make_segment("secret", name="Secret plan", groups=["Poland"])
    lifecycle.inactivate(three[2], actor=SYSTEM, at=NOW)
    person = make_person("segments.view_segment")
    page = person.get(reverse(_PAGE), {"keys": "big,secret,far"}).content.decode()
    assert "Secret plan" not in page
    assert "Far away" not in page
    assert "There is no active segment “secret”" in page
    assert "?criteria=" not in page, "that needs a permission"
    assert 'tabindex="0" role="img"' in page
    assert make_person("contacts.view_contact").get(reverse(_PAGE)).status_code == 403


def test_more_than_six_are_told(admin: Client, db: None) -> None:
    for place in range(7):
        _with_members(f"k{place}", make_contacts("A"))
    keys = ",".join(f"k{place}" for place in range(7))
    page = admin.get(reverse(_PAGE), {"keys": keys}).content.decode()
    assert "At most 6 segments are compared" in page
    assert page.count("rg-upset-column") == 6


def test_segments_without_members_say_so(admin: Client, db: None) -> None:
    make_segment("empty")
    page = admin.get(reverse(_PAGE), {"keys": "empty"}).content.decode()
    assert "Nobody is in any of them" in page


def test_only_so_many_columns_are_drawn_the_largest_first() -> None:
    keys = [f"k{place}" for place in range(6)]
    sets = tuple(
        Overlap(tuple(key for place, key in enumerate(keys) if mask >> place & 1), mask, mask)
        for mask in range(1, 64)
    )
    plot = draw(Comparison(2016, sets, ()), {key: key for key in keys}, {})
    assert len(plot.columns) == COLUMN_LIMIT
    assert plot.hidden_count == 63 - COLUMN_LIMIT
    assert [column.count for column in plot.columns[:3]] == ["63", "62", "61"]
    assert plot.columns[0].bar_height > plot.columns[1].bar_height


@pytest.mark.parametrize(
    ("count", "told"), [(950, "950"), (1234, "1.2k"), (98765, "99k"), (4_500_000, "4.5M")]
)
def test_counts_over_bars_are_short(count: int, told: str) -> None:
    assert short(count) == told
