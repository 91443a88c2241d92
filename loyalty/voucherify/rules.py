"""Validation rules: made, changed, shown, listed, deleted, and assigned to what they hold for."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.voucherify import ids
from integrations.voucherify.answers import answer, answer_list, instant, nothing
from integrations.voucherify.entry import Call, Way, invalid, not_found, view
from loyalty.models import RuleAssignment, ValidationRule
from loyalty.validation_rules import rules
from loyalty.validation_rules.rule_translation import from_voucherify, to_voucherify
from loyalty.voucherify import said
from loyalty.voucherify.assigned import describe_assignment
from loyalty.voucherify.finding import find_campaign, find_rule, find_voucher
from segments.lifecycle import known_segments
from segments.models import Segment

_VIEW, _ADD, _CHANGE, _DELETE = (
    "loyalty.view_validationrule",
    "loyalty.add_validationrule",
    "loyalty.change_validationrule",
    "loyalty.delete_validationrule",
)
_CONTEXT = "global"
_SMALL = 2**31


def create(call: Call) -> HttpResponse:
    """Keep a rule; it holds for nothing yet."""
    body = call.body
    given = body.get("rules")
    rule = rules.create_rule(
        name=said.text(body, "name"),
        document=_document(given or {}, call),
        message=_message(body),
        original=_original(body),
        actor=call.caller.actor,
        at=call.at,
    )
    return answer(_describe_many([rule], call)[0])


def change(call: Call) -> HttpResponse:
    """Change what is named of a rule; it holds at once."""
    body, rule = call.body, find_rule(call.parts["reference"])
    changes: dict[str, Any] = {}
    if "name" in body:
        changes["name"] = said.text(body, "name")
    if "error" in body:
        changes["message"] = _message(body)
    if "rules" in body:
        changes["document"] = _document(body["rules"], call)
        changes["original"] = _original(body)
    rule = rules.update_rule(rule, actor=call.caller.actor, at=call.at, **changes)
    return answer(_describe_many([rule], call)[0])


def show(call: Call) -> HttpResponse:
    """One rule."""
    return answer(_describe_many([find_rule(call.parts["reference"])], call)[0])


def show_list(call: Call) -> HttpResponse:
    """Rules, the newest first."""
    found = ValidationRule.objects.order_by("-pk")
    start, limit = call.page()
    page = list(found[start : start + limit])
    return answer_list("data", _describe_many(page, call), found.count())


def delete(call: Call) -> HttpResponse:
    """Forget a rule that holds for nothing."""
    rule = find_rule(call.parts["reference"])
    rules.delete_rule(rule, actor=call.caller.actor, at=call.at)
    return nothing()


def assign(call: Call) -> HttpResponse:
    """Let a rule hold for a campaign or a voucher."""
    body, rule = call.body, find_rule(call.parts["reference"])
    kind = said.text(body, "related_object_type")
    reference = said.text(body, "related_object_id")
    if kind == "campaign":
        thing: dict[str, Any] = {"campaign": find_campaign(reference, call)}
    elif kind == "voucher":
        thing = {"voucher": find_voucher(reference, call)}
    else:
        raise invalid(_("“related_object_type” has to be “campaign” or “voucher”."))
    made = rules.assign_rule(rule, actor=call.caller.actor, at=call.at, **thing)
    return answer(describe_assignment(made))


def show_assignments(call: Call) -> HttpResponse:
    """What a rule holds for, of what the caller may know of."""
    found = rules.assigned_to(find_rule(call.parts["reference"]), actor=call.caller.actor)
    known = [one.assignment for one in found if one.thing is not None]
    start, limit = call.page()
    rows = [describe_assignment(one) for one in known[start : start + limit]]
    return answer_list("data", rows, len(known))


def unassign(call: Call) -> HttpResponse:
    """Let a rule hold for that no longer."""
    rule, reference = find_rule(call.parts["reference"]), call.parts["assignment"]
    number = ids.read("asgm", reference)
    found = None
    if number is not None:
        found = RuleAssignment.objects.filter(rule=rule, pk=number).first()
    if found is None:
        raise not_found("validation_rules_assignment", reference)
    rules.unassign_rule(found, actor=call.caller.actor, at=call.at)
    return nothing()


def _describe_many(found: Sequence[ValidationRule], call: Call) -> list[dict[str, Any]]:
    """Rules in a constant number of queries; those made here in our words, as well as can be."""
    counts = dict(
        RuleAssignment.objects.filter(rule__in=found)
        .values_list("rule_id")
        .annotate(count=Count("pk"))
        .order_by()
    )
    segments = {one.key: one.pk for one in known_segments(call.caller.actor).only("pk", "key")}
    return [_describe(one, counts.get(one.pk, 0), segments) for one in found]


def _describe(rule: ValidationRule, count: int, segments: Mapping[str, int]) -> dict[str, Any]:
    original = rule.original if isinstance(rule.original, Mapping) else {}
    shown = original.get("rules") or to_voucherify(
        rule.document, segment_id=lambda key: f"seg_{segments[key]}" if key in segments else key
    )
    return {
        "id": f"val_{rule.pk}",
        "name": rule.name,
        "rules": shown,
        "error": {"message": rule.message} if rule.message else None,
        "applicable_to": {"excluded": [], "included": [], "included_all": True},
        "type": "basic",
        "context_type": original.get("context_type") or _CONTEXT,
        "assignments_count": count,
        "created_at": instant(rule.created_at),
        "updated_at": instant(rule.updated_at),
        "object": "validation_rules",
    }


def _document(given: Any, call: Call) -> dict[str, Any]:
    known = known_segments(call.caller.actor)

    def segment_key(reference: str) -> str | None:
        # A rule names few segments, and each has to be one that the caller knows.
        number = ids.read("seg", reference)
        if number is None:
            named = known.filter(key=reference) if "\0" not in reference else Segment.objects.none()
        else:
            named = known.filter(pk=number) if number < _SMALL else Segment.objects.none()
        return named.values_list("key", flat=True).first()

    return from_voucherify(given, segment_key=segment_key)


def _message(body: Mapping[str, Any]) -> str:
    """What whom the rule refuses is told."""
    return said.text(said.mapping(body, "error"), "message", "error.message")


def _original(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the clients find again as they sent it."""
    context = said.text(body, "context_type")
    return {"rules": body.get("rules") or {}, "context_type": context or _CONTEXT}


RULES = view("validation-rules", {"POST": Way(create, _ADD), "GET": Way(show_list, _VIEW)})
RULE = view(
    "validation-rules",
    {"GET": Way(show, _VIEW), "PUT": Way(change, _CHANGE), "DELETE": Way(delete, _DELETE)},
)
ASSIGNMENTS = view(
    "validation-rules/assignments",
    {"POST": Way(assign, _CHANGE), "GET": Way(show_assignments, _VIEW)},
)
ASSIGNMENT = view("validation-rules/assignments", {"DELETE": Way(unassign, _CHANGE)})
