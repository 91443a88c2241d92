"""What validation rules name: told beside segments, definitions and events before those go."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Count, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext

from contacts.definitions import Kind, register_uses
from contacts.event_uses import EventUse, register_event_use
from loyalty.models import ValidationRule
from segments.documents import named_definitions, named_events, named_segments
from segments.models import Segment
from segments.thing_uses import names_thing, register_thing_use
from segments.uses import Use, register_use
from workspace.access import Actor

_MAY = "loyalty.view_validationrule"


def rules_naming(text: str) -> list[ValidationRule]:
    """The rules in whose document a text stands, by name, with the number of their assignments."""
    documents = ValidationRule.objects.annotate(written=Cast("document", TextField()))
    found = documents.filter(written__contains=text).order_by("name", "pk")
    return list(found.annotate(assignment_count=Count("assignments")))


def _uses(segment: Segment) -> list[Use]:
    return [
        Use(
            rule.name,
            key=rule.key,
            url=_page(rule),
            state=_state(rule),
            effect=gettext_lazy("refuses everybody until the segment is active again"),
            is_visible=_may_see,
        )
        for rule in rules_naming('"segment"')
        if segment.key in named_segments(rule.document)
    ]


def _naming_thing(thing: str, key: str) -> list[Use]:
    return [
        Use(rule.name, key=rule.key, url=_page(rule), state=_state(rule), is_visible=_may_see)
        for rule in rules_naming(f'"{key}"')
        if names_thing(rule.document, thing, key)
    ]


def _named_ids() -> Iterable[int]:
    named = {key for rule in rules_naming('"segment"') for key in named_segments(rule.document)}
    return Segment.objects.filter(key__in=named).values_list("pk", flat=True)


def _naming_definition(kind: Kind, key: str, actor: Actor) -> list[str]:
    # Keys have no letters that JSON escapes: whoever names it has it in the text.
    return [
        rule.name
        for rule in rules_naming(key)
        if (kind.value, key) in named_definitions(rule.document)
    ]


def _naming_events(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    asked, found = set(names), dict[str, list[EventUse]]()
    for rule in rules_naming('"event'):
        use = EventUse(rule.name, is_hidden=True)
        if actor.may(_MAY):
            use = EventUse(rule.name, _page(rule), _state(rule))
        for name in named_events(rule.document) & asked:
            found.setdefault(name, []).append(use)
    return found


def _state(rule: Any) -> str:
    count = rule.assignment_count
    if not count:
        return str(gettext_lazy("holds for nothing"))
    return ngettext("holds for %(count)d", "holds for %(count)d", count) % {"count": count}


def _page(rule: ValidationRule) -> str:
    return reverse("admin:loyalty_validationrule_change", args=[rule.pk])


def _may_see(actor: Actor) -> bool:
    return actor.may(_MAY)


def register() -> None:
    """Have rules told of beside what they name."""
    label = gettext_lazy("Validation rule")
    register_use("validation_rule", label, _uses, find_ids=_named_ids)
    register_thing_use("validation_rule", label, _naming_thing)
    register_uses("validation_rules", _naming_definition)
    register_event_use("validation_rule", label, _naming_events)
