"""Validation rules: made, changed, deleted, assigned to what they hold for, and asked.

A rule holds for the campaigns, vouchers and distributions that it is assigned to. A card is given
where the rules of its campaign and of the distribution let the contact through; it pays where
those of its campaign and its own do. `judge` asks them; docs/validation_rules.md is the language.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty.errors import (
    AssignedUnknown,
    AssignmentUnknown,
    RuleAssignedAlready,
    RuleInUse,
    RuleInvalid,
    RuleUnknown,
)
from loyalty.models import Campaign, Distribution, RuleAssignment, ValidationRule, Voucher
from loyalty.validation_rules.judging import Purpose as Purpose  # what callers need to ask
from loyalty.validation_rules.judging import Refusal as Refusal
from loyalty.validation_rules.judging import has_budget as has_budget
from loyalty.validation_rules.judging import judge as judge
from loyalty.validation_rules.judging import lock_budgets as lock_budgets
from loyalty.validation_rules.rule_documents import MESSAGE_LIMIT
from loyalty.validation_rules.rule_documents import check_document as check_document
from loyalty.validation_rules.rule_facts import Use as Use
from segments.definitions import NAME_LIMIT, Faults, check_key, free_key
from segments.documents import named_segments
from segments.lifecycle import require_usable
from segments.masks import Mask
from segments.models import Segment
from workspace import access, audit
from workspace.access import Actor

_DESCRIPTION_LIMIT = 2000
_TEXTS = {"name": NAME_LIMIT, "description": _DESCRIPTION_LIMIT, "message": MESSAGE_LIMIT}


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a rule is assigned to, as one may know of it: `thing` is None where one may not."""

    assignment: RuleAssignment
    kind: str
    thing: Campaign | Voucher | Distribution | None


def find_rule(key: str, *, actor: Actor) -> ValidationRule:
    """The rule of this key. Raises RuleUnknown."""
    found = ValidationRule.objects.filter(key=key).first()
    if found is None:
        raise RuleUnknown(_("There is no validation rule “%(key)s”.") % {"key": key})
    return found


@transaction.atomic
def create_rule(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    document: Any,
    key: str = "",
    description: str = "",
    message: str = "",
    original: Any = None,
    is_demo: bool = False,
) -> ValidationRule:
    """Keep a rule by name; without a key one is made. It holds for nothing yet.

    `original` is the rule as a client of Voucherify wrote it. Raises RuleInvalid with all faults.
    """
    access.require(actor, "loyalty.add_validationrule")
    faults = Faults()
    kept = _texts({"name": name, "description": description, "message": message}, faults)
    if key:
        check_key(key, faults, model=ValidationRule)
    _check(document, actor, faults)
    rule = ValidationRule.objects.create(
        key=key or free_key(kept["name"], model=ValidationRule),
        document=document,
        original=original,
        created_at=at,
        is_demo=is_demo,
        **kept,
    )
    _record("created", rule, audit.difference({}, _told(rule)), actor=actor, at=at)
    return rule


@transaction.atomic
def update_rule(
    rule: ValidationRule, *, actor: Actor, at: datetime, **changes: Any
) -> ValidationRule:
    """Change what is named: name, description, message, document, original; the key stays.

    It holds at once for all that the rule is assigned to. Raises RuleInvalid with all faults.
    """
    access.require(actor, "loyalty.change_validationrule")
    unknown = changes.keys() - {*_TEXTS, "document", "original"}
    if unknown:
        raise TypeError(f"The {', '.join(sorted(unknown))} of a rule cannot be changed.")
    rule = _hold(rule)
    before, faults = _told(rule), Faults()
    kept = _texts(changes, faults)
    mask = Mask(actor)
    if "document" in changes and not mask.is_unchanged(changes["document"], rule.document):
        earlier, document = rule.document, mask.lifted(changes["document"], rule.document)
        _check(document, actor, faults, kept=earlier)
        rule.document = document
        rule.original = changes.get("original")
    elif faults.problems:
        raise RuleInvalid((), faults.problems)
    for name, value in kept.items():
        setattr(rule, name, value)
    difference = audit.difference(before, _told(rule))
    if difference:
        rule.save()
        _record("updated", rule, difference, actor=actor, at=at)
    return rule


@transaction.atomic
def delete_rule(rule: ValidationRule, *, actor: Actor, at: datetime) -> None:
    """Forget a rule. Raises RuleInUse, with the names, while it holds for something."""
    access.require(actor, "loyalty.delete_validationrule")
    rule = _hold(rule)
    if assigned := assigned_to(rule, actor=actor):
        message = _("“%(name)s” holds for %(things)s. Take it away there first.")
        words = {"name": rule.name, "things": describe_assigned(assigned)}
        raise RuleInUse(message % words)
    _record("deleted", rule, audit.difference(_told(rule), {}), actor=actor, at=at)
    rule.delete()


@transaction.atomic
def assign_rule(
    rule: ValidationRule,
    *,
    campaign: Campaign | None = None,
    voucher: Voucher | None = None,
    distribution: Distribution | None = None,
    actor: Actor,
    at: datetime,
) -> RuleAssignment:
    """Let a rule hold for one campaign, voucher or distribution, from now on.

    Raises AssignedUnknown where the actor may not know of that, RuleAssignedAlready.
    """
    access.require(actor, "loyalty.change_validationrule")
    given = {"campaign": campaign, "voucher": voucher, "distribution": distribution}
    things = {kind: thing for kind, thing in given.items() if thing is not None}
    if len(things) != 1:
        raise TypeError("A rule is assigned to one thing.")
    [(kind, thing)] = things.items()
    rule = _hold(rule)
    if not _knows(thing, actor):
        raise AssignedUnknown(_("There is no such thing that the rule could hold for."))
    try:
        with transaction.atomic():
            assignment = RuleAssignment.objects.create(rule=rule, created_at=at, **things)
    except IntegrityError as error:
        message = _("“%(rule)s” holds for “%(thing)s” already.") % {"rule": rule, "thing": thing}
        raise RuleAssignedAlready(message) from error
    _record("assigned", rule, {kind: [None, str(thing)]}, actor=actor, at=at)
    return assignment


@transaction.atomic
def unassign_rule(assignment: RuleAssignment, *, actor: Actor, at: datetime) -> None:
    """Let a rule hold for that no longer. Raises AssignmentUnknown where it did not."""
    access.require(actor, "loyalty.change_validationrule")
    rows = RuleAssignment.objects.select_for_update(of=("self",)).select_related("rule")
    held = rows.filter(pk=assignment.pk).first()
    if held is None or (assigned := _assigned(held, actor)).thing is None:
        raise AssignmentUnknown(_("The rule does not hold for that."))
    changes = {assigned.kind: [str(assigned.thing), None]}
    _record("unassigned", held.rule, changes, actor=actor, at=at)
    held.delete()


def rules_for(
    *,
    campaign: Campaign | int | None = None,
    voucher: Voucher | int | None = None,
    distribution: Distribution | int | None = None,
) -> list[ValidationRule]:
    """The rules that hold for any of these, given as things or by id, in a fixed order.

    One query. Whoever asks for a voucher names its campaign as well.
    """
    given = {"campaign": campaign, "voucher": voucher, "distribution": distribution}
    asked = Q(pk__in=[])
    for kind, thing in given.items():
        if thing is not None:
            pk = thing if isinstance(thing, int) else thing.pk
            asked |= Q(**{f"{kind}_id": pk})
    ids = RuleAssignment.objects.filter(asked).values("rule_id")
    return list(ValidationRule.objects.filter(pk__in=ids).order_by("pk"))


def assigned_to(rule: ValidationRule, *, actor: Actor) -> list[Assigned]:
    """What the rule holds for, the oldest first."""
    rows = RuleAssignment.objects.filter(rule=rule).order_by("pk")
    related = rows.select_related("campaign", "voucher__campaign", "distribution__campaign")
    groups = (
        "campaign__groups",
        "voucher__campaign__groups",
        "distribution__campaign__groups",
    )
    return [_assigned(row, actor) for row in related.prefetch_related(*groups)]


def describe_assigned(assigned: Sequence[Assigned]) -> str:
    """The names of what a rule holds for; of what one may not know of how many."""
    names = [f"“{one.thing}”" for one in assigned if one.thing is not None]
    shown, more = names[:5], len(assigned) - min(5, len(names))
    if more:
        shown.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    return ", ".join(shown)


def _assigned(row: RuleAssignment, actor: Actor) -> Assigned:
    for kind in ("campaign", "voucher", "distribution"):
        thing = getattr(row, kind)
        if thing is not None:
            return Assigned(row, kind, thing if _knows(thing, actor) else None)
    raise ValueError(f"Assignment {row.pk} is of nothing.")


def _knows(thing: Campaign | Voucher | Distribution, actor: Actor) -> bool:
    campaign = thing if isinstance(thing, Campaign) else thing.campaign
    return access.is_visible(campaign, actor)


def _hold(rule: ValidationRule) -> ValidationRule:
    """It as it is now, locked until the transaction ends."""
    held = ValidationRule.objects.select_for_update().filter(pk=rule.pk).first()
    if held is None:
        raise RuleUnknown(_("There is no validation rule “%(key)s”.") % {"key": rule.key})
    return held


def _texts(given: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The texts among `given`, trimmed."""
    kept = {name: str(given[name] or "").strip() for name in _TEXTS if name in given}
    for name, text in kept.items():
        if len(text) > _TEXTS[name]:
            message = _("At most %(limit)d characters.") % {"limit": _TEXTS[name]}
            faults.add(name, "too_long", message)
        if "\0" in text:
            faults.add(name, "invalid", _("The text holds a character that cannot be kept."))
    if kept.get("name") == "":
        faults.add("name", "required", _("Give it a name."))
    return kept


def _check(document: Any, actor: Actor, faults: Faults, *, kept: Any = None) -> None:
    """Raise RuleInvalid with all faults. Segments that begin to be used are locked as usable."""
    found = check_document(document, actor, kept=kept)
    if found or faults.problems:
        raise RuleInvalid(found, faults.problems)
    begun = named_segments(document) - (named_segments(kept) if kept is not None else frozenset())
    for segment in Segment.objects.filter(key__in=begun).order_by("pk"):
        # Few, and each has to stay in use until this is written.
        require_usable(segment, actor=actor)


def _told(rule: ValidationRule) -> dict[str, Any]:
    """What the audit trail tells of it."""
    return {
        "name": rule.name,
        "description": rule.description,
        "message": rule.message,
        "document": rule.document,
    }


def _record(
    verb: str, rule: ValidationRule, changes: dict[str, Any], *, actor: Actor, at: datetime
) -> None:
    action = f"validation_rule.{verb}"
    audit.record(actor=actor, action=action, subject=rule, changes=changes, at=at)


def known_things(actor: Actor) -> dict[str, Iterable[Campaign | Distribution]]:
    """What the actor may assign a rule to by name: campaigns and distributions that he knows."""
    campaigns = access.visible(Campaign.objects.all(), actor)
    distributions = Distribution.objects.filter(campaign__in=campaigns.order_by().values("pk"))
    return {"campaign": campaigns.order_by("name"), "distribution": distributions.order_by("name")}
