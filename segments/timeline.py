"""What segments tell on the timeline of a contact: which it entered and left, and why.

Only of segments that the one who looks may know of, and with no word about others: where another
segment was the cause, a hidden one has no name.
"""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.survivors import merged_into
from contacts.timeline import Ask, Item, TimelineSource, register_source
from segments.causes import KIND, Causes
from segments.models import MembershipChange, Segment
from workspace import access, sql

_OWN_KEY = """(lpad(segment_id::text, 10, '0') || ':' || kind) COLLATE "C\""""
# Lines of contacts that were merged into this one, which may be of the same instant.
_MERGED_KEY = """(lpad(segment_id::text, 10, '0') || ':' || kind
  || CASE WHEN contact_id <> {own} THEN ':' || contact_id ELSE '' END) COLLATE "C\""""
_CHANGES = """
SELECT m.key, m.at, m.kind, m.cause, s.id, s.key AS segment_key, s.name FROM (
  SELECT {key} AS key, segment_id, at, kind, cause FROM segments_membershipchange
  WHERE {whose} AND segment_id = ANY(%s) {conditions} {order}) m
JOIN segments_segment s ON s.id = m.segment_id
{outer}
"""
_COUNT = """
SELECT count(*) FROM (
  SELECT FROM segments_membershipchange
  WHERE {whose} AND segment_id = ANY(%s) {conditions} LIMIT %s) counted
"""


def load(ask: Ask) -> list[Item]:
    """Segments entered and left; a constant number of queries."""
    known = _known(ask)
    if not known:
        return []
    whose, ids, key = _whose(ask.contact_id)
    conditions, params = ask.where("at", key)
    statement = _CHANGES.format(
        key=key,
        whose=whose,
        conditions=conditions,
        order=ask.order("at", key),
        outer=ask.order("m.at", "m.key"),
    )
    rows = sql.rows(statement, [ids, known, *params])
    causes = Causes([row["cause"] for row in rows], ask.actor)
    return [_item(row, causes) for row in rows]


def count(ask: Ask) -> int:
    """How many of them there are, up to the limit."""
    known = _known(ask)
    if not known:
        return 0
    whose, ids, key = _whose(ask.contact_id)
    conditions, params = ask.where("at", key)
    statement = _COUNT.format(whose=whose, conditions=conditions)
    return int(sql.one(statement, [ids, known, *params, ask.limit]))


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Segments"),
            "group_work",
            load,
            count,
            answers=frozenset({"segment"}),
            permission="segments.view_segment",
            place=20,
        )
    )


def _known(ask: Ask) -> list[int]:
    seen = access.visible(Segment.objects.all(), ask.actor).order_by()
    if ask.filters.segment is not None:
        seen = seen.filter(key=ask.filters.segment)
    return list(seen.values_list("pk", flat=True))


def _whose(contact_id: int) -> tuple[str, Any, str]:
    """The condition for the lines of a contact and of those merged into it, its value, the key."""
    merged = merged_into([contact_id])
    if not merged:
        return "contact_id = %s", contact_id, _OWN_KEY
    key = _MERGED_KEY.format(own=int(contact_id))
    return "contact_id = ANY(%s)", [contact_id, *merged], key


def _item(row: dict[str, Any], causes: Causes) -> Item:
    has_entered = row["kind"] == MembershipChange.Kind.ENTERED
    title = _("Entered “%(segment)s”") if has_entered else _("Left “%(segment)s”")
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=title % {"segment": row["name"]},
        text=causes.words(row["cause"]),
        icon="login" if has_entered else "logout",
        tone="good" if has_entered else "warning",
        url=reverse("admin:segments_segment_change", args=[row["id"]]),
        data={
            "segment": row["segment_key"],
            "change": row["kind"],
            "cause": causes.masked(row["cause"]),
        },
    )
