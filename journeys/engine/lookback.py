"""What happened already: events between when somebody was to arrive at a place and now.

Who arrives later than was due, because a worker was late or because a tick moves thousands one
range after the other, stood nowhere when the follower of events (`journeys.following`) told of
what happened meanwhile. So the tick asks here whenever it lets somebody arrive, in the transaction
that does it. It asks without an end: what happened since the tick began was told of already, when
they stood elsewhere. What is later than the tick is acted upon when its time comes, as in a
rehearsal, where no follower runs.

Only the first event that fits is signalled for each activity. Looked up by the contact, kind and
time of the events, and only for those whose statistics say that there is one since.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from journeys import hearing
from journeys.drawing.plan import Place
from journeys.following import listening_of
from journeys.hearing import Ear
from journeys.models import JourneyVersion, Signal
from workspace import sql

# The statistics say of whom there is none since, without a look at the months of events.
_FOUND = f"""
SELECT DISTINCT ON (p.id) p.journey_id, p.id, %s, %s, e.occurred_at, {hearing.told()}
FROM unnest(%s::bigint[]) AS asked (id)
JOIN journeys_participant p ON p.id = asked.id AND (p.version_id = %s) IS TRUE AND {{stands}}
JOIN contacts_eventdefinition d ON d.name = %s
JOIN contacts_eventstatistic s ON s.contact_id = p.contact_id AND s.definition_id = d.id
  AND s.last_at > p.{{since}}
CROSS JOIN LATERAL (
  SELECT e.contact_id, d.name, e.occurred_at, e.message_id, e.url_id, e.properties, e.amount
  FROM contacts_event e
  WHERE e.contact_id = p.contact_id AND e.definition_id = d.id AND e.occurred_at > p.{{since}}
  OFFSET 0) e
WHERE {{fits}}
ORDER BY p.id, e.occurred_at, e.message_id COLLATE "C"
"""  # noqa: S608  made of our own words only
_SIGNAL = """
INSERT INTO journeys_signal (journey_id, participant_id, kind, node, at, data)
SELECT * FROM ({found}) found (journey_id, participant_id, kind, node, at, data)
ORDER BY participant_id, at, node
"""


def signal_past_events(
    version: JourneyVersion, place: Place, participant_ids: Sequence[int], *, as_of: datetime
) -> int:
    """Signal what those who have just arrived at a waiting place were waiting for, and happened.

    It counts from each one's `arrived_at`, exclusive, without end.
    Returns how many signals were written. One statement, none where nothing there is heard.
    """
    ears = [
        ear
        for ear in listening_of(version).ears
        if ear.kind == Signal.Kind.EVENT and place.number in ear.places
    ]
    return _signal(version, ears, participant_ids, as_of, since="arrived_at", place=place.number)


def signal_past_ends(
    version: JourneyVersion, participant_ids: Sequence[int], *, as_of: datetime
) -> int:
    """Signal that those who have just entered met goal or exit criteria by an event meanwhile.

    It counts from each one's `entered_at`, exclusive, without end.
    Returns how many signals were written.
    """
    ears = [ear for ear in listening_of(version).ears if ear.kind != Signal.Kind.EVENT]
    return _signal(version, ears, participant_ids, as_of, since="entered_at")


def _signal(
    version: JourneyVersion,
    ears: Sequence[Ear],
    participant_ids: Sequence[int],
    as_of: datetime,
    *,
    since: str,
    place: int | None = None,
) -> int:
    if not ears or not participant_ids:
        return 0
    # In words for which there is no index: each is looked up by its number.
    stands = "coalesce(p.finished_at, 'infinity') = 'infinity'"
    if place is not None:
        stands = "p.place = %s AND p.state || '' = 'waiting'"
    parts: list[str] = []
    params: list[Any] = []
    for ear in ears:
        condition, values = hearing.fits(ear, at=as_of)
        parts.append(f"({_FOUND.format(stands=stands, since=since, fits=condition)})")
        where = [] if place is None else [place]
        params += [ear.kind, ear.node, list(participant_ids), version.pk, *where, ear.event]
        params += values
    return sql.execute(_SIGNAL.format(found=" UNION ALL ".join(parts)), params)
