"""By which names systems know a contact: unique in their namespaces.

`user_id` is the API's `external_id`. `email` and `phone` follow the columns of the contact, which
keep what was written; the identity keeps what is compared.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from contacts.errors import IdentityTaken
from contacts.fields import bare_phone, read_email, read_phone
from contacts.models import Identity
from contacts.values import ValueRefused, read_text
from workspace import sql
from workspace.errors import Problem

USER_ID, EMAIL, PHONE = "user_id", "email", "phone"
# The path of an API's body that gives the identities of a namespace.
FIELD_OF = {USER_ID: "external_id", EMAIL: "email", PHONE: "phone"}
NAMESPACE_OF = {field: namespace for namespace, field in FIELD_OF.items()}
VALUE_LIMIT = 320
_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_UPPER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One identity: a value in a namespace."""

    namespace: str
    value: str


def check_namespace(namespace: object) -> str:
    """The namespace, if it can be one. Raises ValueRefused."""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise ValueRefused(
            _("A namespace is up to 40 small letters, digits and _, beginning with a letter.")
        )
    return namespace


def normalize(namespace: str, value: str) -> str:
    """What is stored and compared. Raises ValueRefused.

    E-mail addresses are trimmed and lower-cased; phone numbers lose their separators, and 00
    becomes +; all others are trimmed.
    """
    if namespace == EMAIL:
        return lower_case(read_email(read_text(value, limit=VALUE_LIMIT)))
    if namespace == PHONE:
        return bare_phone(read_phone(read_text(value, limit=VALUE_LIMIT)))
    text = read_text(value, limit=VALUE_LIMIT).strip()
    if not text:
        raise ValueRefused(_("An identity cannot be empty."))
    return text


def lower_case(text: str) -> str:
    """Small letters, letter by letter: no letter becomes two, whatever the server's language."""
    if text.isascii():
        return text.translate(_UPPER)
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


def find_contact_id(namespace: str, value: str) -> int | None:
    """Whose identity this is; None where it is nobody's, or cannot be one."""
    try:
        wanted = normalize(namespace, value)
    except ValueRefused:
        return None
    found = Identity.objects.filter(namespace=namespace, value=wanted)
    return found.values_list("contact_id", flat=True).first()


def find_contact_ids(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Whose identities these are, by (namespace, value) as given; one query.

    Those that are nobody's are left out.
    """
    wanted: dict[tuple[str, str], tuple[str, str]] = {}
    for namespace, value in names:
        try:
            wanted[namespace, value] = namespace, normalize(namespace, value)
        except ValueRefused:
            continue
    if not wanted:
        return {}
    namespaces, texts = zip(*set(wanted.values()), strict=True)
    found = {
        (row["namespace"], row["value"]): row["contact_id"]
        for row in sql.rows(
            "SELECT namespace, value, contact_id FROM contacts_identity"
            " JOIN unnest(%s::text[], %s::text[]) AS wanted (namespace, value)"
            " USING (namespace, value)",
            [list(namespaces), list(texts)],
        )
    }
    return {given: found[name] for given, name in wanted.items() if name in found}


def names_of(contact_ids: Sequence[int]) -> dict[int, list[Name]]:
    """All identities of these contacts, the oldest of a namespace first; one query."""
    found: dict[int, list[Name]] = {contact_id: [] for contact_id in contact_ids}
    rows = (
        Identity.objects.filter(contact_id__in=contact_ids)
        .order_by("namespace", "created_at", "value")
        .values_list("contact_id", "namespace", "value")
    )
    for contact_id, namespace, value in rows:
        found[contact_id].append(Name(namespace, value))
    return found


def replace_namespaces(contact_id: int, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Give the contact exactly these values, normalized, in each namespace that is named.

    Other namespaces stay as they are. Returns whether anything changed. Raises IdentityTaken
    where another contact has one of them. Waits for a parallel transaction that is about to take
    the same one; the contact's row is to be locked.
    """
    before = {
        Name(namespace, value)
        for namespace, value in Identity.objects.filter(
            contact_id=contact_id, namespace__in=wanted
        ).values_list("namespace", "value")
    }
    after = {Name(namespace, value) for namespace, found in wanted.items() for value in found}
    # In one order always: two transactions cannot wait for each other.
    added, removed = sorted(after - before), sorted(before - after)
    if added:
        _add(contact_id, added)
    if removed:
        sql.execute(
            "DELETE FROM contacts_identity USING unnest(%s::text[], %s::text[]) AS gone (ns, value)"
            " WHERE namespace = gone.ns AND contacts_identity.value = gone.value"
            " AND contact_id = %s",
            [[name.namespace for name in removed], [name.value for name in removed], contact_id],
        )
    return bool(added or removed)


def _add(contact_id: int, names: Sequence[Name]) -> None:
    statement = (
        "INSERT INTO contacts_identity (namespace, value, contact_id)"
        " SELECT ns, value, %s FROM unnest(%s::text[], %s::text[]) AS new (ns, value)"
        " ON CONFLICT DO NOTHING RETURNING namespace, value"
    )
    params = [contact_id, [name.namespace for name in names], [name.value for name in names]]
    written = {Name(row["namespace"], row["value"]) for row in sql.rows(statement, params)}
    problems = [_taken(name) for name in names if name not in written]
    if problems:
        raise IdentityTaken(problems[0].message, problems=problems)


def _taken(name: Name) -> Problem:
    if (field := FIELD_OF.get(name.namespace)) is not None:
        return Problem(
            field,
            IdentityTaken.code,
            _("Another contact has the %(field)s “%(value)s” already.")
            % {"field": field, "value": name.value},
        )
    return Problem(
        f"identities.{name.namespace}",
        IdentityTaken.code,
        _("Another contact has the identity %(namespace)s “%(value)s” already.")
        % {"namespace": name.namespace, "value": name.value},
    )
