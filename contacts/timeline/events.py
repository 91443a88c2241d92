"""Events on the timeline: what the contact did, and which source told us."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from contacts.timeline.items import Ask, Item
from contacts.timeline.origins import origins, origins_of
from workspace import sql
from workspace.exactjson import exact_dumps, exact_loads

KIND = "event"
PAGE_VISIT, SCREEN_VIEW = "page_visit", "screen_view"
_INSTANT = timedelta(microseconds=1)
_SUMMARY_SHOWN = 3
_SUMMARY_LENGTH = 40

_STATISTICS = """
SELECT s.definition_id, s.event_count, s.first_at, s.last_at
FROM contacts_eventstatistic s JOIN contacts_eventdefinition d ON d.id = s.definition_id
WHERE s.contact_id = %s AND s.event_count > 0 AND (%s::text IS NULL OR d.name = %s)
"""
# Each kind of event has those of a contact in an index by time; so a page is the first of the
# first of each kind, and nothing is sorted but these.
_EVENTS = """
SELECT d.name, d.label, e.occurred_at, e.received_at, e.message_id, e.properties::text AS properties
FROM contacts_eventdefinition d CROSS JOIN LATERAL (
  SELECT occurred_at, received_at, message_id, properties FROM contacts_event v
  WHERE definition_id = d.id AND contact_id = %s AND occurred_at >= %s AND occurred_at <= %s
  {conditions}
  {order}) e
WHERE d.id = ANY(%s)
{order}
"""
_COUNT = """
SELECT count(*) FROM (
  SELECT FROM contacts_event WHERE definition_id = ANY(%s) AND contact_id = %s {conditions}
  LIMIT %s) counted
"""
_TIME, _KEY = "occurred_at", "message_id"


def load(ask: Ask) -> list[Item]:
    """A page of events; a few queries for it and for who sent them."""
    rows = _rows(ask)
    if not rows:
        return []
    sent_by = origins_of((row["message_id"] for row in rows), ask.actor)
    items = []
    for row in rows:
        item = _item(row)
        if (origin := sent_by.get(item.key)) is not None:
            item = replace(
                item,
                origin=origin.name,
                origin_url=origin.url,
                data={**item.data, "source": origin.key},
            )
        items.append(item)
    return items


def count(ask: Ask) -> int:
    """How many there are, up to the limit."""
    ids = [row["definition_id"] for row in _statistics(ask)]
    conditions, params = ask.where(_TIME, _KEY)
    statement = _COUNT.format(conditions=conditions)
    return int(sql.one(statement, [ids, ask.contact_id, *params, ask.limit])) if ids else 0


def _statistics(ask: Ask) -> list[dict[str, Any]]:
    return sql.rows(_STATISTICS, [ask.contact_id, *[ask.filters.name] * 2])


def _rows(ask: Ask) -> list[dict[str, Any]]:
    found = _statistics(ask)
    conditions, params = _conditions(ask)
    if not found or conditions is None:
        return []
    since, until = ask.filters.since, ask.filters.until
    earliest = max(filter(None, [min(row["first_at"] for row in found), since]))
    latest = min(filter(None, [max(row["last_at"] for row in found), until and until - _INSTANT]))
    if ask.at is not None:
        earliest, latest = (
            (earliest, min(latest, ask.at)) if ask.newest_first else (max(earliest, ask.at), latest)
        )
    total = sum(row["event_count"] for row in found)
    ids = [row["definition_id"] for row in found]
    rows: list[dict[str, Any]] = []
    for begin, end in _windows(ask, earliest, latest, total):
        statement = _EVENTS.format(
            conditions=conditions,
            order=replace(ask, limit=ask.limit - len(rows)).order(_TIME, _KEY),
        )
        rows += sql.rows(statement, [ask.contact_id, begin, end, *params, ids])
        if len(rows) >= ask.limit:
            break
    return rows


def _windows(
    ask: Ask, earliest: datetime, latest: datetime, total: int
) -> Iterator[tuple[datetime, datetime]]:
    """Windows of time, in the order of walking, the first of which probably holds a page.

    The database then reads few partitions, where a query without bounds would begin with all.
    """
    if earliest > latest:
        return
    width = max(timedelta(hours=1), (latest - earliest) * min(1, 4 * ask.limit / total))
    begin, end = earliest, latest
    while True:
        step = min(width, end - begin)
        yield (end - step, end) if ask.newest_first else (begin, begin + step)
        if step == end - begin:
            return
        if ask.newest_first:
            end -= step + _INSTANT
        else:
            begin += step + _INSTANT
        width *= 4


def _conditions(ask: Ask) -> tuple[str | None, list[Any]]:
    """What besides the window restricts the events; None where nothing can be found."""
    where, params = ask.where(_TIME, _KEY)
    if ask.filters.text:
        # Also in what a kind of event is called, which is known outside of the lateral part.
        where += " AND (properties::text ILIKE %s OR d.name ILIKE %s OR d.label ILIKE %s)"
        params += [_like(ask.filters.text, escaped=True), *[_like(ask.filters.text)] * 2]
    if ask.filters.source is not None:
        chosen = [one.id for one in origins(ask.actor) if one.key == ask.filters.source]
        if not chosen:
            return None, []
        where += (
            " AND EXISTS (SELECT FROM contacts_seenmessage m"
            " WHERE m.source_id = %s AND m.message_id = v.message_id)"
        )
        params += chosen[:1]
    return where, params


def _like(text: str, *, escaped: bool = False) -> str:
    # In JSON a quote and a backslash are written with one more.
    text = exact_dumps(text)[1:-1] if escaped else text
    for character in "\\%_":
        text = text.replace(character, f"\\{character}")
    return f"%{text}%"


def _item(row: Mapping[str, Any]) -> Item:
    properties: dict[str, Any] = exact_loads(row["properties"])
    title, text, icon = _words(row["name"], row["label"], properties)
    return Item(
        kind=KIND,
        key=row["message_id"],
        at=row["occurred_at"],
        title=title,
        text=text,
        icon=icon,
        tone="info",
        details=tuple(
            (name, value if isinstance(value, str) else exact_dumps(value))
            for name, value in properties.items()
        ),
        data={"event": row["name"]},
        name=row["name"],
        received_at=row["received_at"],
        message_id=row["message_id"],
        properties=properties,
    )


def _words(name: str, label: str, properties: Mapping[str, Any]) -> tuple[str, str, str]:
    """What is said of an event: title, text, icon."""
    shown = _shown_name(properties)
    if name == PAGE_VISIT and shown:
        url = properties.get("url")
        return _("Viewed %(page)s") % {"page": shown}, url if isinstance(url, str) else "", "web"
    if name == SCREEN_VIEW and shown:
        return _("Opened %(screen)s") % {"screen": shown}, "", "smartphone"
    return label or name, _summary(properties), "bolt"


def _shown_name(properties: Mapping[str, Any]) -> str:
    """What a page or screen is called: its title or name, else where it is."""
    for key in ("title", "name", "path"):
        value = properties.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    url = properties.get("url")
    if not isinstance(url, str):
        return ""
    try:
        return urlsplit(url).path or url
    except ValueError:
        return url


def _summary(properties: Mapping[str, Any]) -> str:
    """The first few properties on one line."""
    parts = []
    for name, value in list(properties.items())[:_SUMMARY_SHOWN]:
        text = value if isinstance(value, str) else exact_dumps(value)
        shown = text if len(text) <= _SUMMARY_LENGTH else f"{text[:_SUMMARY_LENGTH]}…"
        parts.append(f"{name}: {shown}")
    return " · ".join(parts)
