"""What somebody wants changed of a contact, in the API's shape: read once, all faults together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from contacts import attributes, consents, labels
from contacts.errors import ContactInvalid
from contacts.fields import FIELDS, WRITABLE
from contacts.identities import FIELD_OF, NAMESPACE_OF, USER_ID, check_namespace, normalize
from contacts.labels import Kind
from contacts.models import ConsentDefinition
from contacts.values import ValueRefused
from workspace.errors import Problem

_Read = TypeVar("_Read")

_LABELS: dict[str, Kind] = {"tags": "tag", "categories": "category"}
_OTHERS = ("external_id", "attributes", "tags", "categories", "consents", "identities")
NAMES = (*WRITABLE, *_OTHERS)
_READ_ONLY = {"id", "loyalty", *FIELDS} - set(WRITABLE)


@dataclass(slots=True)
class Changes:
    """What is named, and how it shall be. Everything else stays as it is.

    `columns` are values of factory fields; an attribute that is None goes. `names` are normalized
    identities by namespace, the whole namespace each. `main_names` are those of the fields
    `external_id`, `email` and `phone`, by namespace; None where the field is emptied. Labels are
    keys, consents states by key.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    main_names: dict[str, str | None] = field(default_factory=dict)
    # E-mail addresses and phone numbers among the identities, as they were written.
    written_names: dict[str, str] = field(default_factory=dict)
    labels: dict[Kind, tuple[str, ...]] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)

    @property
    def created_at(self) -> datetime | None:
        """Since when we know the contact, if it was said."""
        at: datetime | None = self.columns.get("created_at")
        return at


def read_changes(given: Mapping[str, Any]) -> Changes:
    """Check everything that is named. Raises ContactInvalid with every fault.

    A constant number of queries.
    """
    reader = _Reader()
    for name, value in given.items():
        if name in WRITABLE:
            reader.column(name, value)
        elif name == "external_id":
            reader.external_id(value)
        elif name in _LABELS:
            reader.labels(name, value)
        elif name in _OTHERS:
            getattr(reader, name)(value)
        elif name in _READ_ONLY:
            reader.fault(name, "read_only", _("“%(name)s” cannot be written.") % {"name": name})
        else:
            words = {"name": str(name)[:100]}
            reader.fault(
                str(name)[:100], "unknown_field", _("There is no field “%(name)s”.") % words
            )
    reader.compare_names()
    if reader.problems:
        raise ContactInvalid(reader.problems[0].message, problems=reader.problems)
    return reader.changes


class _Reader:
    """Collects what can be used and what cannot."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.problems: list[Problem] = []

    def fault(self, path: str, code: str, message: str) -> None:
        self.problems.append(Problem(path, code, message))

    def _read(self, path: str, read: Callable[..., _Read], *values: Any) -> _Read | None:
        try:
            return read(*values)
        except ValueRefused as refused:
            self.fault(path, "wrong_value", str(refused))
            return None

    def column(self, name: str, value: Any) -> None:
        before = len(self.problems)
        found = self._read(name, WRITABLE[name].read, value)
        if len(self.problems) > before or (name == "created_at" and found is None):
            return
        self.changes.columns[name] = found
        if (namespace := NAMESPACE_OF.get(name)) is not None:
            self.changes.main_names[namespace] = normalize(namespace, found) if found else None

    def external_id(self, value: Any) -> None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.fault("external_id", "wrong_value", _("It must be a text."))
        elif value is None or not value.strip():
            self.changes.main_names[USER_ID] = None
        else:
            found = self._read("external_id", normalize, USER_ID, value)
            self.changes.main_names[USER_ID] = found

    def identities(self, value: Any) -> None:
        if not _is_list(value):
            self.fault("identities", "wrong_value", _("It must be a list."))
            return
        found: dict[str, list[str]] = {}
        for index, entry in enumerate(value):
            path = f"identities[{index}]"
            if not isinstance(entry, Mapping) or set(entry) != {"namespace", "value"}:
                sentence = _("An identity has exactly a “namespace” and a “value”.")
                self.fault(path, "wrong_value", sentence)
                continue
            namespace = self._read(f"{path}.namespace", check_namespace, entry["namespace"])
            if namespace is None:
                continue
            text = self._read(f"{path}.value", normalize, namespace, entry["value"])
            if text is not None:
                found.setdefault(namespace, []).append(text)
                self.changes.written_names.setdefault(namespace, str(entry["value"]).strip())
        for namespace, names in found.items():
            self.changes.names[namespace] = tuple(dict.fromkeys(names))

    def compare_names(self) -> None:
        """A field and the list of identities must not contradict each other."""
        for namespace, name in self.changes.main_names.items():
            listed = self.changes.names.get(namespace)
            if listed is not None and name not in listed:
                words = {"field": FIELD_OF[namespace]}
                sentence = _("“%(field)s” is not among the identities given with it.") % words
                self.fault("identities", "contradiction", sentence)

    def attributes(self, value: Any) -> None:
        if not isinstance(value, Mapping):
            self.fault("attributes", "wrong_value", _("It must be an object of keys and values."))
            return
        definitions = attributes.definitions_of(str(key) for key in value)
        for key, given in value.items():
            path = f"attributes.{str(key)[:63]}"
            definition = definitions.get(key)
            if definition is None:
                self.fault(path, "unknown_key", attributes.unknown_sentence(str(key)))
                continue
            before = len(self.problems)
            found = self._read(path, attributes.canonical, definition, given)
            if len(self.problems) == before:
                self.changes.attributes[key] = found

    def labels(self, name: str, value: Any) -> None:
        if not _is_list(value) or not all(isinstance(key, str) for key in value):
            self.fault(name, "wrong_value", _("It must be a list of keys."))
            return
        kind = _LABELS[name]
        known = labels.definition_ids(kind, value)
        for index, key in enumerate(value):
            if key not in known:
                self.fault(f"{name}[{index}]", "unknown_key", labels.unknown_sentence(kind, key))
        self.changes.labels[kind] = tuple(dict.fromkeys(value))

    def consents(self, value: Any) -> None:
        if not isinstance(value, Mapping):
            self.fault("consents", "wrong_value", _("It must be an object of keys and states."))
            return
        keys = [str(key) for key in value]
        known = set(ConsentDefinition.objects.filter(key__in=keys).values_list("key", flat=True))
        for key, state in value.items():
            path = f"consents.{str(key)[:63]}"
            if key not in known:
                self.fault(path, "unknown_key", consents.unknown_sentence(str(key)))
            elif (found := self._read(path, consents.read_state, state)) is not None:
                self.changes.consents[key] = found


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
