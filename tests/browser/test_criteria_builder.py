"""Criteria built in a real browser: by dragging, by keyboard alone, and left as they are."""

from datetime import datetime
from typing import Any, Literal

import pytest
import simplejson
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from playwright.sync_api import Locator, Page, expect

from segments.models import Segment
from tests.browser.looking import RULES_OF_LOOKS, dress, serious_faults
from tests.factories import make_attribute, make_category, make_tag
from tests.segments.criteria.people import ATTRIBUTES, WARSAW, add_definitions
from tests.segments.criteria.strategies import documents_at
from tests.segments.factories import make_contacts, make_segment

_BLANK = "/admin/segments/segment/add/?start=blank"
# Every kind of rule, keys that nobody knows, digits that a binary number would lose.
_WHOLE = """{
  "combinator": "and", "id": "root",
  "rules": [
    {"value": 20.10, "field": "contact.lead_score", "operator": ">", "valueSource": "value"},
    {"combinator": "or", "rules": [
      {"field": "contact.city", "operator": "in", "value": ["Warszawa", "Łódź"]},
      {"combinator": "and", "not": true, "rules": [
        {"field": "contact.birth_date", "operator": "anniversaryInNext",
         "value": {"amount": 7, "unit": "day"}}]}]},
    {"field": "event.purchase", "measure": {"function": "sum", "property": "amount"},
     "operator": "between", "value": [0.1, 12345678901234567890.5],
     "where": {"combinator": "and", "rules": [
       {"field": "occurred_at", "operator": "inLast", "value": {"amount": 90, "unit": "day"}},
       {"field": "properties.deep.product", "operator": "contains", "value": "coffee"}]}},
    {"field": "sequence", "steps": [
      {"event": "cart_updated"},
      {"event": "purchase", "within": {"amount": 2, "unit": "day"}, "not": true}]},
    {"field": "contact.created_at", "operator": ">", "value": "2024-01-01T00:00:00.5+02:00",
     "disabled": true},
    {"combinator": "or", "not": true, "rules": [
      {"field": "contact.email", "operator": "null"}]}
  ]
}"""


def _document(page: Page) -> Any:
    """What stands in the form."""
    return _read(page.locator("#id_criteria").input_value())


def _read(text: str) -> Any:
    return simplejson.loads(text, use_decimal=True)


def _field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-entry="{name}"]')


def _take(page: Page, name: str) -> None:
    """Search for a field and take it, with keys alone."""
    page.get_by_role("searchbox", name="Search fields").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(name)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def _save(page: Page) -> None:
    page.locator("[data-save]").first.click()
    expect(page.get_by_text("was saved.")).to_be_visible()


def _begin(page: Page, name: str) -> None:
    page.goto(_BLANK)
    page.fill("#id_name", name)
    expect(page.get_by_text("Everyone is included")).to_be_visible()


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_criteria_are_built_by_dragging_fields_from_the_palette(logged_in: Page) -> None:
    make_tag("churned", label="Churned")
    make_contacts("Atlanta", "Atlanta", "Seattle", "Warszawa")
    page = logged_in
    _begin(page, "Americans")
    include = page.get_by_role("region", name="Include contacts")
    exclude = page.get_by_role("region", name="Exclude contacts")

    _field(page, "contact.city").drag_to(include.get_by_text("Everyone is included"))
    expect(page.get_by_role("combobox", name="Value of City")).to_be_focused()
    for city in ("Atlanta", "San Francisco", "Seattle"):
        page.keyboard.type(city)
        page.keyboard.press("Enter")
    # The estimate follows by itself, and each clause has its count.
    expect(page.locator("[data-estimate-count]")).to_have_text("3")
    expect(page.locator("[data-estimate-sentence]")).to_contain_text("San Francisco")

    _field(page, "contact.birth_date").drag_to(include.get_by_text("Add criterion"))
    # What is not complete yet is left out of the estimate, and the page says so.
    expect(page.get_by_text("Without what is not complete yet.")).to_be_visible()
    expect(page.locator("[data-estimate-count]")).to_have_text("3")
    page.get_by_label("Value of Birth date").fill("1980-12-31")
    expect(page.get_by_text("Nobody matches these criteria.")).to_be_visible()
    _field(page, "tag").drag_to(exclude.get_by_text("Nobody is excluded"))
    page.keyboard.type("churned")
    page.keyboard.press("Enter")
    _save(page)

    assert Segment.objects.get(name="Americans").criteria == {
        "combinator": "and",
        "rules": [
            {
                "field": "contact.city",
                "operator": "in",
                "value": ["Atlanta", "San Francisco", "Seattle"],
            },
            {"field": "contact.birth_date", "operator": ">", "value": "1980-12-31"},
            {
                "combinator": "or",
                "not": True,
                "rules": [{"field": "tag", "operator": "in", "value": ["churned"]}],
            },
        ],
    }


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_what_is_there_is_dragged_to_another_place_and_zone(logged_in: Page) -> None:
    page = logged_in
    _begin(page, "Moved")
    include = page.get_by_role("region", name="Include contacts")
    exclude = page.get_by_role("region", name="Exclude contacts")
    for name in ("contact.email", "contact.phone", "contact.gender"):
        _field(page, name).click()
    rules = include.locator(".cb-rule")
    gender = rules.nth(2).locator("[data-handle]")
    gender.drag_to(rules.nth(0), target_position={"x": 200, "y": 4})
    order = ["contact.gender", "contact.email", "contact.phone"]
    assert [rule["field"] for rule in _document(page)["rules"]] == order

    rules.nth(1).locator("[data-handle]").drag_to(exclude.get_by_text("Nobody is excluded"))
    gender, phone, excluded = _document(page)["rules"]
    assert [gender["field"], phone["field"]] == ["contact.gender", "contact.phone"]
    assert excluded["not"] is True
    assert [rule["field"] for rule in excluded["rules"]] == ["contact.email"]
    expect(page.locator("[data-said]")).to_contain_text("moved to Exclude contacts")

    page.get_by_role("button", name="Undo").click()
    assert [rule["field"] for rule in _document(page)["rules"]] == order


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("combinator", ["and", "or"])
def test_three_criteria_of_which_all_or_any_must_hold_are_built_by_keyboard_alone(
    logged_in: Page, combinator: str
) -> None:
    make_category("media", label="Media")
    page = logged_in
    _begin(page, "Media people")
    _take(page, "lead score")
    expect(page.get_by_role("textbox", name="Value of Lead score")).to_be_focused()
    page.keyboard.type("20")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("combobox", name="Comparison of Lead score")).to_be_focused()
    page.keyboard.type("is greater")
    _take(page, "city")
    page.keyboard.type("Warszawa")
    page.keyboard.press("Enter")
    _take(page, "media")
    if combinator == "or":
        page.get_by_role("combobox", name="Include contacts: What must hold").focus()
        page.keyboard.type("who meet at least")
    wanted = [
        {"field": "contact.lead_score", "operator": ">", "value": 20},
        {"field": "contact.city", "operator": "in", "value": ["Warszawa"]},
        {"field": "category", "operator": "in", "value": ["media"]},
    ]
    assert _document(page) == {"combinator": combinator, "rules": wanted}

    # The last one up by two places, and down again by one.
    page.locator("[data-handle]").nth(2).focus()
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("[data-said]")).to_contain_text("moved to place 2 of 3")
    page.locator("[data-save]").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("was saved.")).to_be_visible()
    criteria = Segment.objects.get(name="Media people").criteria
    assert criteria == {"combinator": combinator, "rules": [wanted[0], wanted[2], wanted[1]]}


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_behavior_is_built_as_a_sentence(logged_in: Page) -> None:
    page = logged_in
    _begin(page, "Buyers")
    page.get_by_role("button", name="Add criterion").first.click()
    expect(page.get_by_role("button", name="click to choose a field")).to_be_focused()
    page.keyboard.press("Enter")
    # A name of an event that was never seen is as good as any.
    page.keyboard.type("bought a boat")
    page.keyboard.press("Enter")
    face = page.get_by_label("What is asked about bought a boat")
    expect(face).to_be_focused()
    face.select_option("sum")
    page.get_by_role("combobox", name="Property of bought a boat").fill("price")
    page.get_by_role("textbox", name="Value of bought a boat").fill("1000,50")
    page.get_by_role("button", name="Time period").click()
    page.get_by_label("How many, Time").fill("90")
    _save(page)
    assert Segment.objects.get(name="Buyers").criteria == _read("""{
      "combinator": "and", "rules": [
        {"field": "event.bought a boat", "operator": ">=", "value": 1000.50,
         "measure": {"function": "sum", "property": "price"},
         "where": {"combinator": "and", "rules": [
           {"field": "occurred_at", "operator": "inLast",
            "value": {"amount": 90, "unit": "day"}}]}}]}""")


@pytest.mark.django_db(transaction=True)
def test_faults_are_shown_at_their_place_and_lead_there(logged_in: Page) -> None:
    page = logged_in
    _begin(page, "Faulty")
    _take(page, "lead score")
    page.keyboard.type("many")
    problem = page.locator("[data-problem='rules[0].value']")
    expect(problem).to_be_visible()
    expect(page.locator("[data-path='rules[0]'][data-faulty]")).to_be_visible()
    problem.click()
    expect(page.get_by_role("textbox", name="Value of Lead score")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("12")
    expect(problem).to_have_count(0)

    page.get_by_role("button", name="As JSON").click()
    area = page.get_by_role("textbox", name="Criteria as JSON")
    area.fill('{"combinator": "and",\n "rules": [}')
    expect(page.get_by_text("Line 2, column 12")).to_be_visible()
    area.fill('{"combinator": "and", "rules": [{"field": "contact.email", "operator": "null"}]}')
    page.get_by_role("button", name="Builder", exact=True).click()
    expect(page.get_by_role("combobox", name="Comparison of E-mail")).to_have_value("null")


@pytest.mark.django_db(transaction=True)
def test_a_document_that_nobody_touches_is_saved_as_it_was(logged_in: Page) -> None:
    segment = make_segment("whole", _read(_WHOLE), at=timezone.now())
    page = logged_in
    page.goto(f"/admin/segments/segment/{segment.pk}/change/")
    expect(page.get_by_role("region", name="Exclude contacts")).to_contain_text("E-mail")
    shown = page.locator("#id_criteria").input_value()
    _save(page)
    segment.refresh_from_db()
    assert segment.criteria == _read(_WHOLE)
    assert "12345678901234567890.5" in shown
    assert segment.versions.count() == 1


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_random_documents_survive_the_builder(logged_in: Page) -> None:
    add_definitions()
    for key, type_ in ATTRIBUTES.items():
        make_attribute(key, type_)
    with connection.cursor() as cursor:
        # Those definitions brought their own ids.
        cursor.execute("SELECT setval(pg_get_serial_sequence('segments_segment', 'id'), 1000)")
    page = logged_in
    now = datetime(2024, 3, 31, 10, 30, tzinfo=WARSAW)
    for number, document in enumerate(_some_documents(now)):
        segment = make_segment(f"random-{number}", document, at=timezone.now())
        page.goto(f"/admin/segments/segment/{segment.pk}/change/")
        expect(page.get_by_role("region", name="Include contacts")).to_be_visible()
        before = page.locator("#id_criteria").input_value()
        # An edit that is taken back leaves the very same text.
        _field(page, "contact.email").click()
        assert page.locator("#id_criteria").input_value() != before
        page.get_by_role("button", name="Undo").click()
        assert page.locator("#id_criteria").input_value() == before
        # And all of it written anew is the same document.
        page.get_by_role("button", name="As JSON").click()
        page.get_by_role("textbox", name="Criteria as JSON").fill(" ".join(before.split("\n")))
        page.get_by_role("button", name="Format").click()
        assert _document(page) == _read(before)
        _save(page)
        segment.refresh_from_db()
        assert segment.criteria == document


@pytest.mark.django_db(transaction=True)
@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_that_the_builder_opens_has_a_serious_fault(
    logged_in: Page, scheme: Literal["light", "dark"]
) -> None:
    segment = make_segment("whole", _read(_WHOLE), at=timezone.now())
    page = logged_in
    dress(page, width=1280, theme=scheme)
    page.goto(f"/admin/segments/segment/{segment.pk}/change/")
    expect(page.locator("[data-estimate-sentence]")).to_contain_text("Warszawa")
    openers = [
        page.get_by_role("button", name="More for City"),
        page.get_by_role("button", name="City: change the field"),
        page.get_by_role("combobox", name="Value of City"),
        page.get_by_role("combobox", name="Property of purchase").first,
        page.get_by_role("button", name="As JSON"),
    ]
    rules = () if scheme == "light" else RULES_OF_LOOKS
    found = serious_faults(page, within=".cb", rules=rules)
    for opener in openers:
        opener.click()
        found += serious_faults(page, within=".cb", rules=rules)
        page.keyboard.press("Escape")
    assert found == []


def _some_documents(now: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    @settings(
        max_examples=3,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(documents_at(now, WARSAW))
    def collect(document: dict[str, Any]) -> None:
        found.append(document)

    collect()
    return found
