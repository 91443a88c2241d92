"""Importing contacts as one would say it: a row at a time, by the verbs that the API calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts import profiles
from contacts.changes import read_changes
from contacts.errors import ContactInvalid
from contacts.identities import NAMESPACE_OF, USER_ID, find_contact_id, names_of
from workspace.access import SYSTEM


@dataclass
class Imported:
    """Numbers of rows, and the positions of those that were rejected."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[int] = field(default_factory=list)


def import_rows(rows: Sequence[Mapping[str, str]], *, update: bool, at: datetime) -> Imported:
    """The same as `contacts.imports`, slowly."""
    done = Imported()
    for position, row in enumerate(rows):
        cells = {name: cell.strip(" ") for name, cell in row.items() if cell}
        if not cells:
            continue
        cells = {name: cell for name, cell in cells.items() if cell}
        match _import(cells, update, at):
            case "created":
                done.created += 1
            case "updated":
                done.updated += 1
            case "unchanged":
                done.unchanged += 1
            case _:
                done.rejected.append(position)
    return done


def _import(cells: Mapping[str, str], update: bool, at: datetime) -> str:
    changes = _changes(cells)
    try:
        wanted = read_changes(changes)
    except ContactInvalid:
        return "rejected"
    names = {ns: name for ns, name in wanted.main_names.items() if name}
    names |= {namespace: values[0] for namespace, values in wanted.names.items()}
    owners = {
        namespace: owner
        for namespace, name in names.items()
        if (owner := find_contact_id(namespace, name)) is not None
    }
    if not names or len(set(owners.values())) > 1:
        return "rejected"
    if not owners:
        profiles.create_contact(changes=changes, actor=SYSTEM, at=at)
        return "created"
    (owner,) = set(owners.values())
    has_external_id = any(name.namespace == USER_ID for name in names_of([owner])[owner])
    if USER_ID in names and USER_ID not in owners and has_external_id:
        return "rejected"
    if not update:
        return "unchanged"
    before = _without_time(owner)
    profiles.update_contact(owner, changes=changes, actor=SYSTEM, at=at)
    return "unchanged" if _without_time(owner) == before else "updated"


def _without_time(contact_id: int) -> dict[str, Any]:
    (described,) = profiles.describe_contacts([contact_id])
    described.pop("updated_at")
    return described


def _changes(cells: Mapping[str, str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, cell in cells.items():
        prefix, dot, key = name.partition(".")
        if name in {"tags", "categories"}:
            changes[name] = [part.strip() for part in cell.split("|") if part.strip()]
            if not changes[name]:
                del changes[name]
        elif prefix == "consent" and dot:
            if cell != "unknown":
                changes.setdefault("consents", {})[key] = cell
        elif prefix == "attributes" and dot:
            if cell.strip(" |"):
                changes.setdefault("attributes", {})[key] = cell
        elif name in NAMESPACE_OF or name in {"city", "birth_date", "lead_score", "created_at"}:
            changes[name] = cell
        else:
            changes.setdefault("identities", []).append({"namespace": name, "value": cell})
    return changes
