"""What contacts allow: a ledger of granted and withdrawn, from which the present state follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from contacts.errors import ContactUnknown, DefinitionUnknown
from contacts.models import ConsentDefinition, ConsentEntry, ConsentState
from contacts.survivors import survivor_of
from contacts.values import ValueRefused
from workspace import sql
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem

UNKNOWN = "unknown"
STATES = (*ConsentEntry.State.values, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger, as people read it."""

    key: str
    label: str
    state: str
    at: datetime
    source: str
    reason: str
    actor: str


def record(
    *,
    contact_id: int,
    key: str,
    state: str,
    at: datetime,
    source: str,
    reason: str = "",
    actor: Actor,
) -> None:
    """Write that the contact granted or withdrew a consent at an instant.

    A line that says what is known already is written too: it is evidence. Raises ContactUnknown,
    DefinitionUnknown and InputInvalid.
    """
    written = record_many(
        contact_ids=[survivor_of(contact_id)],
        key=key,
        state=state,
        at=at,
        source=source,
        reason=reason,
        actor=actor,
    )
    if not written:
        raise ContactUnknown(_("There is no contact %(id)s.") % {"id": contact_id})


def record_many(
    *,
    contact_ids: Sequence[int],
    key: str,
    state: str,
    at: datetime,
    source: str,
    reason: str = "",
    actor: Actor,
    only_changes: bool = False,
) -> int:
    """Write the same line for many contacts; returns how many lines were written.

    Erased contacts are passed over; with `only_changes` those too whose state it is already.
    Raises DefinitionUnknown and InputInvalid.
    """
    if state not in ConsentEntry.State.values:
        message = _("The state of a consent is granted or withdrawn.")
        raise InputInvalid(message, problems=[Problem("state", "unknown_choice", message)])
    definition = ConsentDefinition.objects.filter(key=key).first()
    if definition is None:
        raise DefinitionUnknown(unknown_sentence(key))
    return sql.execute(
        "INSERT INTO contacts_consententry"
        " (contact_id, definition_id, state, at, source, reason, actor)"
        " SELECT c.id, %s, %s, %s, %s, %s, %s FROM contacts_contact c"
        " WHERE c.id = ANY(%s) AND c.erased_at IS NULL AND (NOT %s OR NOT EXISTS ("
        "   SELECT FROM contacts_consentstate s WHERE s.contact_id = c.id"
        "   AND s.definition_id = %s AND s.state = %s)) ORDER BY c.id",
        [
            definition.pk,
            state,
            at,
            source[:60],
            reason[:300],
            actor.name[:200],
            list(contact_ids),
            only_changes,
            definition.pk,
            state,
        ],
    )


def record_states(
    contact_id: int,
    states: Mapping[str, str],
    *,
    at: datetime,
    source: str,
    actor: Actor,
) -> int:
    """Write a line for each consent, by key; consents that are not defined are passed over."""
    if not states:
        return 0
    return sql.execute(
        "INSERT INTO contacts_consententry"
        " (contact_id, definition_id, state, at, source, actor)"
        " SELECT %s, d.id, new.state, %s, %s, %s"
        " FROM unnest(%s::text[], %s::text[]) AS new (key, state)"
        " JOIN contacts_consentdefinition d USING (key) ORDER BY d.id",
        [contact_id, at, source, actor.name[:200], list(states), list(states.values())],
    )


def history(contact_id: int) -> list[Line]:
    """The whole ledger of a contact, the latest line first."""
    entries = (
        ConsentEntry.objects.filter(contact_id=contact_id)
        .select_related("definition")
        .order_by("-at", "-id")
    )
    return [
        Line(
            key=entry.definition.key,
            label=entry.definition.label,
            state=entry.state,
            at=entry.at,
            source=entry.source,
            reason=entry.reason,
            actor=entry.actor,
        )
        for entry in entries
    ]


def states_of(contact_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """For each contact the state of every consent that is defined; two queries."""
    keys = dict(ConsentDefinition.objects.order_by("key").values_list("id", "key"))
    found = {contact_id: dict.fromkeys(keys.values(), UNKNOWN) for contact_id in contact_ids}
    known = ConsentState.objects.filter(contact_id__in=contact_ids)
    for contact_id, id_, state in known.values_list("contact_id", "definition_id", "state"):
        found[contact_id][keys[id_]] = state
    return found


def read_state(value: object) -> str:
    """A state as somebody writes it. Raises ValueRefused."""
    if value not in STATES:
        raise ValueRefused(_("The state of a consent is granted, withdrawn or unknown."))
    return str(value)


def changes_from(before: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Which of the wanted states are news."""
    return {key: state for key, state in wanted.items() if before.get(key, UNKNOWN) != state}


def unknown_sentence(key: str) -> str:
    """Says that there is no such consent."""
    return _("There is no consent “%(key)s”: define it first.") % {"key": key[:63]}
