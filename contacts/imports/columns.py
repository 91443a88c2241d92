"""What the columns of a file mean: fields, attributes, identities, labels, consents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from contacts.errors import FileRefused
from contacts.fields import FIELDS, WRITABLE
from contacts.identities import FIELD_OF, NAMESPACE_OF, USER_ID, check_namespace
from contacts.models import AttributeDefinition, ConsentDefinition
from contacts.rejections import REASON_COLUMN
from contacts.values import ValueRefused
from workspace.errors import Problem

# Namespaces of the vendors: a column of that name needs no prefix.
NAMESPACES = ("user_id", "anonymous_id", "ipresso_id", "emarsys_id", "dotdigital_id")
_LABELS = {"tags": "tag", "categories": "category"}


class Kind(StrEnum):
    """What a column can be."""

    FIELD = "field"
    IDENTITY = "identity"
    ATTRIBUTE = "attribute"
    TAGS = "tags"
    CATEGORIES = "categories"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the values of a column go; `key` is the field, namespace, attribute or consent."""

    kind: Kind
    key: str
    label: str
    definition: AttributeDefinition | None = None

    @property
    def name(self) -> str:
        """As a person would write it in a map."""
        match self.kind:
            case Kind.FIELD | Kind.TAGS | Kind.CATEGORIES:
                return self.key
            case Kind.ATTRIBUTE:
                return f"attributes.{self.key}"
            case Kind.CONSENT:
                return f"consent.{self.key}"
            case Kind.IDENTITY:
                return FIELD_OF.get(self.key, f"identity.{self.key}")

    @property
    def namespace(self) -> str | None:
        """The namespace, for a column by which contacts are recognized."""
        return self.key if self.kind is Kind.IDENTITY else NAMESPACE_OF.get(self.key)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file that is used, at its place among all of them."""

    position: int
    header: str
    target: Target

    @property
    def name(self) -> str:
        """Its name in the staging table."""
        return staged_name(self.position)


def staged_name(position: int) -> str:
    """The name of the file's column in the staging table."""
    return f"c{position}"


class Targets:
    """Everything that a column can be in this workspace; two queries."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._guesses: dict[str, Target] = {}
        for name, field in WRITABLE.items():
            self._add(Target(Kind.FIELD, name, str(field.label)), name)
        external_id = Target(Kind.IDENTITY, USER_ID, _("External id"))
        self._add(external_id, "external_id", "user_id", f"identity.{USER_ID}")
        for namespace in NAMESPACES[1:]:
            self._add(Target(Kind.IDENTITY, namespace, namespace), namespace)
        self._add(Target(Kind.TAGS, "tags", _("Tags")), "tags")
        self._add(Target(Kind.CATEGORIES, "categories", _("Categories")), "categories")
        for consent in ConsentDefinition.objects.all():
            names = (f"consent.{consent.key}", f"consents.{consent.key}")
            self._add(Target(Kind.CONSENT, consent.key, consent.label), *names, is_guessed=False)
        for definition in AttributeDefinition.objects.all():
            target = Target(Kind.ATTRIBUTE, definition.key, definition.label, definition)
            key = definition.key
            self._add(target, f"attributes.{key}", f"attribute.{key}", key)

    def _add(self, target: Target, *names: str, is_guessed: bool = True) -> None:
        # Of two things with one name the factory field has it; the other has its prefix.
        for name in names:
            self._targets.setdefault(name, target)
            self._guesses.setdefault(_plain(name), target)
        if is_guessed:
            self._guesses.setdefault(_plain(target.label), target)

    def find(self, name: str) -> Target | None:
        """What the name says; None where it says nothing."""
        if (found := self._targets.get(name)) is not None:
            return found
        prefix, _dot, namespace = name.partition(".")
        if prefix in {"identity", "identities"}:
            return self._identity(namespace)
        return self._guesses.get(_plain(name))

    def _identity(self, namespace: str) -> Target | None:
        if (field := FIELD_OF.get(namespace)) is not None:
            return self._targets[field]
        try:
            return Target(Kind.IDENTITY, check_namespace(namespace), namespace)
        except ValueRefused:
            return None

    def all(self) -> list[Target]:
        """Each target once, in the order in which people should see them."""
        return list(dict.fromkeys(self._targets.values()))


def guess(headers: Iterable[str], targets: Targets) -> dict[str, str]:
    """For each column what it seems to be, by name; an empty text where that is not known."""
    found: dict[str, str] = {}
    for header in headers:
        target = targets.find(header)
        found[header] = "" if target is None or target.name in found.values() else target.name
    return found


def understand(
    headers: Sequence[str], mapping: Mapping[str, str] | None, targets: Targets
) -> tuple[Column, ...]:
    """The columns that are used. `mapping` says what those are whose names do not say it.

    A column that is mapped to an empty text is passed over. Raises FileRefused, naming every
    column at fault.
    """
    mapping = {header.strip(): name.strip() for header, name in (mapping or {}).items()}
    problems = [
        Problem(
            header, "unknown_column", _("The file has no column “%(name)s”.") % {"name": header}
        )
        for header in mapping
        if header not in headers
    ]
    columns: dict[Target, Column] = {}
    for position, header in enumerate(headers):
        name = mapping.get(header, header)
        if not name:
            continue
        target = targets.find(name)
        if target is None and name == REASON_COLUMN:
            # A file of rejected rows can be mended and imported as it is.
            continue
        if target is None:
            problems.append(_unknown(header, name))
        elif (twin := columns.get(target)) is not None:
            words = {"first": twin.header, "second": header, "target": target.name}
            sentence = _("The columns “%(first)s” and “%(second)s” are both %(target)s.") % words
            problems.append(Problem(header, "column_twice", sentence))
        else:
            columns[target] = Column(position, header, target)
    if not problems and not any(target.namespace for target in columns):
        sentence = _(
            "No column says who a row is about: name one external_id, email, phone or"
            " identity.<namespace>."
        )
        problems.append(Problem("", "no_identity_column", sentence))
    if problems:
        raise FileRefused(problems[0].message, problems=problems)
    return tuple(columns.values())


def _unknown(header: str, name: str) -> Problem:
    words = {"name": name, "header": header}
    if name in FIELDS:
        sentence = _("“%(name)s” cannot be imported. To pass over the column, map it to nothing.")
    else:
        sentence = _(
            "The column “%(header)s” is no field, attribute or identity (“%(name)s”)."
            " Say what it is, or map it to nothing to pass over it."
        )
    return Problem(header, "unknown_column", sentence % words)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == ".")
