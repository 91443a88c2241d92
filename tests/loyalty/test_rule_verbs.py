"""Rules are made, changed, deleted and assigned; what they name says so."""

import pytest
from django.contrib.auth.models import Group

from contacts.definitions import Kind
from contacts.definitions import uses_of as uses_of_definition
from contacts.event_uses import uses_of as uses_of_events
from loyalty.errors import (
    AssignedUnknown,
    AssignmentUnknown,
    RuleAssignedAlready,
    RuleInUse,
    RuleInvalid,
    RuleUnknown,
)
from loyalty.models import Distribution, RuleAssignment, ValidationRule
from loyalty.validation_rules import rules
from loyalty.validation_rules.rule_words import describe_rule
from segments import lifecycle
from segments.uses import uses_of
from tests.factories import NOW, make_tag
from tests.loyalty.rule_cases import (
    any_of,
    every,
    items,
    leaf,
    make_campaign,
    make_rule,
    make_voucher,
)
from tests.segments.factories import make_segment
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
KRAKOW = leaf("contact.city", "=", "Krakow")
ALL = frozenset(
    [
        *(f"loyalty.{verb}_validationrule" for verb in ("view", "add", "change", "delete")),
        "segments.view_segment",
    ]
)


def somebody(*groups: Group, may: frozenset[str] = ALL) -> Actor:
    return Actor(
        AuditEntry.ActorKind.USER,
        7,
        "Somebody",
        group_ids=frozenset(group.pk for group in groups),
        permissions=may,
    )


def trail() -> list[tuple[str, dict[str, object]]]:
    entries = AuditEntry.objects.filter(action__startswith="validation_rule").order_by("pk")
    return list(entries.values_list("action", "changes"))


def test_a_rule_is_made_changed_and_deleted_and_the_trail_tells() -> None:
    rule = make_rule(KRAKOW, name="Of Krakow", message="Sorry")
    assert rule.key == "of-krakow"
    changed = rules.update_rule(
        rule, actor=SYSTEM, at=NOW, name="From Krakow", document=every(KRAKOW, KRAKOW)
    )
    assert (changed.key, changed.name, len(changed.document["rules"])) == (
        "of-krakow",
        "From Krakow",
        2,
    )
    rules.delete_rule(rule, actor=SYSTEM, at=NOW)
    assert [action for action, _changes in trail()] == [
        "validation_rule.created",
        "validation_rule.updated",
        "validation_rule.deleted",
    ]
    assert set(trail()[1][1]) == {"name", "document"}
    with pytest.raises(RuleUnknown):
        rules.update_rule(rule, actor=SYSTEM, at=NOW, name="x")


def test_what_changes_nothing_is_not_told() -> None:
    rule = make_rule(KRAKOW)
    rules.update_rule(rule, actor=SYSTEM, at=NOW, name=rule.name, document=rule.document)
    assert len(trail()) == 1


def test_all_faults_are_told_at_once_and_nothing_is_kept() -> None:
    make_rule(key="taken")
    with pytest.raises(RuleInvalid) as refused:
        make_rule(leaf("order.amount", ">=", "x"), name=" ", message="x" * 301, key="taken")
    paths = [problem.path for problem in refused.value.problems]
    assert paths == ["message", "name", "key", "conditions"]
    assert [one.path for one in refused.value.document_problems] == ["rules[0].value"]
    assert ValidationRule.objects.count() == 1


def test_each_verb_asks_for_its_permission() -> None:
    rule, nobody = make_rule(), somebody(may=frozenset())
    campaign = make_campaign()
    assignment = rules.assign_rule(rule, campaign=campaign, actor=SYSTEM, at=NOW)
    for verb in (
        lambda: make_rule(actor=nobody),
        lambda: rules.update_rule(rule, actor=nobody, at=NOW, name="x"),
        lambda: rules.delete_rule(rule, actor=nobody, at=NOW),
        lambda: rules.assign_rule(rule, campaign=campaign, actor=nobody, at=NOW),
        lambda: rules.unassign_rule(assignment, actor=nobody, at=NOW),
    ):
        with pytest.raises(NotAllowed):
            verb()


def test_a_rule_holds_for_what_it_is_assigned_to_once() -> None:
    rule, campaign, voucher = make_rule(name="Rule"), make_campaign("Cards"), make_voucher()
    distribution = Distribution.objects.create(
        key="d", name="Send", trigger="manual", campaign=campaign
    )
    first = rules.assign_rule(rule, campaign=campaign, actor=SYSTEM, at=NOW)
    rules.assign_rule(rule, voucher=voucher, actor=SYSTEM, at=NOW)
    rules.assign_rule(rule, distribution=distribution, actor=SYSTEM, at=NOW)
    other = make_rule(name="Other")
    rules.assign_rule(other, campaign=campaign, actor=SYSTEM, at=NOW)
    with pytest.raises(RuleAssignedAlready, match="Cards"):
        rules.assign_rule(rule, campaign=campaign, actor=SYSTEM, at=NOW)
    assert rules.rules_for(campaign=campaign) == [rule, other]
    assert rules.rules_for(campaign=voucher.campaign_id, voucher=voucher.pk) == [rule]
    assert rules.rules_for(distribution=distribution, campaign=campaign) == [rule, other]
    assert rules.rules_for() == []
    assert [one.kind for one in rules.assigned_to(rule, actor=SYSTEM)] == [
        "campaign",
        "voucher",
        "distribution",
    ]
    rules.unassign_rule(first, actor=SYSTEM, at=NOW)
    assert rules.rules_for(campaign=campaign) == [other]
    with pytest.raises(AssignmentUnknown):
        rules.unassign_rule(first, actor=SYSTEM, at=NOW)
    assert trail()[-1] == ("validation_rule.unassigned", {"campaign": ["Cards", None]})


def test_a_rule_cannot_go_while_it_holds_and_it_is_said_for_what() -> None:
    poland = Group.objects.create(name="Poland")
    rule, mine, hidden = make_rule(), make_campaign("Mine"), make_campaign("Zzyzx")
    hidden.groups.add(poland)
    for campaign in (mine, hidden):
        rules.assign_rule(rule, campaign=campaign, actor=SYSTEM, at=NOW)
    with pytest.raises(RuleInUse) as refused:
        rules.delete_rule(rule, actor=somebody(), at=NOW)
    assert "“Mine”, 1 more" in str(refused.value)
    assert "Zzyzx" not in str(refused.value)
    assert RuleAssignment.objects.count() == 2


def test_what_belongs_to_other_groups_cannot_be_touched() -> None:
    poland = Group.objects.create(name="Poland")
    rule, hidden = make_rule(), make_campaign()
    hidden.groups.add(poland)
    voucher = make_voucher(hidden)
    for given in ({"campaign": hidden}, {"voucher": voucher}):
        with pytest.raises(AssignedUnknown):
            rules.assign_rule(rule, **given, actor=somebody(), at=NOW)
    assignment = rules.assign_rule(rule, campaign=hidden, actor=somebody(poland), at=NOW)
    with pytest.raises(AssignmentUnknown):
        rules.unassign_rule(assignment, actor=somebody(), at=NOW)
    [assigned] = rules.assigned_to(rule, actor=somebody())
    assert assigned.thing is None


def test_hidden_segments_stay_in_a_document_that_comes_back_as_it_was_shown() -> None:
    poland = Group.objects.create(name="Poland")
    make_segment("secret", groups=["Poland"])
    rule = make_rule(leaf("segment", "in", ["secret"]))
    shown = every(leaf("segment", "in", ["hidden:1"]))
    kept = rules.update_rule(rule, actor=somebody(), at=NOW, document=shown, name="New")
    assert kept.document["rules"][0]["value"] == ["secret"]
    with pytest.raises(RuleInvalid):
        rules.update_rule(rule, actor=somebody(), at=NOW, document=every(*shown["rules"], KRAKOW))
    with pytest.raises(RuleInvalid):
        make_rule(leaf("segment", "in", ["secret"]), actor=somebody())
    assert make_rule(leaf("segment", "in", ["secret"]), actor=somebody(poland)).pk
    words = describe_rule(rule.document, actor=somebody())
    assert "Secret" not in words
    assert "a segment of another group" in words


def test_a_segment_says_which_rules_use_it_and_what_becomes_of_them() -> None:
    segment = make_segment("reviewers")
    rule = make_rule(leaf("segment", "in", ["reviewers"]), name="Reviewers only")
    rules.assign_rule(rule, campaign=make_campaign(), actor=SYSTEM, at=NOW)
    [use] = [use for use in uses_of(segment, actor=SYSTEM) if use.kind == "validation_rule"]
    assert (use.name, use.state) == ("Reviewers only", "holds for 1")
    assert "refuses everybody" in str(use.effect)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    [use] = uses_of(segment, actor=somebody(may=frozenset()))
    assert use.is_hidden


def test_tags_and_events_that_a_rule_names_say_so() -> None:
    make_tag("vip")
    bought = {"field": "event.purchase", "operator": ">=", "value": 1}
    make_rule(leaf("tag", "in", ["vip"]), bought, name="Regulars")
    assert "Regulars" in uses_of_definition(Kind.TAG, "vip", SYSTEM)
    [use] = uses_of_events(["purchase"], actor=SYSTEM)["purchase"]
    assert use.name == "Regulars"


def test_a_rule_is_said_in_words() -> None:
    mugs = items(leaf("properties.sku", "=", "mug"))
    many = items(measure={"function": "sum", "property": "quantity"}, operator=">=", value=3)
    document = every(
        leaf("contact.city", "=", "Krakow"),
        any_of(leaf("order.amount", ">=", 5000), leaf("card.holder", "=", True)),
        leaf("time.of_day", "between", ["09:00", "17:30"]),
        leaf("time.weekday", "in", ["monday"]),
        mugs,
        many,
        any_of(leaf("budget.count.customer.day", "<=", 1), **{"not": True}),
    )
    words = describe_rule(document, actor=SYSTEM)
    for part in (
        "Lets through if “City” is “Krakow” and (",
        "“Amount of the order, in minor units” is at least 5000 or the customer holds the card)",
        "“Time of day” is between “09:00” and “17:30”",
        "“Day of the week” is “Monday”",
        "there are Items of the order with “sku” is “mug”",
        "“sum of quantity over Items of the order” is at least 3",
        "not (“Redemptions of the customer in a day” is at most 1)",
    ):
        assert part in words, (part, words)
    assert describe_rule(every(), actor=SYSTEM) == "Everybody is let through."
    assert describe_rule(any_of(), actor=SYSTEM) == "Nobody is let through."
    assert "fault" in describe_rule({"x": 1}, actor=SYSTEM)
