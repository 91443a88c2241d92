"""Rule-based events: made, changed, switched on and off, deleted.

A rule-based event is a kind of event of its own, made of events of another kind, the base, for
which a condition holds; `segments.derivation` makes them. They are the workspace's, not a user
group's: a condition asks about an event alone.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts import event_notes, event_uses
from contacts.event_definitions import define_events
from contacts.event_uses import EventUse, Origin
from contacts.identities import check_namespace
from contacts.models import EventStatistic
from contacts.values import ValueRefused
from segments.errors import CriteriaRefused, RuleEventInUse, RuleEventUnknown
from segments.facts import parse_conditions
from segments.models import RuleEvent
from workspace import access, audit, locks
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem

NAME_LIMIT = 30
PAYLOAD_LIMIT = 100
PROPERTY_LIMIT = 200
DESCRIPTION_LIMIT = 10_000
WATCHER = "rules"
SETTINGS = ("description", "where", "payload", "namespace", "identifier")
_NAME = re.compile(rf"[A-Za-z0-9_]{{1,{NAME_LIMIT}}}")
_LOCK = "segments rule events"
# Words that stand where a name would in addresses.
_RESERVED = frozenset({"preview"})


def find_rule_event(name: str) -> RuleEvent:
    """The one of this name. Raises RuleEventUnknown."""
    found = RuleEvent.objects.select_related("base", "definition").filter(name=name).first()
    if found is None:
        raise RuleEventUnknown(name)
    return found


@transaction.atomic
def create_rule_event(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    base: str,
    where: Any,
    description: str = "",
    payload: Iterable[str] | None = None,
    namespace: str = "",
    identifier: str = "",
    enabled: bool = False,
    is_demo: bool = False,
) -> RuleEvent:
    """Define events named `name`, made of those named `base`. It need not have happened yet.

    `payload` are the properties to take over, all where it is None. Raises InputInvalid with all
    faults (CriteriaRefused where the condition has some).
    """
    access.require(actor, "segments.add_ruleevent")
    # One after the other, so that no two rules become each other's base.
    locks.lock(_LOCK)
    given = {
        "description": description,
        "where": where,
        "payload": payload,
        "namespace": namespace,
        "identifier": identifier,
    }
    problems = [*_name_problems(name), *_base_problems(base, name)]
    kept = _checked(given, problems)
    known = define_events([name, base])
    rule = RuleEvent.objects.create(
        name=name,
        definition_id=known[name].id,
        base_id=known[base].id,
        is_enabled=enabled,
        enabled_at=at if enabled else None,
        created_at=at,
        updated_at=at,
        is_demo=is_demo,
        **kept,
    )
    _record("created", rule, audit.difference({}, {"base": base, **_told(rule)}), actor, at)
    _watch()
    return rule


@transaction.atomic
def update_rule_event(rule: RuleEvent, *, actor: Actor, at: datetime, **changes: Any) -> RuleEvent:
    """Change what is named: description, where, payload, namespace, identifier.

    It holds for events received from now on; those that were made stay. Name and base are for
    ever: journeys and segments go by them. Raises InputInvalid with all faults.
    """
    rule = _hold(rule, actor)
    if unknown := changes.keys() - set(SETTINGS):
        raise TypeError(f"The {', '.join(sorted(unknown))} of a rule cannot be changed.")
    before = _told(rule)
    current = {name: getattr(rule, name) for name in SETTINGS}
    for name, value in _checked({**current, **changes}, []).items():
        setattr(rule, name, value)
    if difference := audit.difference(before, _told(rule)):
        rule.updated_at = at
        rule.save()
        _record("changed", rule, difference, actor, at)
    return rule


def enable_rule_event(rule: RuleEvent, *, actor: Actor, at: datetime) -> RuleEvent:
    """Make events of the base events received from now on; again without effect."""
    return _switch(rule, True, actor=actor, at=at)


def disable_rule_event(rule: RuleEvent, *, actor: Actor, at: datetime) -> RuleEvent:
    """Make no more events; those that were made stay. Again without effect."""
    return _switch(rule, False, actor=actor, at=at)


@transaction.atomic
def delete_rule_event(rule: RuleEvent, *, actor: Actor, at: datetime) -> None:
    """Forget the rule; its events and their definition stay. Cannot be undone.

    Raises RuleEventInUse where segments, journeys or others ask for its events.
    """
    access.require(actor, "segments.delete_ruleevent")
    rule = _held(rule)
    uses = event_uses.uses_of([rule.name], actor=actor)[rule.name]
    if uses:
        named = ", ".join(use.name for use in uses[:5])
        message = _("“%(name)s” cannot be deleted: %(uses)s ask for its events.")
        raise RuleEventInUse(message % {"name": rule, "uses": named})
    _record("deleted", rule, audit.difference(_told(rule), {}), actor, at)
    rule.delete()
    _watch()


def known_namespaces() -> list[str]:
    """The namespaces of identities that a rule may go by, the factory ones first."""
    found = set(RuleEvent.objects.exclude(namespace="").values_list("namespace", flat=True))
    return [*_FACTORY_NAMESPACES, *sorted(found - set(_FACTORY_NAMESPACES))]


_FACTORY_NAMESPACES = ("user_id", "email", "phone", "anonymous_id")


@transaction.atomic
def _switch(rule: RuleEvent, enabled: bool, *, actor: Actor, at: datetime) -> RuleEvent:
    rule = _hold(rule, actor)
    if rule.is_enabled != enabled:
        rule.is_enabled = enabled
        if enabled:
            rule.enabled_at = at
        rule.updated_at = at
        rule.save()
        changes = {"enabled": [not enabled, enabled]}
        _record("enabled" if enabled else "disabled", rule, changes, actor, at)
        _watch()
    return rule


def _watch() -> None:
    """Have the events of the bases of enabled rules noted."""
    enabled = RuleEvent.objects.filter(is_enabled=True)
    event_notes.watch(WATCHER, set(enabled.values_list("base_id", flat=True)))


def _hold(rule: RuleEvent, actor: Actor) -> RuleEvent:
    access.require(actor, "segments.change_ruleevent")
    return _held(rule)


def _held(rule: RuleEvent) -> RuleEvent:
    """The rule as it is now, locked until the transaction ends."""
    locks.lock(_LOCK)
    held = RuleEvent.objects.select_for_update().filter(pk=rule.pk).first()
    if held is None:
        raise RuleEventUnknown(rule.name)
    return held


def _name_problems(name: str) -> list[Problem]:
    if not _NAME.fullmatch(name):
        message = _("A name has 1 to %(limit)d letters (a to z), digits and underscores.")
        return [Problem("name", "invalid", message % {"limit": NAME_LIMIT})]
    if name in _RESERVED:
        message = _("This name cannot be used. Choose another one.")
        return [Problem("name", "unavailable", message)]
    if RuleEvent.objects.filter(name=name).exists():
        message = _("There is a rule-based event “%(name)s” already.")
        return [Problem("name", "unique", message % {"name": name})]
    if EventStatistic.objects.filter(definition__name=name).exists():
        message = _("Sources send events named “%(name)s”. Choose a name of its own for the rule.")
        return [Problem("name", "taken", message % {"name": name})]
    return []


def _base_problems(base: str, name: str) -> list[Problem]:
    if not base.strip() or len(base) > PROPERTY_LIMIT or "\0" in base:
        return [Problem("base", "required", _("Choose the event that it is made of."))]
    if base == name:
        return [Problem("base", "circular", _("An event cannot be made of itself."))]
    if RuleEvent.objects.filter(name=base).exists():
        message = _(
            "“%(base)s” is made by a rule itself. Choose the event that this rule is on, and put"
            " both conditions into one."
        )
        return [Problem("base", "circular", message % {"base": base})]
    if name and RuleEvent.objects.filter(base__name=name).exists():
        message = _("A rule is on “%(name)s” itself: an event made by a rule cannot be its base.")
        return [Problem("name", "circular", message % {"name": name})]
    return []


def _checked(given: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """What is given as it is to be kept. Raises InputInvalid with these problems and its own."""
    kept = dict(given)
    kept["description"] = str(given["description"] or "").strip()
    if len(kept["description"]) > DESCRIPTION_LIMIT or "\0" in kept["description"]:
        words = {"limit": DESCRIPTION_LIMIT}
        message = _("A description has at most %(limit)d characters.") % words
        problems.append(Problem("description", "too_long", message))
    kept["payload"] = _payload(given["payload"], problems)
    kept["namespace"] = str(given["namespace"] or "").strip()
    kept["identifier"] = str(given["identifier"] or "").strip().removeprefix("properties.")
    problems += _identity_problems(kept["namespace"], kept["identifier"])
    try:
        parse_conditions(given["where"])
    except CriteriaRefused as refused:
        refused.problems = (*problems, *refused.problems)
        raise
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    return kept


def _payload(names: Any, problems: list[Problem]) -> list[str] | None:
    if names is None:
        return None
    listed = list(dict.fromkeys(names))
    if len(listed) > PAYLOAD_LIMIT:
        message = _("At most %(limit)d properties can be chosen.") % {"limit": PAYLOAD_LIMIT}
        problems.append(Problem("payload", "too_many", message))
    for place, name in enumerate(listed):
        if not isinstance(name, str) or not 0 < len(name) <= PROPERTY_LIMIT or "\0" in name:
            message = _("The name of a property has 1 to %(limit)d characters.")
            words = {"limit": PROPERTY_LIMIT}
            problems.append(Problem(f"payload[{place}]", "invalid", message % words))
    return listed


def _identity_problems(namespace: str, identifier: str) -> list[Problem]:
    if not namespace and not identifier:
        return []
    if not namespace:
        message = _("Choose the namespace in which “%(name)s” is somebody's identity.")
        return [Problem("namespace", "required", message % {"name": identifier})]
    try:
        check_namespace(namespace)
    except ValueRefused as refused:
        return [Problem("namespace", "invalid", str(refused))]
    if not identifier:
        message = _("Name the property whose value is the identity.")
        return [Problem("identifier", "required", message)]
    if len(identifier) > PROPERTY_LIMIT or "\0" in identifier or "" in identifier.split("."):
        message = _("The name of a property has 1 to %(limit)d characters.")
        return [Problem("identifier", "invalid", message % {"limit": PROPERTY_LIMIT})]
    return []


def _told(rule: RuleEvent) -> dict[str, Any]:
    """What the audit trail tells of a rule."""
    return {name: getattr(rule, name) for name in SETTINGS}


def _record(
    verb: str, rule: RuleEvent, changes: Mapping[str, Any], actor: Actor, at: datetime
) -> None:
    action = f"rule_event.{verb}"
    audit.record(actor=actor, action=action, subject=rule, changes=changes, at=at)


def _origins(names: Collection[str], actor: Actor) -> dict[str, Origin]:
    rules = RuleEvent.objects.filter(name__in=names)
    may_look = actor.may("segments.view_ruleevent")
    return {
        name: Origin(gettext_lazy("rule based"), name, _address(pk) if may_look else "")
        for name, pk in rules.values_list("name", "pk")
    }


def _uses(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    """The rules on events of these names."""
    may_look = actor.may("segments.view_ruleevent")
    found: dict[str, list[EventUse]] = {}
    rules = RuleEvent.objects.filter(base__name__in=names).order_by("name")
    for base, name, pk, is_enabled in rules.values_list("base__name", "name", "pk", "is_enabled"):
        state = gettext_lazy("enabled") if is_enabled else gettext_lazy("off")
        url = _address(pk) if may_look else ""
        found.setdefault(base, []).append(EventUse(name, url, state))
    return found


def _address(pk: int) -> str:
    return reverse("admin:segments_ruleevent_change", args=[pk])


def register() -> None:
    """Have rule-based events told of beside the events that they are made of, and beside theirs."""
    event_uses.register_event_use("rule_event", gettext_lazy("Rule-based event"), _uses)
    event_uses.register_origin("rule_event", _origins)
