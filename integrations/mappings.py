"""Where the traits of a source go: the mapping of one source, trait by trait."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.definitions import Kind, create_definition
from contacts.models import AttributeDefinition
from contacts.values import Type
from integrations.errors import SourceInvalid
from integrations.models import Source, TraitMapping
from integrations.received_events import Choice, log_page
from integrations.traits import ATTRIBUTE, DEFAULTS, key_of, targets
from workspace import audit
from workspace.access import Actor, require
from workspace.errors import Problem
from workspace.exactjson import exact_dumps, exact_loads

TRAIT_LIMIT = 120
_PREFIX = f"{ATTRIBUTE}."
_SAMPLES = 3
_SAMPLE_LENGTH = 60
_DEPTH_LIMIT = 5


@dataclass(frozen=True, slots=True)
class NewAttribute:
    """An attribute to be made for a trait; its values are of `type`."""

    key: str
    label: str
    type: Type


@dataclass(slots=True)
class SeenTrait:
    """A trait that a source sent lately, by its way through the traits, with a few of its values.

    `mapped` is where the source says that it goes, None where it says nothing; `usual` is where it
    goes without that: None where it would become a new attribute, or be kept aside.
    """

    trait: str
    mapped: str | None
    usual: str | None
    samples: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @property
    def target(self) -> str | None:
        """Where it goes now."""
        return self.usual if self.mapped is None else self.mapped


def seen_traits(source: Source, *, looked_at: int = 300) -> list[SeenTrait]:
    """The traits of the newest identify calls of a source, and those that it maps, by name."""
    mapped = dict(source.trait_mappings.values_list("trait", "target"))
    attributes = set(AttributeDefinition.objects.values_list("key", flat=True))
    found: dict[str, SeenTrait] = {}

    def seen(trait: str) -> SeenTrait:
        if trait not in found:
            found[trait] = SeenTrait(trait, mapped.get(trait), _usual(trait, attributes))
        return found[trait]

    for trait in mapped:
        seen(trait)
    page = log_page(source.pk, Choice(type="identify"), before=None, limit=looked_at)
    for event in page.events:
        for trait, value in _flat(_traits(event.body), mapped):
            one = seen(trait)
            text = value if isinstance(value, str) else exact_dumps(value)
            text = text if len(text) <= _SAMPLE_LENGTH else f"{text[:_SAMPLE_LENGTH]}…"
            if len(one.samples) < _SAMPLES and text not in one.samples:
                one.samples.append(text)
                one.values.append(value)
    return sorted(found.values(), key=lambda one: one.trait.lower())


def _usual(trait: str, attributes: set[str]) -> str | None:
    known = DEFAULTS.get(trait.replace("_", "").lower())
    if known is not None:
        return known
    key = key_of(trait)
    return f"{_PREFIX}{key}" if key in attributes else None


def _traits(body: str) -> Mapping[str, Any]:
    try:
        document = exact_loads(body)
    except ValueError:
        return {}
    traits = document.get("traits") if isinstance(document, dict) else None
    return traits if isinstance(traits, dict) else {}


def _flat(
    traits: Mapping[str, Any], mapped: Mapping[str, str], prefix: str = "", depth: int = 1
) -> Iterator[tuple[str, Any]]:
    """The values by their way, as they are read when they arrive."""
    for name, value in traits.items():
        path = f"{prefix}{name}"
        if value is None or value in ("", [], {}):
            continue
        if isinstance(value, dict) and depth < _DEPTH_LIMIT and path not in mapped:
            yield from _flat(value, mapped, f"{path}.", depth + 1)
        elif len(path) <= TRAIT_LIMIT:
            yield path, value


@transaction.atomic
def set_mappings(
    source: Source,
    wanted: Mapping[str, str | NewAttribute | None],
    *,
    actor: Actor,
    at: datetime,
) -> list[str]:
    """Say where these traits go; returns those for which that is new.

    A target is "contact.city", "attribute.plan", an attribute to be made, "" for nowhere, or None
    for what becomes of a trait that nobody mapped. Traits that are not named stay as they are.
    What came in before stays where it is. Raises NotAllowed, DefinitionInvalid, and SourceInvalid
    with every fault.
    """
    require(actor, "integrations.change_source")
    if any(isinstance(target, NewAttribute) for target in wanted.values()):
        require(actor, "contacts.add_attributedefinition")
    Source.objects.select_for_update().get(pk=source.pk)
    _check(wanted)
    before = dict(source.trait_mappings.values_list("trait", "target"))
    after = dict(before)
    for trait, target in wanted.items():
        if target is None:
            after.pop(trait, None)
        elif isinstance(target, NewAttribute):
            _make(target, actor, at)
            after[trait] = f"{_PREFIX}{target.key}"
        else:
            after[trait] = target
    changes = audit.difference(before, after)
    if not changes:
        return []
    gone = [trait for trait in changes if trait not in after]
    source.trait_mappings.filter(trait__in=gone).delete()
    TraitMapping.objects.bulk_create(
        [
            TraitMapping(source=source, trait=trait, target=after[trait])
            for trait in changes
            if trait in after
        ],
        update_conflicts=True,
        unique_fields=["source", "trait"],
        update_fields=["target"],
    )
    audit.record(actor=actor, action="source.traits_mapped", subject=source, changes=changes, at=at)
    return list(changes)


def _make(wanted: NewAttribute, actor: Actor, at: datetime) -> None:
    values = {"key": wanted.key, "label": wanted.label, "type": wanted.type}
    create_definition(Kind.ATTRIBUTE, values=values, actor=actor, at=at)


def _check(wanted: Mapping[str, str | NewAttribute | None]) -> None:
    attributes = set(AttributeDefinition.objects.values_list("key", flat=True))
    problems = []
    for trait, target in wanted.items():
        if not 0 < len(trait) <= TRAIT_LIMIT or "\0" in trait:
            message = _("The name of a trait has 1 to %(limit)d characters.")
            problems.append(Problem(trait[:40], "invalid", message % {"limit": TRAIT_LIMIT}))
        elif isinstance(target, str) and target and not _is_known(target, attributes):
            message = _("“%(target)s” is neither a field nor an attribute of contacts.")
            problems.append(Problem(trait, "target_unknown", message % {"target": target[:80]}))
    if problems:
        raise SourceInvalid(problems[0].message, problems=problems)


def _is_known(target: str, attributes: set[str]) -> bool:
    return target in targets() or (
        target.startswith(_PREFIX) and target.removeprefix(_PREFIX) in attributes
    )
