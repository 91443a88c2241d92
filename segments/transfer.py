"""Definitions of segments as JSON, out and in: to keep them in files and carry them elsewhere.

Rule-based events, for which segments may ask, are in the file of all segments.

Members do not travel: they are calculated where the definitions arrive. What was loaded is
loaded again without effect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from segments import lifecycle, rule_transfer
from segments.documents import dependencies_first, named_segments
from segments.models import Segment
from workspace import audit
from workspace.access import Actor
from workspace.errors import DomainError, InputInvalid, Problem

FORMAT = "regulars.segments/1"
_STATUSES = (Segment.Status.ACTIVE, Segment.Status.INACTIVE)
_REQUIRED = {"key": str, "name": str, "criteria": dict}
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "description": (str,),
    "status": (str,),
    "groups": (list,),
    "members_only": (bool,),
    "refresh": (dict,),
    "readiness_hours": (int, type(None)),
}


@dataclass(slots=True)
class Loaded:
    """The keys (of rules the names) of what was made, changed, and found as it is in the file."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def dump_definitions(keys: Iterable[str] | None = None) -> dict[str, Any]:
    """The definitions of all segments but archived ones, with the rules; or of these keys alone."""
    segments = Segment.objects.filter(status__in=_STATUSES, source=Segment.Source.CRITERIA)
    if keys is not None:
        segments = segments.filter(key__in=list(keys))
    ordered = segments.order_by("key").prefetch_related("groups")
    dumped = {"format": FORMAT, "segments": [_definition(segment) for segment in ordered]}
    rules = rule_transfer.dump_rules() if keys is None else []
    return {**dumped, "rule_events": rules} if rules else dumped


@transaction.atomic
def load_definitions(document: Any, *, actor: Actor, at: datetime) -> Loaded:
    """Make or change segments so that they are as a file says; all of them, or none.

    Raises InputInvalid with every fault; paths begin with the place in the file.
    """
    definitions = _checked(document)
    references = {key: named_segments(found["criteria"]) for key, found in definitions.items()}
    present = {segment.key: segment for segment in Segment.objects.filter(key__in=definitions)}
    places = {key: place for place, key in enumerate(definitions)}
    loaded = Loaded()
    done, problems = rule_transfer.load_rules(document.get("rule_events", []), actor=actor, at=at)
    loaded.created += done["created"]
    loaded.updated += done["updated"]
    loaded.unchanged += done["unchanged"]
    for key in dependencies_first(definitions, references):
        try:
            with transaction.atomic():
                _load(definitions[key], present.get(key), loaded, actor=actor, at=at)
        except DomainError as error:
            path = f"segments[{places[key]}]"
            found = error.problems or [Problem("", error.code, str(error))]
            problems += [
                Problem(f"{path}.{p.path}" if p.path else path, p.code, f"{key}: {p.message}")
                for p in found
            ]
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    return loaded


def _definition(segment: Segment) -> dict[str, Any]:
    every = None
    if segment.refresh_every is not None:
        every = {"amount": segment.refresh_amount, "unit": segment.refresh_unit}
    return {
        "key": segment.key,
        "name": segment.name,
        "description": segment.description,
        "status": segment.status,
        "groups": sorted(group.name for group in segment.groups.all()),
        "members_only": segment.members_only,
        "refresh": {"mode": segment.refresh_mode, "every": every},
        "readiness_hours": segment.readiness_hours,
        "criteria": segment.criteria,
    }


def _load(
    given: Mapping[str, Any],
    present: Segment | None,
    loaded: Loaded,
    *,
    actor: Actor,
    at: datetime,
) -> None:
    settings = _settings(given)
    if present is None:
        segment = lifecycle.create_segment(actor=actor, at=at, key=given["key"], **settings)
        loaded.created.append(segment.key)
    else:
        before = _definition(present)
        segment = lifecycle.update_segment(present, actor=actor, at=at, **settings)
    status = given.get("status", segment.status)
    if status != segment.status:
        verb = lifecycle.activate if status == Segment.Status.ACTIVE else lifecycle.inactivate
        segment = verb(segment, actor=actor, at=at)
    if present is not None:
        is_other = audit.difference(before, _definition(segment))
        (loaded.updated if is_other else loaded.unchanged).append(segment.key)


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    settings = {
        name: given[name]
        for name in ("name", "description", "criteria", "groups", "members_only", "readiness_hours")
        if name in given
    }
    if "refresh" in given:
        every = given["refresh"].get("every") or {}
        settings["refresh_mode"] = given["refresh"].get("mode")
        settings["refresh_amount"] = every.get("amount")
        settings["refresh_unit"] = every.get("unit") or ""
    return settings


def _checked(document: Any) -> dict[str, dict[str, Any]]:
    """The definitions by key, each of the right shape. Raises InputInvalid."""
    listed = document.get("segments") if isinstance(document, dict) else None
    if not isinstance(listed, list) or document.get("format") != FORMAT:
        message = _("This is no file of segments: it has to say “format”: “%(format)s”.")
        raise InputInvalid(message % {"format": FORMAT})
    found: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for place, given in enumerate(listed):
        path = f"segments[{place}]"
        faults = list(_shape_faults(given, path))
        problems += faults
        if not faults and found.setdefault(given["key"], given) is not given:
            message = _("The key stands in the file twice.")
            problems.append(Problem(f"{path}.key", "duplicate", message))
    problems += rule_transfer.shape_faults(document.get("rule_events", []))
    if problems:
        first = problems[0]
        raise InputInvalid(f"{first.path}: {first.message}", problems=problems)
    return found


def _shape_faults(given: Any, path: str) -> Iterable[Problem]:
    if not isinstance(given, dict):
        yield Problem(path, "malformed", _("A definition is an object."))
        return
    for name, kind in _REQUIRED.items():
        if not isinstance(given.get(name), kind) or not given[name]:
            yield Problem(f"{path}.{name}", "required", _("This has to be given."))
    for name in given.keys() - _REQUIRED.keys() - _OPTIONAL.keys():
        yield Problem(f"{path}.{name}", "unknown_field", _("There is no such setting."))
    for name, kinds in _OPTIONAL.items():
        value = given.get(name)
        is_number_or_flag = isinstance(value, bool) and bool not in kinds
        if name in given and (not isinstance(value, kinds) or is_number_or_flag):
            yield Problem(f"{path}.{name}", "malformed", _("This has the wrong shape."))
    if given.get("status", "active") not in _STATUSES:
        yield Problem(f"{path}.status", "invalid_choice", _("It is “active” or “inactive”."))
    yield from _refresh_faults(given.get("refresh"), f"{path}.refresh")
    groups = given.get("groups")
    if isinstance(groups, list) and not all(isinstance(name, str) for name in groups):
        yield Problem(f"{path}.groups", "malformed", _("Groups are given by their names."))


def _refresh_faults(refresh: Any, path: str) -> Iterable[Problem]:
    if not isinstance(refresh, dict):
        return
    every = refresh.get("every")
    if not isinstance(refresh.get("mode"), str):
        yield Problem(f"{path}.mode", "required", _("This has to be given."))
    if every is not None and not (
        isinstance(every, dict)
        and type(every.get("amount")) is int
        and isinstance(every.get("unit"), str)
    ):
        yield Problem(f"{path}.every", "malformed", _("It is an amount and a unit."))
