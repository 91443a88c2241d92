"""Where the traits of an identify go: to the fields of contacts and to custom attributes.

A mapping of the source comes first, then what Segment's names mean, then the attribute whose key
is the trait. What is left becomes a new attribute, where the source says so, or is kept aside.
Objects are read through: "company.name" is the attribute company_name. Null and empty texts say
nothing: they take no value away.

*Source:* Twilio Segment, "Spec: Identify", reserved traits.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from contacts import attributes
from contacts.definitions import Kind, create_definition
from contacts.errors import DefinitionInvalid
from contacts.fields import WRITABLE
from contacts.models import AttributeDefinition
from contacts.profile_writes import COLUMNS
from contacts.values import ValueRefused
from integrations.models import Source, TraitMapping
from integrations.remarks import Remark
from workspace.access import SYSTEM

# So many attributes a workspace has at most before sources make no more of them.
ATTRIBUTE_LIMIT = 300
CONTACT, ATTRIBUTE, NOWHERE = "contact", "attribute", ""
# A name in one piece, which is split; no column of its own.
FULL_NAME = "contact.name"
# By the trait in small letters without “_”, so that birth_date and birthDate are one.
DEFAULTS: Mapping[str, str] = {
    "email": "contact.email",
    "phone": "contact.phone",
    "firstname": "contact.first_name",
    "lastname": "contact.last_name",
    "name": FULL_NAME,
    # The userId once more.
    "id": NOWHERE,
    "gender": "contact.gender",
    "birthday": "contact.birth_date",
    "birthdate": "contact.birth_date",
    "createdat": "contact.created_at",
    "language": "contact.language",
    "timezone": "contact.time_zone",
    **{
        f"{prefix}{name}": target
        for prefix in ("", "address.")
        for name, target in (
            ("country", "contact.country"),
            ("city", "contact.city"),
            ("postalcode", "contact.postal_code"),
        )
    },
}
_DEPTH_LIMIT = 5
_KEY_LIMIT = 63
_LABEL_LIMIT = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})"
)
_UTC_MIDNIGHT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00(:00(\.0+)?)?(Z|\+00:?00)")


@dataclass(slots=True)
class Profile:
    """What traits say of a contact: columns, attributes, columns to fill where they are empty."""

    fields: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    if_missing: dict[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)


class TraitReader:
    """Reads the traits of one source; makes attributes for new ones as it meets them.

    Two queries when it reads for the first time, then one for each attribute that it makes.
    """

    def __init__(self, source: Source, *, at: datetime) -> None:
        self._source, self._at = source, at
        self._makes = source.new_traits == Source.NewTraits.MAKE

    @cached_property
    def _definitions(self) -> dict[str, AttributeDefinition]:
        return {one.key: one for one in AttributeDefinition.objects.all()}

    @cached_property
    def _mappings(self) -> dict[str, str]:
        rows = TraitMapping.objects.filter(source=self._source)
        return dict(rows.values_list("trait", "target"))

    def read(self, traits: Mapping[str, Any], context: Mapping[str, Any]) -> Profile:
        """What the traits of one message say; its context fills what is empty."""
        profile = Profile()
        full_name = ""
        for path, value in self._flat(traits):
            target = self._target(path)
            if target == FULL_NAME:
                full_name = value if isinstance(value, str) else ""
            elif target is None:
                self._read_new(profile, path, value)
            else:
                self._read_known(profile, path, target, value)
        if full_name.strip():
            _split_name(profile, full_name.strip())
        _read_context(profile, context)
        return profile

    def _flat(
        self, traits: Mapping[str, Any], prefix: str = "", depth: int = 1
    ) -> Iterator[tuple[str, Any]]:
        """The values by their way through the objects, without what says nothing."""
        for name, value in traits.items():
            path = f"{prefix}{name}"
            if value is None or value in ("", [], {}):
                continue
            if (
                isinstance(value, Mapping)
                and depth < _DEPTH_LIMIT
                and self._mappings.get(path) is None
            ):
                yield from self._flat(value, f"{path}.", depth + 1)
            else:
                yield path, value

    def _target(self, path: str) -> str | None:
        """Where a trait goes; none where nobody said."""
        if (mapped := self._mappings.get(path)) is not None:
            return mapped
        if (known := DEFAULTS.get(path.replace("_", "").lower())) is not None:
            return known
        key = key_of(path)
        return f"{ATTRIBUTE}.{key}" if key in self._definitions else None

    def _read_known(self, profile: Profile, path: str, target: str, value: Any) -> None:
        room, _dot, name = target.partition(".")
        try:
            if room == CONTACT and name in COLUMNS:
                found = WRITABLE[name].read(_as_date(value) if name == "birth_date" else value)
                if found != WRITABLE[name].missing:
                    profile.fields[name] = found
            elif room == ATTRIBUTE and name in self._definitions:
                found = attributes.canonical(self._definitions[name], value)
                if found is not None:
                    profile.attributes[name] = found
            elif target != NOWHERE:
                text = _("It is mapped to “%(target)s”, which is not there any more.")
                text %= {"target": target}
                profile.remarks.append(_remark(path, "target_unknown", text, value))
        except ValueRefused as error:
            profile.remarks.append(_remark(path, "wrong_value", str(error), value))

    def _read_new(self, profile: Profile, path: str, value: Any) -> None:
        type_, key = _type_of(value), key_of(path)
        if not self._makes:
            text = _("There is no attribute “%(key)s”, and this source makes none.")
            profile.remarks.append(_remark(path, "trait_unknown", text % {"key": key}, value))
        elif type_ is None or not key:
            text = _("No attribute can be made of it: map it to one.")
            profile.remarks.append(_remark(path, "trait_unusable", text, value))
        elif len(self._definitions) >= ATTRIBUTE_LIMIT:
            text = _(
                "The workspace has %(limit)d attributes or more: define it by hand, or map it."
            )
            text %= {"limit": ATTRIBUTE_LIMIT}
            profile.remarks.append(_remark(path, "too_many_attributes", text, value))
        else:
            self._definitions[key] = self._define(key, path, type_)
            self._read_known(profile, path, f"{ATTRIBUTE}.{key}", value)

    def _define(self, key: str, path: str, type_: str) -> AttributeDefinition:
        values = {"key": key, "label": path[:_LABEL_LIMIT].strip() or key, "type": type_}
        try:
            made = create_definition(Kind.ATTRIBUTE, values=values, actor=SYSTEM, at=self._at)
        except DefinitionInvalid:
            # Somebody else defined it this moment.
            made = AttributeDefinition.objects.get(key=key)
        assert isinstance(made, AttributeDefinition)
        return made


def targets() -> list[str]:
    """Where a mapping may send a trait, besides custom attributes and nowhere."""
    return [f"{CONTACT}.{name}" for name in COLUMNS] + [FULL_NAME]


def key_of(path: str) -> str:
    """The key of the attribute for a trait: what a key cannot have becomes “_”; may be empty."""
    return _UNSAFE.sub("_", path).lstrip("_-")[:_KEY_LIMIT]


def told_again(
    before: Mapping[str, Any], now: Mapping[str, Any], lost: Collection[str]
) -> dict[str, Any]:
    """Of the traits of a message that was used, those that were not, and those corrected since.

    `lost` are ways through the traits, as "company.name".
    """
    former = dict(_paths(before))
    found: dict[str, Any] = {}
    for path, value in _paths(now):
        is_lost = any(path == one or path.startswith(f"{one}.") for one in lost)
        if not is_lost and path in former and former[path] == value:
            continue
        *outer, last = path.split(".")
        place = found
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return found


def _paths(traits: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in traits.items():
        if isinstance(value, Mapping) and value:
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _remark(path: str, code: str, text: str, value: Any) -> Remark:
    return Remark(f"traits.{path}", code, text, value)


def _split_name(profile: Profile, name: str) -> None:
    """Fill first and last name where the message does not tell them."""
    first, _blank, last = name.partition(" ")
    known_first = str(profile.fields.get("first_name", ""))
    if known_first and name.startswith(f"{known_first} "):
        last = name.removeprefix(known_first)
    for column, text in (("first_name", first), ("last_name", last.strip())):
        if text and column not in profile.fields:
            try:
                profile.fields[column] = WRITABLE[column].read(text)
            except ValueRefused as error:
                profile.remarks.append(_remark("name", "wrong_value", str(error), name))


def _read_context(profile: Profile, context: Mapping[str, Any]) -> None:
    """Language and time zone of the device; what it says is never a fault of the message."""
    locale, zone = context.get("locale"), context.get("timezone")
    told = {
        "language": re.split("[-_]", locale)[0].lower() if isinstance(locale, str) else "",
        "time_zone": zone if isinstance(zone, str) else "",
    }
    for column, text in told.items():
        try:
            found = WRITABLE[column].read(text)
        except ValueRefused:
            continue
        if found and column not in profile.fields:
            profile.if_missing[column] = found


def _as_date(value: Any) -> Any:
    """A day that a program wrote as midnight in UTC is that day, in whatever time zone we are."""
    if isinstance(value, str) and _UTC_MIDNIGHT.fullmatch(value.strip()):
        return value.strip()[:10]
    return value


def _type_of(value: Any) -> str | None:
    """The type of attribute that takes this value; none where no type does."""
    types = AttributeDefinition.Type
    match value:
        case bool():
            return types.BOOLEAN
        case int() | float() | Decimal():
            return types.NUMBER
        case str() if _DAY.fullmatch(value):
            return types.DATE
        case str() if _INSTANT.fullmatch(value):
            return types.DATETIME
        case str():
            return types.TEXT
        case list() if all(isinstance(one, str) for one in value):
            return types.LIST
    return None
