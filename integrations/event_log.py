"""What is kept of each message: a line of the log, and what somebody has to deal with."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from contacts.events import MESSAGE_ID_LIMIT
from contacts.extensions import Moved, Pair
from contacts.models import Contact, Identity
from integrations.messages import as_json, storable
from integrations.models import HeldEvent, ReceivedEvent, Source
from integrations.processing import Item
from integrations.remarks import Remark
from workspace import sql

# How long the log is kept, and held events after somebody has dealt with them.
LOG_KEPT = timedelta(days=7)
RESOLVED_KEPT = timedelta(days=90)
_TYPE_LIMIT = 10
_NAME_LIMIT = 200
_PATH_LIMIT = 300
_VALUE_LIMIT = 2000
_COLUMNS = (
    *("source_id", "received_at", "occurred_at", "type", "name", "message_id"),
    *("contact_id", "outcome", "code", "reason", "body"),
)
# What was received of a contact follows it into the one that stands for it now.
_FOLLOW = [
    f"UPDATE {model._meta.db_table} t SET contact_id = pair.survivor"  # noqa: S608  our own names
    " FROM unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
    " WHERE t.contact_id = pair.loser RETURNING pair.loser"
    for model in (ReceivedEvent, HeldEvent)
]


def write_log(source: Source, items: Sequence[Item]) -> None:
    """Write a line for each message, hold what could not be used, count, and date the source."""
    note(source, items)
    hold(source, [item for item in items if item.is_held])
    _count(source, items)
    if items:
        sql.execute(
            "UPDATE integrations_source SET last_received_at = greatest(last_received_at, %s)"
            " WHERE id = %s",
            [max(item.received_at for item in items), source.pk],
        )


def note(source: Source, items: Sequence[Item]) -> None:
    """Write a line of the log for each message."""
    copy_into = f"COPY {ReceivedEvent._meta.db_table} ({', '.join(_COLUMNS)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(copy_into) as copy:
        for item in items:
            message = item.message
            copy.write_row(
                (
                    *(source.pk, item.received_at, message.occurred_at),
                    storable(message.type, _TYPE_LIMIT),
                    storable(message.name, _NAME_LIMIT),
                    storable(message.message_id, MESSAGE_ID_LIMIT),
                    *(item.contact_id, item.outcome, item.code),
                    *(storable(item.reason, len(item.reason)), message.text),
                )
            )


def hold(source: Source, items: Iterable[Item]) -> None:
    """Keep these until somebody deals with them."""
    HeldEvent.objects.bulk_create(
        HeldEvent(
            source=source,
            received_at=item.received_at,
            sent_at=item.message.sent_at,
            type=storable(item.message.type, _TYPE_LIMIT),
            name=storable(item.message.name, _NAME_LIMIT),
            message_id=storable(item.message.message_id, MESSAGE_ID_LIMIT),
            body=item.message.text,
            **found(item),
        )
        for item in items
    )


def found(item: Item) -> dict[str, Any]:
    """What was found wrong with a message, by the columns of `HeldEvent`."""
    return {
        "contact_id": item.contact_id,
        "outcome": item.outcome,
        "code": item.code,
        "reason": storable(item.reason, len(item.reason)),
        "problems": [_told(one) for one in item.problems],
    }


def purge_log(as_of: datetime) -> dict[str, int]:
    """Forget lines of the log, and what somebody dealt with, that have outlived their time."""
    old = ReceivedEvent.objects.filter(received_at__lt=as_of - LOG_KEPT)
    done = HeldEvent.objects.exclude(state=HeldEvent.State.OPEN)
    return {
        "received_events": old.delete()[0],
        "held_events": done.filter(resolved_at__lt=as_of - RESOLVED_KEPT).delete()[0],
    }


def erase(contact_ids: list[int]) -> int:
    """Forget what was received of these contacts, and what is held and names one of them.

    What names them in another way, as a phone number with other blanks, and all lines of the log
    that are nobody's, go with their time.
    """
    names = Identity.objects.filter(contact_id__in=contact_ids).values_list("value", flat=True)
    columns = Contact.objects.filter(pk__in=contact_ids).values_list("email", "phone")
    values = {value for value in [*names, *(text for row in columns for text in row)] if value}
    patterns = [pattern for value in sorted(values) for pattern in _patterns(value)]
    deleted = ReceivedEvent.objects.filter(contact_id__in=contact_ids).delete()[0]
    deleted += HeldEvent.objects.filter(contact_id__in=contact_ids).delete()[0]
    if patterns:
        deleted += sql.execute(
            "DELETE FROM integrations_heldevent"
            " WHERE contact_id IS NULL AND body ILIKE ANY(%s::text[])",
            [patterns],
        )
    return deleted


def merge(pairs: Sequence[Pair], at: datetime) -> dict[int, Moved]:
    """Have what was received of contacts follow them into those that stand for them now."""
    arrays = [[one.loser_id for one in pairs], [one.survivor_id for one in pairs]]
    moved = Counter(loser for statement in _FOLLOW for (loser,) in sql.lists(statement, arrays))
    return {loser: Moved(count) for loser, count in moved.items()}


def _count(source: Source, items: Iterable[Item]) -> None:
    counts = Counter((item.received_at.astimezone(UTC).date(), item.outcome) for item in items)
    rows = sorted(counts.items())
    sql.execute(
        "INSERT INTO integrations_sourcecount AS known (source_id, day, outcome, event_count)"
        " SELECT %s, day, outcome, n"
        " FROM unnest(%s::date[], %s::text[], %s::bigint[]) AS new (day, outcome, n)"
        " ON CONFLICT (source_id, day, outcome)"
        " DO UPDATE SET event_count = known.event_count + excluded.event_count",
        [
            source.pk,
            [day for (day, _outcome), _n in rows],
            [outcome for (_day, outcome), _n in rows],
            [n for _key, n in rows],
        ],
    )


def _told(remark: Remark) -> Mapping[str, Any]:
    return {
        "path": storable(remark.path, _PATH_LIMIT),
        "code": remark.code,
        "message": storable(remark.message, len(remark.message)),
        "value": _shown(remark.value),
    }


def _shown(value: Any) -> Any:
    """A value for people: as jsonb can hold it, and not longer than one likes to read."""
    text = as_json(value)
    if len(text) > _VALUE_LIMIT:
        return storable(text, _VALUE_LIMIT) + "…"
    # A NUL, perhaps, or half a character: as it was escaped.
    return text if "\\u" in text else json.loads(text, parse_float=_number)


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _patterns(value: str) -> list[str]:
    """How a value stands in compact JSON: as a text, and as a number."""
    text = as_json(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    numbers = [f"%:{value},%", f"%:{value}}}%"] if value.isascii() and value.isdecimal() else []
    return [f"%{text}%", *numbers]
