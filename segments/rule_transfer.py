"""Rule-based events in the files of segments: out and in, beside the segments that ask for them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from segments import rule_events
from segments.models import RuleEvent
from workspace.access import Actor
from workspace.errors import DomainError, Problem

_REQUIRED: dict[str, type] = {"name": str, "base": str, "where": dict}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "description": (str,),
    "payload": (list, type(None)),
    "namespace": (str,),
    "identifier": (str,),
    "enabled": (bool,),
}


def dump_rules() -> list[dict[str, Any]]:
    """The definitions of all rules, by name."""
    return [
        {
            "name": rule.name,
            "base": rule.base.name,
            **{name: getattr(rule, name) for name in rule_events.SETTINGS},
            "enabled": rule.is_enabled,
        }
        for rule in RuleEvent.objects.select_related("base").order_by("name")
    ]


def shape_faults(listed: Any) -> list[Problem]:
    """What is wrong with the shape of the rules of a file; paths begin with "rule_events"."""
    if not isinstance(listed, list):
        return [Problem("rule_events", "malformed", _("They are a list."))]
    return [fault for place, given in enumerate(listed) for fault in _faults(given, _path(place))]


def load_rules(
    listed: Iterable[Mapping[str, Any]], *, actor: Actor, at: datetime
) -> tuple[dict[str, list[str]], list[Problem]]:
    """Make or change rules so that they are as listed: the names by what was done, all faults.

    "created", "updated" or "unchanged". The base of a rule never changes.
    """
    done: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}
    problems: list[Problem] = []
    known = {rule.name: rule for rule in RuleEvent.objects.select_related("base")}
    for place, given in enumerate(listed):
        try:
            with transaction.atomic():
                done[_load(given, known.get(given["name"]), actor, at)].append(given["name"])
        except DomainError as error:
            found = error.problems or [Problem("", error.code, str(error))]
            problems += [
                Problem(f"{_path(place)}.{one.path}".rstrip("."), one.code, one.message)
                for one in found
            ]
    return done, problems


def _load(given: Mapping[str, Any], present: RuleEvent | None, actor: Actor, at: datetime) -> str:
    if present is None:
        rule_events.create_rule_event(actor=actor, at=at, **given)
        return "created"
    if present.base.name != given["base"]:
        message = _("The rule is on “%(base)s” here; the base of a rule never changes.")
        problem = Problem("base", "immutable", message % {"base": present.base.name})
        raise DomainError(problem.message, problems=[problem])
    settings = {name: given[name] for name in rule_events.SETTINGS if name in given}
    rule = rule_events.update_rule_event(present, actor=actor, at=at, **settings)
    is_other = rule.updated_at != present.updated_at
    if given.get("enabled", rule.is_enabled) != rule.is_enabled:
        switch = rule_events.disable_rule_event
        if given["enabled"]:
            switch = rule_events.enable_rule_event
        switch(rule, actor=actor, at=at)
        is_other = True
    return "updated" if is_other else "unchanged"


def _path(place: int) -> str:
    return f"rule_events[{place}]"


def _faults(given: Any, path: str) -> Iterable[Problem]:
    if not isinstance(given, dict):
        yield Problem(path, "malformed", _("A definition is an object."))
        return
    for name, kind in _REQUIRED.items():
        if not isinstance(given.get(name), kind) or not given[name]:
            yield Problem(f"{path}.{name}", "required", _("This has to be given."))
    for name in given.keys() - _REQUIRED.keys() - _OPTIONAL.keys():
        yield Problem(f"{path}.{name}", "unknown_field", _("There is no such setting."))
    for name, kinds in _OPTIONAL.items():
        if name in given and not isinstance(given[name], kinds):
            yield Problem(f"{path}.{name}", "malformed", _("This has the wrong shape."))
