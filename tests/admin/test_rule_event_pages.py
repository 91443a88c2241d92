"""Rule-based events on the screen: made in two steps, tested before they are saved, switched."""

import json
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from segments.models import RuleEvent
from segments.rule_events import create_rule_event
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from workspace.access import SYSTEM

LIST = "admin:segments_ruleevent_changelist"
THANKS = {
    "combinator": "and",
    "rules": [{"field": "properties.purchaseMessage", "operator": "=", "value": "thank you"}],
}


def _buy(*told: dict[str, Any]) -> None:
    now = timezone.now()
    contact = make_contact().pk
    record_events(
        [IncomingEvent(contact, "purchase", now - timedelta(hours=1), one) for one in told],
        received_at=now,
    )


def _rule(**given: Any) -> RuleEvent:
    wanted = {"name": "thanked", "base": "purchase", "where": THANKS, "enabled": True}
    return create_rule_event(**{**wanted, **given}, actor=SYSTEM, at=timezone.now())


def _form(**given: Any) -> dict[str, Any]:
    return {"name": "thanked", "where": json.dumps(THANKS), "takes": "all", "enabled": "on"} | given


ADD = "admin:segments_ruleevent_add"


def test_a_rule_is_made_in_two_steps_and_tested_on_the_way(admin: Client) -> None:
    _buy({"purchaseMessage": "thank you", "product": "tea"}, {"purchaseMessage": "no"})
    first = admin.get(reverse(ADD)).content.decode()
    assert '<option value="purchase">' in first
    address = f"{reverse(ADD)}?base=purchase"
    form = admin.get(address).content.decode()
    assert '"mode": "where"' in form
    assert 'value="product"' in form
    chosen = _form(takes="chosen", chosen=["product"], others="price, ")
    tried = admin.post(address, {**chosen, "_test": "1"}).content.decode()
    assert '<strong class="rg-matched">1</strong> of 2 base events' in tried
    assert "tea" in tried
    assert not RuleEvent.objects.exists()
    assert admin.post(address, chosen).status_code == 302
    rule = RuleEvent.objects.get()
    assert (rule.name, rule.base.name, rule.is_enabled) == ("thanked", "purchase", True)
    assert (rule.where, rule.payload) == (THANKS, ["product", "price"])


def test_faults_stand_beside_their_fields(admin: Client) -> None:
    address = f"{reverse(ADD)}?base=purchase"
    page = admin.post(address, _form(name="thank you", namespace="email")).content.decode()
    assert "A name has 1 to 30 letters" in page
    assert "Name the property whose value is the identity." in page
    broken = {"combinator": "and", "rules": [{"field": "properties.a", "operator": "is"}]}
    page = admin.post(address, _form(where=json.dumps(broken))).content.decode()
    assert "rules[0].operator" in page
    assert not RuleEvent.objects.exists()


def test_a_rule_is_changed_switched_and_deleted_by_who_may(
    admin: Client, make_person: MakePerson
) -> None:
    rule = _rule()
    page = reverse("admin:segments_ruleevent_change", args=[rule.pk])

    def press(button: str, client: Client = admin) -> int:
        address = reverse("admin:segments_ruleevent_action", args=[rule.pk, button])
        return client.post(address).status_code

    assert admin.post(page, _form(description="Polite people")).status_code == 302
    press("disable")
    rule.refresh_from_db()
    assert (rule.description, rule.is_enabled) == ("Polite people", False)
    press("enable")
    rule.refresh_from_db()
    assert rule.is_enabled
    looker = make_person("segments.view_ruleevent")
    shown = looker.get(page).content.decode()
    assert "“purchaseMessage” is “thank you”" in shown
    assert "Polite people" in shown
    assert looker.post(page, _form()).status_code == 403
    assert press("delete_rule", looker) == 403
    assert looker.get(reverse(ADD)).status_code == 403
    press("delete_rule")
    assert not RuleEvent.objects.exists()


def test_the_list_says_what_each_rule_does_and_teaches_when_it_is_empty(admin: Client) -> None:
    assert (
        "A rule-based event is made of events that come in"
        in admin.get(reverse(LIST)).content.decode()
    )
    _rule()
    page = admin.get(reverse(LIST)).content.decode()
    assert "“purchaseMessage” is “thank you”" in page
    assert "made of purchase" in page


def test_whoever_may_not_see_events_gets_counts_and_no_examples(
    admin: Client, make_person: MakePerson
) -> None:
    _buy({"purchaseMessage": "thank you", "product": "a secret tea"})
    maker = make_person("segments.view_ruleevent", "segments.add_ruleevent")
    address = f"{reverse(ADD)}?base=purchase"
    tried = maker.post(address, _form(_test="1")).content.decode()
    assert '<strong class="rg-matched">1</strong> of 1 base event' in tried
    assert "a secret tea" not in tried


def test_events_of_nobody_are_told(admin: Client) -> None:
    rule = _rule(namespace="email", identifier="mail")
    RuleEvent.objects.filter(pk=rule.pk).update(unmatched_count=7, unmatched_at=timezone.now())
    page = admin.get(reverse("admin:segments_ruleevent_change", args=[rule.pk])).content.decode()
    assert "7 events fitted, but their “mail” is nobody's email" in page
