"""Validation rules on the screen: made, changed, assigned, tried out."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from loyalty.models import RuleAssignment, ValidationRule
from loyalty.validation_rules import rules
from segments import lifecycle
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from tests.loyalty.rule_cases import every, leaf, make_campaign, make_rule, make_voucher
from tests.segments.factories import make_segment
from workspace.access import SYSTEM

LIST = "/admin/loyalty/validationrule/"
KRAKOW = leaf("contact.city", "=", "Krakow", "Only for Krakow")


def given(document: Any, **others: Any) -> dict[str, Any]:
    return {"name": "Of Krakow", "document": json.dumps(document), **others}


def page_of(rule: ValidationRule, page: str = "change") -> str:
    return reverse(f"admin:loyalty_validationrule_{page}", args=[rule.pk])


def test_a_rule_is_made_and_changed(admin: Client) -> None:
    answer = admin.post(f"{LIST}add/", given(every(KRAKOW), message="Sorry", key="krakow"))
    rule = ValidationRule.objects.get()
    assert answer.headers["Location"] == page_of(rule)
    assert (rule.key, rule.message, rule.document) == ("krakow", "Sorry", every(KRAKOW))
    admin.post(page_of(rule), given(every(), name="Of all"))
    rule.refresh_from_db()
    assert (rule.name, rule.document) == ("Of all", every())


@pytest.mark.parametrize("text", ["{", '{"combinator": "xor", "rules": []}', ""])
def test_faulty_conditions_are_told_and_not_kept(admin: Client, text: str) -> None:
    answer = admin.post(f"{LIST}add/", {"name": "x", "document": text})
    assert answer.status_code == 200
    assert answer.context["form"].errors["document"]
    assert not ValidationRule.objects.exists()


def test_the_builder_knows_the_fields_of_rules(admin: Client) -> None:
    page = admin.get(f"{LIST}add/")
    config = page.context["form"].builder.config()
    names = {entry["field"]: entry for entry in config["catalog"]["fields"]}
    assert names["order.items"]["type"] == "event"
    assert names["time.of_day"]["type"] == "time"
    assert names["budget.count.customer.day"]["operators"] == ["<="]
    assert len(names["time.weekday"]["choices"]) == 7
    assert "contact.city" in names
    assert config["mode"] == "rule"
    assert set(config["urls"]) == {"values", "event"}


def test_the_list_says_rules_in_words_and_how_much_they_hold_for(admin: Client) -> None:
    rule = make_rule(KRAKOW)
    rules.assign_rule(rule, campaign=make_campaign(), actor=SYSTEM, at=NOW)
    page = admin.get(LIST).content.decode()
    assert "“City” is “Krakow”" in page
    assert "1 thing" in page


def test_the_page_says_that_a_rule_refuses_everybody(admin: Client) -> None:
    segment = make_segment("reviewers")
    rule = make_rule(leaf("segment", "in", ["reviewers"]))
    assert "refuses everybody" not in admin.get(page_of(rule)).content.decode()
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    page = admin.get(page_of(rule)).content.decode()
    assert "refuses everybody" in page
    assert "(Reviewers)" in page


def test_a_rule_is_let_hold_and_taken_away(admin: Client) -> None:
    rule, campaign, voucher = make_rule(), make_campaign("Cards"), make_voucher(code="ABC")
    page = page_of(rule, "assignments")
    assert "It holds for nothing yet" in admin.get(page).content.decode()
    admin.post(page, {"thing": f"campaign:{campaign.pk}", "code": ""})
    admin.post(page, {"thing": "", "code": "abc"})
    assert set(RuleAssignment.objects.values_list("campaign_id", "voucher_id")) == {
        (campaign.pk, None),
        (None, voucher.pk),
    }
    text = admin.get(page).content.decode()
    assert "Cards" in text
    assert "ABC" in text
    twice = admin.post(page, {"thing": f"campaign:{campaign.pk}", "code": ""})
    assert "already" in twice.content.decode()
    for wrong in (
        {"thing": "", "code": "none"},
        {},
        {"thing": f"campaign:{campaign.pk}", "code": "ABC"},
    ):
        assert admin.post(page, wrong).status_code == 200
    admin.post(page, {"assignment": RuleAssignment.objects.get(campaign=campaign).pk})
    assert RuleAssignment.objects.get().voucher == voucher


def test_a_rule_is_tried_out_without_a_trace(admin: Client) -> None:
    rule = make_rule(KRAKOW, leaf("order.amount", ">=", 100))
    contact = make_contact(email="a@example.com", city="Krakow")
    page, order = page_of(rule, "try"), json.dumps({"amount": 100})
    asked = {"purpose": "validation", "contact": "a@example.com", "order": order}
    assert "lets through" in admin.get(page, asked).content.decode()
    other = admin.get(page, {**asked, "order": json.dumps({"amount": 99})}).content.decode()
    assert "order_rules_violated" in other
    nobody = admin.get(page, {**asked, "contact": ""}).content.decode()
    assert "Only for Krakow" in nobody
    assert "missing_customer" in nobody
    given = admin.get(page, {"purpose": "publication", "contact": f"#{contact.pk}"})
    assert "lets through" in given.content.decode()
    for wrong in ({"order": "{"}, {"order": "[]"}, {"order": '{"amount": "x"}'}, {"code": "no"}):
        assert admin.get(page, {**asked, **wrong}).context["form"].errors


def test_a_rule_that_holds_for_something_is_not_deleted(admin: Client) -> None:
    rule = make_rule()
    assignment = rules.assign_rule(rule, campaign=make_campaign(), actor=SYSTEM, at=NOW)
    address = reverse("admin:loyalty_validationrule_action", args=[rule.pk, "delete_rule"])
    admin.post(address)
    assert ValidationRule.objects.exists()
    rules.unassign_rule(assignment, actor=SYSTEM, at=NOW)
    assert admin.post(address).headers["Location"] == LIST
    assert not ValidationRule.objects.exists()


def test_who_may_only_look_changes_nothing(make_person: MakePerson) -> None:
    rule, looker = make_rule(KRAKOW), make_person("loyalty.view_validationrule")
    page = looker.get(page_of(rule))
    assert page.context["form"].builder.is_read_only
    assert looker.post(page_of(rule), given(every())).status_code == 403
    assert looker.post(page_of(rule, "assignments"), {"code": "x"}).status_code == 403
    assert looker.get(page_of(rule, "assignments")).status_code == 200
    assert looker.get(f"{LIST}add/").status_code == 403
