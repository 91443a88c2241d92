"""What the loyalty programme tells on the timeline of a contact: joined, left, tier; and points."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.trail import entries
from loyalty.models import Member
from workspace import sql
from workspace.admin.pictures import number

KIND = "loyalty"
# The last line of an action that the membership itself tells of is left out.
_WITHOUT_LAST = """
  AND (action <> ALL(%s) OR EXISTS (
    SELECT FROM workspace_auditentry later
    WHERE later.object_type = workspace_auditentry.object_type
      AND later.object_id = workspace_auditentry.object_id
      AND later.action = workspace_auditentry.action AND later.id > workspace_auditentry.id))
"""
_LAST_ACTORS = """
SELECT DISTINCT ON (action) action, actor_label FROM workspace_auditentry
WHERE object_type = %s AND object_id = %s ORDER BY action, id DESC
"""


def load(ask: Ask) -> list[Item]:
    """The last joining and leaving as the membership has them, the rest by the audit trail."""
    own = _own(ask.contact_id)
    told = [item.data["action"] for item in own]
    rows = entries(ask, object_type=Member._meta.label_lower, only=_WITHOUT_LAST, params=(told,))
    found = [*(_entry(row) for row in rows), *ask.chosen(own)]
    found.sort(key=lambda item: (item.at, item.key), reverse=ask.newest_first)
    return found[: ask.limit]


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Loyalty"),
            "loyalty",
            load,
            permission="loyalty.view_member",
            place=30,
        )
    )


def _own(contact_id: int) -> list[Item]:
    member = Member.objects.filter(contact_id=contact_id).first()
    if member is None:
        return []
    object_type = Member._meta.label_lower
    actors = dict(sql.lists(_LAST_ACTORS, [object_type, str(contact_id)]))
    joined, left = "member.joined", "member.left"
    found = [_item(joined, "joined", member.joined_at, actors.get(joined, ""))]
    if member.left_at is not None:
        found.append(_item(left, "left", member.left_at, actors.get(left, "")))
    return found


def _entry(row: dict[str, Any]) -> Item:
    return _item(row["action"], row["key"], row["at"], row["actor_label"], row["changes"])


def _item(
    action: str,
    key: str,
    at: datetime,
    actor: str,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Item:
    title, icon, tone = {
        "member.joined": (_("Joined the loyalty programme"), "loyalty", "good"),
        "member.left": (_("Left the loyalty programme"), "logout", "warning"),
        "member.tier_changed": (_("Another tier"), "military_tech", "good"),
    }.get(action, (_("Membership changed"), "loyalty", "info"))
    details = tuple((_name(name), _change(change)) for name, change in changes.items())
    return Item(
        kind=KIND,
        key=key,
        at=at,
        title=title,
        text=" · ".join(f"{name}: {change}" for name, change in details),
        icon=icon,
        tone=tone,
        actor=actor,
        details=details,
        data={"action": action, "changes": dict(changes)},
    )


def _name(name: str) -> str:
    known = {field.name: field for field in Member._meta.concrete_fields}
    return str(known[name].verbose_name) if name in known else name


def _change(change: Any) -> str:
    if isinstance(change, list) and len(change) == 2:
        before, after = (_shown(value) for value in change)
        return f"{before} → {after}"
    return _shown(change)


def _shown(value: Any) -> str:
    if value in (None, ""):
        return "–"
    return number(value) if isinstance(value, int) else str(value)
