"""Changes on the timeline: since when we know the contact, what staff and programs changed.

The audit trail says that something personal was changed, never what it was or became. What other
sources tell better (labels, consents, the lead score, merges) is left to them.
"""

from typing import Any

from django.utils.translation import gettext as _

from contacts.models import AttributeDefinition, Contact
from contacts.timeline.actors import ALL_IDS
from contacts.timeline.items import Ask, Item, number_key
from workspace import sql
from workspace.exactjson import exact_loads
from workspace.models import AuditEntry

CHANGE, IMPORT = "change", "import"
_KEY = number_key("id")
_TOLD_ELSEWHERE = ("tags", "categories", "lead_score")
_CONSENTS = "consents."
_ATTRIBUTES = "attributes."
_ENTRIES = f"""
SELECT {_KEY} AS key, at, actor_kind, actor_label, action, changes::text AS changes
FROM workspace_auditentry
WHERE object_type = %s AND object_id IN ({ALL_IDS}) {{only}} {{conditions}} {{order}}
"""  # noqa: S608
# A change of nothing but labels, consents or the score is told by their sources; so are merges.
_ONLY_CHANGES = """
  AND action NOT IN ('contact.created', 'contact.merged')
  AND (action <> 'contact.updated' OR EXISTS (
    SELECT FROM jsonb_object_keys(changes) name
    WHERE name <> ALL(%s) AND NOT starts_with(name, %s)))
"""
_CREATED = """
SELECT c.created_at, e.actor_label, e.actor_kind FROM contacts_contact c
LEFT JOIN LATERAL (
  SELECT actor_label, actor_kind FROM workspace_auditentry
  WHERE object_type = %s AND object_id = c.id::text AND action = 'contact.created'
  ORDER BY id LIMIT 1) e ON true
WHERE c.id = %s
"""
_IMPORTS = f"""
SELECT {number_key("e.id")} AS key, e.at, e.actor_label, e.object_label,
  e.at = c.created_at AS is_new
FROM contacts_contact c JOIN workspace_auditentry e ON e.at IN (c.created_at, c.updated_at)
WHERE c.id = %s AND e.action = 'contacts.imported'
"""  # noqa: S608
_ICONS = {
    AuditEntry.ActorKind.USER: "edit",
    AuditEntry.ActorKind.API: "api",
    AuditEntry.ActorKind.SYSTEM: "settings",
}


def entries(
    ask: Ask, *, object_type: str, only: str = "", params: tuple[Any, ...] = ()
) -> list[dict[str, Any]]:
    """Lines of the audit trail about something that has the number of the contact.

    Or of one that was merged into it.

    `only` is a condition in SQL, beginning with AND, with its `params`. The rows have `key`, `at`,
    `actor_kind`, `actor_label`, `action` and `changes`.
    """
    conditions, values = ask.where("at", _KEY)
    statement = _ENTRIES.format(only=only, conditions=conditions, order=ask.order("at", _KEY))
    ids = [ask.contact_id] * 2
    rows = sql.rows(statement, [object_type, *ids, *params, *values])
    return [{**row, "changes": exact_loads(row["changes"])} for row in rows]


def load_changes(ask: Ask) -> list[Item]:
    """Since when we know the contact, and what was changed of it by whom."""
    rows = entries(
        ask,
        object_type=Contact._meta.label_lower,
        only=_ONLY_CHANGES,
        params=(list(_TOLD_ELSEWHERE), _CONSENTS),
    )
    labels = _attribute_labels(rows)
    found = [*(_change(row, labels) for row in rows), *ask.chosen(_created(ask.contact_id))]
    found.sort(key=lambda item: (item.at, item.key), reverse=ask.newest_first)
    return found[: ask.limit]


def load_imports(ask: Ask) -> list[Item]:
    """The import that brought the contact, and the one that was the last to change it.

    Others in between are known of no single contact.
    """
    return ask.chosen(
        Item(
            kind=IMPORT,
            key=row["key"],
            at=row["at"],
            title=_("Came with an import") if row["is_new"] else _("Changed by an import"),
            text=row["object_label"],
            icon="upload_file",
            actor=row["actor_label"],
            data={"file": row["object_label"], "is_new": row["is_new"]},
        )
        for row in sql.rows(_IMPORTS, [ask.contact_id])
    )


def _created(contact_id: int) -> list[Item]:
    return [
        Item(
            kind=CHANGE,
            key="created",
            at=row["created_at"],
            title=_("Became known"),
            icon="person_add",
            tone="good",
            actor=row["actor_label"] or "",
            data={"action": "contact.created"},
        )
        for row in sql.rows(_CREATED, [Contact._meta.label_lower, contact_id])
    ]


def _attribute_labels(rows: list[dict[str, Any]]) -> dict[str, str]:
    keys = {
        name.removeprefix(_ATTRIBUTES)
        for row in rows
        for name in row["changes"]
        if name.startswith(_ATTRIBUTES)
    }
    known = AttributeDefinition.objects.filter(key__in=keys) if keys else ()
    return {definition.key: definition.label for definition in known}


def _change(row: dict[str, Any], labels: dict[str, str]) -> Item:
    is_update = row["action"] == "contact.updated"
    told = {
        _name(name, labels): _became(change)
        for name, change in row["changes"].items()
        if is_update and name not in _TOLD_ELSEWHERE and not name.startswith(_CONSENTS)
    }
    return Item(
        kind=CHANGE,
        key=row["key"],
        at=row["at"],
        title=_action(row["action"]),
        text=", ".join(told),
        icon=_ICONS[AuditEntry.ActorKind(row["actor_kind"])],
        actor=row["actor_label"],
        details=tuple(told.items()),
        data={
            "action": row["action"],
            "actor_kind": row["actor_kind"],
            "fields": sorted(row["changes"]) if is_update else [],
        },
    )


def _action(action: str) -> str:
    """What was done, in words; what nobody described is called as the trail calls it."""
    words = {
        "contact.updated": _("Profile changed"),
        "contact.erased": _("Erased"),
    }
    return words.get(action) or action.partition(".")[2].replace("_", " ").capitalize()


def _name(name: str, labels: dict[str, str]) -> str:
    """What was changed, in words."""
    if name.startswith(_ATTRIBUTES):
        key = name.removeprefix(_ATTRIBUTES)
        return labels.get(key, key)
    if name == "identities":
        return _("identities")
    known = {field.name: field for field in Contact._meta.concrete_fields}
    return str(known[name].verbose_name) if name in known else name


def _became(change: Any) -> str:
    """What happened to a value that is not told."""
    match change:
        case [None, _new]:
            return _("filled in")
        case [_old, None]:
            return _("emptied")
    return _("changed")
