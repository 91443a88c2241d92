"""The gaps that a message may have: what a template can say, each with an example.

Rooms above register theirs (`voucher.code`), as they do with facts. What is not registered is a
fault of a template, found when it is saved.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext_lazy as _

from contacts.fields import FIELDS
from contacts.identities import USER_ID
from contacts.models import AttributeDefinition, Contact, ContactTag, Identity
from contacts.values import plain


@dataclass(frozen=True, slots=True)
class Variable:
    """One gap by its name ("contact.first_name"). `event.*` stands for whatever follows."""

    name: str
    label: Any
    example: Any

    @property
    def path(self) -> tuple[str, ...]:
        """Its parts."""
        return tuple(self.name.split("."))


@dataclass(frozen=True, slots=True)
class VariableGroup:
    """Gaps that belong together."""

    label: Any
    variables: tuple[Variable, ...]


_provided: dict[str, tuple[Any, Callable[[], Iterable[Variable]]]] = {}
# What Liquid itself can ask of any value.
_OF_ANY_VALUE = frozenset({"size", "first", "last"})
_EXAMPLES: Mapping[str, Any] = {
    "email": "anna.nowak@example.com",
    "phone": "+48 601 234 567",
    "first_name": "Anna",
    "last_name": "Nowak",
    "gender": "female",
    "country": "PL",
    "city": "Warszawa",
    "postal_code": "00-950",
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "birth_date": date(1990, 5, 17),
    "lead_score": 42,
    "created_at": "2026-03-02 12:00:00+00:00",
}
_BY_TYPE: Mapping[str, Any] = {
    "text": "blue",
    "number": 7,
    "boolean": True,
    "date": date(2026, 3, 2),
    "datetime": "2026-03-02 12:00:00+00:00",
    "list": ["blue", "green"],
}
# Known of a contact by other tables, and not needed in messages.
_LEFT_OUT = frozenset({"updated_at", "last_seen_at"})


def register_variables(room: str, label: Any, provide: Callable[[], Iterable[Variable]]) -> None:
    """Add the gaps of a room, shown under `label`. May be called again."""
    _provided[room] = (label, provide)


def variable_groups() -> list[VariableGroup]:
    """All gaps, those of contacts first."""
    return [
        VariableGroup(_("Contact"), tuple(_of_contacts())),
        *(VariableGroup(label, tuple(provide())) for label, provide in _provided.values()),
    ]


def known_paths() -> frozenset[tuple[str, ...]]:
    """The parts of all gaps; `*` at the end of those that are open."""
    return frozenset(one.path for group in variable_groups() for one in group.variables)


def is_known(path: Sequence[Any], known: Iterable[tuple[str, ...]]) -> bool:
    """Whether a template may name this: a gap, what holds some, or something within an open one.

    Parts of `path` that are no texts stand for what is known only when it is rendered.
    """
    plain_parts = []
    for part in path:
        if not isinstance(part, str):
            break
        plain_parts.append(part)
    while len(plain_parts) > 1 and plain_parts[-1] in _OF_ANY_VALUE:
        plain_parts.pop()
    asked = tuple(plain_parts)
    for gap in known:
        if gap[-1] == "*" and asked[: len(gap) - 1] == gap[:-1][: len(asked)]:
            return True
        if gap[: len(asked)] == asked:
            return True
    return False


def example_values() -> dict[str, Any]:
    """A value for every gap, for a look at a template without a contact."""
    values: dict[str, Any] = {}
    for group in variable_groups():
        for variable in group.variables:
            *way, last = variable.path
            place = values
            for part in way:
                place = place.setdefault(part, {})
            if last == "*":
                place.update(variable.example)
            else:
                place[last] = variable.example
    return values


def contact_values(contact_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What templates may say of contacts, by id; three queries however many there are.

    Contacts that do not exist or were erased are left out.
    """
    ids = list(contact_ids)
    found = Contact.objects.filter(erased_at=None).in_bulk(ids)
    tags: dict[int, list[str]] = {}
    tagged = ContactTag.objects.filter(contact_id__in=ids).order_by("tag__key")
    for contact_id, key in tagged.values_list("contact_id", "tag__key"):
        tags.setdefault(contact_id, []).append(key)
    names = Identity.objects.filter(namespace=USER_ID, contact_id__in=ids).order_by("-created_at")
    external = dict(names.values_list("contact_id", "value"))
    return {
        contact_id: {
            "id": contact_id,
            "external_id": external.get(contact_id, ""),
            **{name: _said(getattr(contact, name)) for name in FIELDS if name not in _LEFT_OUT},
            "attributes": contact.attributes,
            "tags": tags.get(contact_id, []),
        }
        for contact_id, contact in found.items()
    }


def _of_contacts() -> Iterable[Variable]:
    for name, field in FIELDS.items():
        if name not in _LEFT_OUT:
            yield Variable(f"contact.{name}", field.label, _EXAMPLES[name])
    yield Variable("contact.id", _("Number"), 1042)
    yield Variable("contact.external_id", _("Id in the shop"), "A-1042")
    yield Variable("contact.tags", _("Tags"), ["vip"])
    for definition in AttributeDefinition.objects.order_by("key"):
        example = definition.choices[0] if definition.choices else _BY_TYPE[definition.type]
        if definition.type == "list":
            example = definition.choices[:2] or _BY_TYPE["list"]
        yield Variable(f"contact.attributes.{definition.key}", definition.label, example)


def _said(value: Any) -> Any:
    return plain(value) if hasattr(value, "as_tuple") else value
