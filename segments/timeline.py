"""What segments tell on the timeline of a contact: which it entered and left, and why.

Only of segments that the one who looks may know of, and with no word about others: where another
segment was the cause, a hidden one has no name.
"""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    EventDefinition,
    MetricDefinition,
    Tag,
)
from contacts.survivors import merged_into
from contacts.timeline import Ask, Item, TimelineSource, register_source
from segments.models import MembershipChange, Segment
from workspace import access, sql
from workspace.access import Actor

KIND = "segment"
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
# What a cause names, by its first word.
_NAMED: dict[str, tuple[Any, str]] = {
    "event": (EventDefinition, "name"),
    "attribute": (AttributeDefinition, "key"),
    "tag": (Tag, "key"),
    "category": (Category, "key"),
    "consent": (ConsentDefinition, "key"),
    "metric": (MetricDefinition, "key"),
}


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
    causes = _Causes([row["cause"] for row in rows], ask.actor)
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


def _item(row: dict[str, Any], causes: "_Causes") -> Item:
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


class _Causes:
    """The causes of some changes in words; a query for each kind of thing that they name."""

    def __init__(self, causes: list[str], actor: Actor) -> None:
        named: dict[str, set[str]] = {}
        for cause in causes:
            kind, _colon, name = cause.partition(":")
            named.setdefault(kind, set()).add(name)
        self._labels: dict[tuple[str, str], str] = {}
        for kind, (model, field) in _NAMED.items():
            # A query for each kind that occurs, six at most.
            for thing in model.objects.filter(**{f"{field}__in": named.get(kind, ())}):
                self._labels[kind, getattr(thing, field)] = str(thing)
        if KIND in named:
            segments = Segment.objects.filter(key__in=named[KIND])
            for key, name in access.visible(segments, actor).values_list("key", "name"):
                self._labels[KIND, key] = name

    def masked(self, cause: str) -> str:
        """The cause as programs get it; a segment that may not be known of is not named."""
        kind, _colon, name = cause.partition(":")
        return kind if kind == KIND and (kind, name) not in self._labels else cause

    def words(self, cause: str) -> str:
        """The cause in words."""
        kind, _colon, name = cause.partition(":")
        label = self._labels.get((kind, name), name if kind != KIND else "")
        if not name or not label:
            return _plain(kind)
        sentence = {
            "event": _("because of the event “%(name)s”"),
            "attribute": _("because “%(name)s” changed"),
            "contact": _("because “%(name)s” changed"),
            "tag": _("because of the tag “%(name)s”"),
            "category": _("because of the category “%(name)s”"),
            "consent": _("because of the consent “%(name)s”"),
            "metric": _("because “%(name)s” changed"),
            KIND: _("because of the segment “%(name)s”"),
        }.get(kind)
        return sentence % {"name": label} if sentence else _plain(kind)


def _plain(cause: str) -> str:
    """A cause that names nothing, in words; one that nobody described is called as it is."""
    words = {
        "event": _("because of an event"),
        "contact": _("because the profile changed"),
        "tag": _("because of a tag"),
        "category": _("because of a category"),
        "consent": _("because of a consent"),
        "metric": _("because a metric changed"),
        "table": _("because of the loyalty programme"),
        KIND: _("because of another segment"),
        "time": _("as time passed"),
        "criteria": _("because the criteria of the segment changed"),
        "changed": _("because the segment was changed"),
        "created": _("when the segment was made"),
        "import": _("by an import"),
        "merge": _("because two contacts became one"),
        "new": _("when the contact became known"),
        "file": _("because of the file that the segment is from"),
        "list": _("because of the list that the segment is from"),
        "archived": _("because the segment was archived"),
        "scheduled": _("when the segment was refreshed on time"),
        "requested": _("when somebody refreshed the segment"),
        "audit": _("put right by the nightly audit"),
        "refresh": _("when the segment was refreshed"),
    }
    return words.get(cause, cause)
