"""What is sent to Dotdigital and what it answers, as its documents describe them. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import parse_qs, urlsplit

from django.utils.translation import gettext as _

from integrations.errors import MalformedAnswer

# *Source:* the vendor's OpenAPI document of Insight data.
COLLECTION = re.compile(r"[-A-Za-z_][-A-Za-z0-9_]{1,255}")
IDENTIFIER = re.compile(r"[-A-Za-z0-9_]{1,50}")
NAME_LIMIT = 128
# The document says Complete, its examples say Finished.
_DONE = frozenset({"Complete", "Finished"})
_PENDING = frozenset({"NotStarted", "Processing", "NotFinished"})
_FAILED = frozenset({"Failed", "RejectedByWatchdog", "ExceedsAllowedContactLimit"})


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its name, the address at which its region is called, its number."""

    name: str
    endpoint: str
    id: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportState:
    """How far an import of records is, and when it is over, which were refused: (key, reason)."""

    is_over: bool
    is_failed: bool = False
    imported: int = 0
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A segment or a list."""

    id: int
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of the account: its number there, and the names it has."""

    id: int
    identifiers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContactsTaken:
    """What came of an import of contacts: who was taken, and who was not, with the reason.

    `failure` is the state in which it ended where it failed as a whole. `taken` is None where the
    answer does not name them: all who were not refused.
    """

    failure: str = ""
    taken: tuple[tuple[int, str], ...] | None = ()
    refused: tuple[tuple[str, str], ...] = ()


# One encoder for all of a million records: `json.dumps` would make one each time.
_encode = json.JSONEncoder(ensure_ascii=False).encode


def record_text(identifier: str, value: str, key: str, document: str) -> str:
    """One record of an import; `document` is JSON already."""
    named = f'{{"identifier":{_encode(identifier)},"value":{_encode(value)}}}'
    return f'{{"contactIdentity":{named},"key":{_encode(key)},"json":{document}}}'


def import_body(collection: str, records: Iterable[str]) -> bytes:
    """The body of an import of such records into a collection of the contacts' own."""
    head = json.dumps(
        {"collectionName": collection, "collectionScope": "contact", "collectionType": "custom"}
    )
    return f'{head[:-1]}, "records":[{",".join(records)}]}}'.encode()


def write_contacts(emails: Sequence[str], list_id: int) -> bytes:
    """The body of an import that puts contacts on a list and changes nothing else of them."""
    contacts = [
        {"matchIdentifier": "email", "identifiers": {"email": email}, "lists": [list_id]}
        for email in emails
    ]
    given = {"mergeOption": "overwriteIfEmpty", "contacts": contacts}
    return json.dumps(given, ensure_ascii=False).encode()


def is_done(state: str) -> bool:
    """Whether this is one of the words for something that is over, and went well."""
    return state in _DONE


def read_number(value: Any) -> int | None:
    """A number, also one that is written as text; None for all else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_id(found: Any) -> int | None:
    """The number of a contact, which both families of calls name differently; None without."""
    if not isinstance(found, Mapping):
        return None
    number = read_number(found.get("contactId"))
    return read_number(found.get("id")) if number is None else number


def read_error(text: str) -> tuple[str, str]:
    """The code and the words of a refusal, in the envelope of either family; "" where missing."""
    try:
        found = json.loads(text)
    except ValueError:
        return "", text.strip()[:200]
    if not isinstance(found, Mapping):
        return "", ""
    if code := found.get("errorCode"):
        details = found.get("details")
        items = [str(one.get("item", "")) for one in details] if _are_objects(details) else []
        return str(code), " ".join([str(found.get("description", "")), *items]).strip()
    message = str(found.get("message", ""))
    code_found = re.search(r"ERROR_[A-Z_]+", message)
    return (code_found.group() if code_found else ""), message


def read_account(found: Any) -> Account:
    """Raises MalformedAnswer."""
    listed = found.get("properties") if isinstance(found, Mapping) else None
    if not _are_objects(listed):
        raise _malformed("properties")
    properties = {str(one.get("name", "")): str(one.get("value", "")) for one in listed}
    endpoint = properties.get("ApiEndpoint", "").rstrip("/")
    if not endpoint:
        raise _malformed("ApiEndpoint")
    number = found.get("id")
    known = str(number) if isinstance(number, int | str) and number != "" else ""
    return Account(properties.get("Name", ""), endpoint, known, properties)


def read_import(found: Any) -> ImportState:
    """Raises MalformedAnswer, as where a state is one that the documents do not know."""
    state = found.get("status") if isinstance(found, Mapping) else None
    if state in _PENDING:
        return ImportState(is_over=False)
    if state in _FAILED:
        return ImportState(is_over=True, is_failed=True)
    if state not in _DONE:
        raise _malformed("status")
    summary, failures = found.get("summary") or {}, found.get("failures") or []
    if not _are_objects(failures) or not isinstance(summary, Mapping):
        raise _malformed("failures")
    refused = tuple(
        (str(one.get("key")), str(one.get("failureReason") or "Unknown")) for one in failures
    )
    return ImportState(
        is_over=True, imported=int(summary.get("totalImported") or 0), refused=refused
    )


def read_groups(found: Any) -> list[Group]:
    """Raises MalformedAnswer."""
    if not _are_objects(found):
        raise _malformed("id")
    try:
        return [
            Group(int(one["id"]), str(one["name"]), int(one.get("contacts") or 0)) for one in found
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed("id") from error


def read_contacts(found: Any) -> tuple[list[Contact], str]:
    """The contacts of a page, and the marker of the next one, "" at the end.

    Raises MalformedAnswer.
    """
    items = found.get("_items") if isinstance(found, Mapping) else None
    if not _are_objects(items):
        raise _malformed("_items")
    try:
        contacts = [
            Contact(
                _id_of(one),
                {k: str(v) for k, v in (one.get("identifiers") or {}).items() if v},
            )
            for one in items
        ]
        following = (found.get("_links") or {}).get("next") or {}
        return contacts, str(following.get("marker") or _marker_in(following.get("link")) or "")
    except (TypeError, ValueError, AttributeError) as error:
        raise _malformed("_items") from error


def read_contacts_taken(found: Any) -> ContactsTaken | None:
    """None while it goes on. Raises MalformedAnswer."""
    state = found.get("status") if isinstance(found, Mapping) else None
    if state in _PENDING:
        return None
    if state in _FAILED:
        return ContactsTaken(failure=str(state))
    if state not in _DONE:
        raise _malformed("status")
    failures = found.get("failures") or []
    if not _are_objects(failures):
        raise _malformed("failures")
    return ContactsTaken(
        taken=_named(found.get("created"), found.get("updated")),
        refused=tuple((_email(one), _failure_code(one)) for one in failures),
    )


def _named(created: Any, updated: Any) -> tuple[tuple[int, str], ...] | None:
    """Whom an import took; None where it says only how many, or nothing."""
    if created is None and updated is None:
        return None
    lists = [created or [], updated or []]
    if not all(_are_objects(one) for one in lists):
        return None
    named = [(read_id(one), _email(one)) for both in lists for one in both]
    if not all(number and email for number, email in named):
        return None
    return tuple((number, email) for number, email in named if number is not None)


def _id_of(one: Mapping[str, Any]) -> int:
    number = read_id(one)
    if number is None:
        raise _malformed("contactId")
    return number


def _marker_in(link: Any) -> str:
    """The marker of a page, where only its address is told."""
    asked = parse_qs(urlsplit(link).query) if isinstance(link, str) else {}
    return asked.get("marker", [""])[0]


def _email(one: Mapping[str, Any]) -> str:
    identifiers = one.get("identifiers")
    return str(identifiers.get("email") or "") if isinstance(identifiers, Mapping) else ""


def _failure_code(one: Mapping[str, Any]) -> str:
    failures = one.get("failures")
    first = failures[0] if _are_objects(failures) and failures else {}
    return str(first.get("failureCode") or "Unknown")


def _are_objects(found: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(found, list) and all(isinstance(one, Mapping) for one in found)


def _malformed(name: str) -> MalformedAnswer:
    words = _("Dotdigital's answer is not as documented: look at “%(name)s”.")
    return MalformedAnswer(words % {"name": name})
