"""The words of the workspace: attributes, tags, categories, consents and metrics.

A key is for ever, and so is the type of a value: criteria, files and programs go by them. What is
used cannot be deleted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.consent_words import translation_problems
from contacts.errors import DefinitionInUse, DefinitionInvalid, DefinitionUnknown
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    ConsentEntry,
    Contact,
    ContactCategory,
    ContactTag,
    MetricDefinition,
    MetricValue,
    Tag,
)
from contacts.ready_metrics import READY_METRICS
from contacts.values import TEXT_LIMIT, Type
from workspace import audit
from workspace.access import Actor
from workspace.errors import Problem

Definition = AttributeDefinition | Tag | Category | ConsentDefinition | MetricDefinition
# The names of what uses a definition above this floor, for people.
FindUses = Callable[["Kind", str, Actor], list[str]]

CHOICE_LIMIT = 1000
_WITH_CHOICES = {Type.TEXT, Type.LIST}
_find_uses: dict[str, FindUses] = {}


class Kind(StrEnum):
    """What can be defined."""

    ATTRIBUTE = "attribute"
    TAG = "tag"
    CATEGORY = "category"
    CONSENT = "consent"
    METRIC = "metric"


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Where definitions of a kind are kept, what is said of them, who has some of it."""

    model: type[Definition]
    label: str | Promise
    is_on_contacts: Callable[[Any], bool]
    said_once: frozenset[str] = frozenset({"key"})
    said: frozenset[str] = field(default=frozenset({"label"}))


_SHELVES: dict[Kind, _Shelf] = {
    Kind.ATTRIBUTE: _Shelf(
        AttributeDefinition,
        gettext_lazy("attribute"),
        lambda one: Contact.objects.filter(attributes__has_key=one.key).exists(),
        frozenset({"key", "type"}),
        frozenset({"label", "choices", "description"}),
    ),
    Kind.TAG: _Shelf(
        Tag,
        gettext_lazy("tag"),
        lambda one: ContactTag.objects.filter(tag=one).exists(),
    ),
    Kind.CATEGORY: _Shelf(
        Category,
        gettext_lazy("category"),
        lambda one: ContactCategory.objects.filter(category=one).exists(),
    ),
    Kind.CONSENT: _Shelf(
        ConsentDefinition,
        gettext_lazy("consent"),
        lambda one: ConsentEntry.objects.filter(definition=one).exists(),
        said=frozenset({"label", "description", "is_public", "translations"}),
    ),
    Kind.METRIC: _Shelf(
        MetricDefinition,
        gettext_lazy("metric"),
        lambda one: MetricValue.objects.filter(metric=one).exists(),
        frozenset({"key", "type"}),
        frozenset({"label", "description"}),
    ),
}


def register_uses(room: str, find: FindUses) -> None:
    """Let an upper floor say what of its own names a definition. May be called again."""
    _find_uses[room] = find


def uses_of(kind: Kind, key: str, actor: Actor) -> list[str]:
    """The names of what uses a definition above this floor, as the actor may know them."""
    return [name for find in _find_uses.values() for name in find(kind, key, actor)]


def model_of(kind: Kind) -> type[Definition]:
    """The model that keeps definitions of a kind."""
    return _SHELVES[kind].model


def create_definition(
    kind: Kind, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> Definition:
    """Define a word. Raises DefinitionInvalid with every fault."""
    shelf = _SHELVES[kind]
    definition = shelf.model(**_known(values, shelf.said | shelf.said_once))
    _check(definition, kind)
    try:
        with transaction.atomic():
            definition.save(force_insert=True)
            audit.record(
                actor=actor,
                action=f"{kind}.defined",
                subject=definition,
                changes=audit.difference({}, values),
                at=at,
            )
    except IntegrityError as error:
        # Somebody else took the key this moment.
        message = _("The key “%(key)s” is taken.") % {"key": definition.key}
        raise _invalid([Problem("key", "unique", message)]) from error
    return definition


@transaction.atomic
def change_definition(
    kind: Kind, key: str, *, values: Mapping[str, Any], actor: Actor, at: datetime
) -> Definition:
    """Change what is named. Raises DefinitionUnknown, DefinitionInvalid with every fault."""
    definition = _hold(kind, key)
    before = {name: getattr(definition, name) for name in values}
    for name, value in _known(values, _SHELVES[kind].said).items():
        setattr(definition, name, value)
    _check(definition, kind)
    after = {name: getattr(definition, name) for name in values}
    if changes := audit.difference(before, after):
        definition.save(update_fields=list(changes))
        audit.record(
            actor=actor, action=f"{kind}.changed", subject=definition, changes=changes, at=at
        )
    return definition


@transaction.atomic
def delete_definition(kind: Kind, key: str, *, actor: Actor, at: datetime) -> None:
    """Delete a definition that nothing uses.

    What Regulars computed of a metric goes with it. Raises DefinitionUnknown, and DefinitionInUse
    where contacts have it, where something above this floor names it, for a metric that comes with
    the product, and for one by which another is ranked.
    """
    definition = _hold(kind, key)
    words = {"kind": _SHELVES[kind].label, "key": key}
    is_computed = isinstance(definition, MetricDefinition) and definition.is_computed
    if isinstance(definition, MetricDefinition) and is_computed:
        _check_computed(definition)
    if uses := uses_of(kind, key, actor):
        message = _("The %(kind)s “%(key)s” cannot be deleted: %(uses)s ask for it.")
        raise DefinitionInUse(message % {**words, "uses": ", ".join(uses[:5])})
    if not is_computed and _SHELVES[kind].is_on_contacts(definition):
        message = _("The %(kind)s “%(key)s” cannot be deleted: contacts have it.")
        raise DefinitionInUse(message % words)
    audit.record(actor=actor, action=f"{kind}.deleted", subject=definition, at=at)
    definition.delete()


def is_ready(metric: MetricDefinition) -> bool:
    """Whether a metric comes with the product: its key is told everywhere, and it stays."""
    return metric.is_computed and (bool(metric.computed.computation) or metric.key in READY_METRICS)


def _check_computed(metric: MetricDefinition) -> None:
    words = {"kind": _SHELVES[Kind.METRIC].label, "key": metric.key}
    if is_ready(metric):
        message = _("The %(kind)s “%(key)s” cannot be deleted: Regulars computes it.")
        raise DefinitionInUse(message % words)
    if (rank := metric.ranks.select_related("metric").first()) is not None:
        message = _("The %(kind)s “%(key)s” cannot be deleted: “%(rank)s” ranks by it.")
        raise DefinitionInUse(message % {**words, "rank": rank.metric.label})


def find_definition(kind: Kind, key: str) -> Definition:
    """The definition of this key. Raises DefinitionUnknown."""
    return _found(kind, key, _SHELVES[kind].model._default_manager.filter(key=key).first())


def _hold(kind: Kind, key: str) -> Definition:
    """The same, locked until the transaction ends: no contact gets it meanwhile."""
    known = _SHELVES[kind].model._default_manager.select_for_update()
    return _found(kind, key, known.filter(key=key).first())


def _found(kind: Kind, key: str, definition: Definition | None) -> Definition:
    if definition is None:
        message = _("There is no %(kind)s “%(key)s”.")
        raise DefinitionUnknown(message % {"kind": _SHELVES[kind].label, "key": key[:63]})
    return definition


def _known(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    if unknown := values.keys() - names:
        raise TypeError(f"Not said of a definition: {', '.join(sorted(unknown))}.")
    return dict(values)


def _check(definition: Definition, kind: Kind) -> None:
    problems = []
    definition.label = definition.label.strip()
    if isinstance(definition, AttributeDefinition):
        problems += _choice_problems(definition)
    if isinstance(definition, ConsentDefinition):
        problems += translation_problems(definition.translations)
    try:
        definition.full_clean(exclude=["choices", "translations"])
    except ValidationError as error:
        problems += [
            Problem(name, fault.code or "invalid", message)
            for name, faults in error.error_dict.items()
            for fault in faults
            for message in fault.messages
        ]
    if problems:
        raise _invalid(problems)


def _choice_problems(definition: AttributeDefinition) -> list[Problem]:
    choices = definition.choices
    if not isinstance(choices, list) or not all(isinstance(one, str) for one in choices):
        return [Problem("choices", "wrong_type", _("The choices are a list of texts."))]
    if choices and definition.type not in _WITH_CHOICES:
        message = _("Only texts and lists have choices.")
        return [Problem("choices", "not_applicable", message)]
    if len(choices) > CHOICE_LIMIT:
        message = _("At most %(limit)d choices.") % {"limit": CHOICE_LIMIT}
        return [Problem("choices", "too_many", message)]
    if definition.type == AttributeDefinition.Type.LIST:
        # Files and forms write a list in one cell, its parts between these.
        message = _("A choice of a list cannot contain “|”, which stands between the choices.")
        parted = [f"choices[{index}]" for index, one in enumerate(choices) if "|" in one]
        if parted:
            return [Problem(path, "invalid", message) for path in parted]
    message = _("A choice is a text of 1 to %(limit)d characters, given once.")
    return [
        Problem(f"choices[{index}]", "invalid", message % {"limit": TEXT_LIMIT})
        for index, one in enumerate(choices)
        if not one.strip() or len(one) > TEXT_LIMIT or one in choices[:index]
    ]


def _invalid(problems: list[Problem]) -> DefinitionInvalid:
    return DefinitionInvalid(problems[0].message, problems=problems)
