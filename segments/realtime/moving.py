"""Ask some contacts anew for some segments, and write who moved: log, counts, causes and all.

One transaction, which takes the segments' members for itself; what another one is writing is owed
and asked as soon as that has ended. A segment whose criteria name another is asked after it, also
about those whom the other has just gained or lost.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from segments import moves
from segments.membership import CHANGES
from segments.models import Following, Segment
from segments.realtime import state
from segments.realtime.documents import Documents
from workspace import partitions, sql

# Who fits now and who was in, and of these who is in one of them only.
_DIFFERENCE = """
WITH fitting AS MATERIALIZED ({vector})
SELECT coalesce(n.segment_id, m.segment_id) AS segment_id,
  coalesce(n.contact_id, m.contact_id) AS contact_id, m.contact_id IS NULL AS is_new
FROM (SELECT contact_id, unnest(segment_ids) AS segment_id FROM fitting) n
FULL JOIN (
  SELECT segment_id, contact_id FROM segments_membership
  WHERE contact_id = ANY(%s) AND segment_id = ANY(%s)) m
  ON m.segment_id = n.segment_id AND m.contact_id = n.contact_id
WHERE n.contact_id IS NULL OR m.contact_id IS NULL
"""
# As in a full refresh, the log of a segment never goes back in time.
_WRITE = """
WITH moved AS MATERIALIZED (
  SELECT * FROM unnest(%s::integer[], %s::bigint[], %s::boolean[], %s::text[])
    AS m (segment_id, contact_id, is_new, cause)),
moments AS MATERIALIZED (
  SELECT s.segment_id, greatest(%s, (
    SELECT max(l.at) + interval '1 microsecond' FROM segments_membershipchange l
    WHERE l.segment_id = s.segment_id AND l.at >= %s)) AS at
  FROM (SELECT DISTINCT segment_id FROM moved) s),
gone AS (
  DELETE FROM segments_membership m USING moved d
  WHERE NOT d.is_new AND m.segment_id = d.segment_id AND m.contact_id = d.contact_id
  RETURNING m.segment_id, m.contact_id),
come AS (
  INSERT INTO segments_membership (segment_id, contact_id, entered_at)
  SELECT d.segment_id, d.contact_id, t.at FROM moved d JOIN moments t USING (segment_id)
  WHERE d.is_new ORDER BY d.segment_id, d.contact_id
  ON CONFLICT (segment_id, contact_id) DO NOTHING
  RETURNING segment_id, contact_id),
done AS (
  SELECT segment_id, contact_id, 'entered' AS kind FROM come
  UNION ALL SELECT segment_id, contact_id, 'left' FROM gone),
logged AS (
  INSERT INTO segments_membershipchange (segment_id, at, contact_id, kind, cause)
  SELECT c.segment_id, t.at, c.contact_id, c.kind, d.cause
  FROM done c JOIN moments t USING (segment_id) JOIN moved d USING (segment_id, contact_id))
SELECT segment_id, t.at, count(*) FILTER (WHERE kind = 'entered') AS entered,
  count(*) FILTER (WHERE kind = 'left') AS left_
FROM done JOIN moments t USING (segment_id) GROUP BY segment_id, t.at ORDER BY segment_id
"""
_COUNT = """
UPDATE segments_segment s SET member_count = s.member_count + n.step
FROM unnest(%s::integer[], %s::bigint[]) AS n (segment_id, step) WHERE s.id = n.segment_id
"""
_NOTE = """
UPDATE segments_following f SET entered_count = f.entered_count + n.entered,
  left_count = f.left_count + n.gone, moved_at = n.at
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::timestamptz[])
  AS n (segment_id, entered, gone, at) WHERE f.segment_id = n.segment_id
"""


class Changed(Exception):
    """A segment was taken out of use this moment: what was computed is not to be written."""


@dataclass(slots=True)
class Asked:
    """Whom to ask about what: topics that touched contacts, and pairs with a cause of their own."""

    topics: Mapping[int, Collection[str]] = field(default_factory=dict)
    pairs: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))

    def segments(self, documents: Documents) -> set[int]:
        """Those to be asked, without what follows from them."""
        every = {topic for found in self.topics.values() for topic in found}
        concerned = {one for topic in every for one in documents.concerned(topic)}
        return concerned | {one for one, contacts in self.pairs.items() if contacts}

    def cause(self, segment_id: int, contact_id: int, documents: Documents) -> str | None:
        """Why this contact is asked about this segment; None where he is not."""
        own = self.pairs.get(segment_id, {}).get(contact_id)
        if own is not None:
            return own
        for topic in self.topics.get(contact_id, ()):
            if segment_id in documents.concerned(topic):
                return documents.cause(topic)
        return None

    def about(self, segment_ids: Iterable[int], documents: Documents) -> Iterator[tuple[int, int]]:
        """Each (segment, contact) of these segments that is to be asked."""
        for segment_id in segment_ids:
            yield from ((segment_id, contact_id) for contact_id in self.pairs.get(segment_id, ()))
            for contact_id, found in self.topics.items():
                if any(segment_id in documents.concerned(topic) for topic in found):
                    yield segment_id, contact_id


@dataclass(frozen=True, slots=True)
class Ours:
    """Of some segments, those that follow and whose members only this transaction writes.

    `busy` are those that somebody else writes: whoever is to be asked about them is owed. What is
    neither follows nothing, and its next full refresh sees all that happened until now.
    """

    writable: frozenset[int]
    busy: frozenset[int]

    @classmethod
    def of(cls, segment_ids: Collection[int]) -> "Ours":
        """Take as many of the segments as nobody else writes, until the transaction ends."""
        if not segment_ids:
            return cls(frozenset(), frozenset())
        locked = state.try_lock_writing(segment_ids)
        # Read only now: who stopped to follow did so before it let the lock go.
        following = Following.objects.filter(segment__in=locked).values_list("pk", flat=True)
        return cls(frozenset(following), frozenset(segment_ids) - locked)


@dataclass(frozen=True, slots=True)
class Move:
    """A contact that enters or leaves a segment."""

    segment_id: int
    contact_id: int
    is_new: bool
    cause: str


def ask(asked: Asked, documents: Documents, *, ours: Ours, at: datetime) -> int:
    """Ask as of `at`, write who moved, and do the same for who depends on that; how many moved.

    Raises Changed where a segment was taken out of use meanwhile.
    """
    writable = ours.writable
    _owe(asked.segments(documents) & ours.busy, asked, documents)
    # Time goes on for a segment by what `clock` looks at: never past what was asked as of now.
    state.step_back(writable, at=at)
    total = 0
    wanted = asked.segments(documents)
    for level in documents.levels:
        ids = tuple(one for one in level if one in writable and one in wanted)
        found = list(_difference(ids, asked, documents, at)) if ids else []
        if not found:
            continue
        total += _write(found, at)
        for move in found:
            key = documents.cause(f"segment:{move.segment_id}")
            for other in documents.concerned(f"segment:{move.segment_id}"):
                asked.pairs[other].setdefault(move.contact_id, key)
        _owe(
            documents.dependents({move.segment_id for move in found}) & ours.busy, asked, documents
        )
        wanted = asked.segments(documents)
    return total


def _owe(segment_ids: Iterable[int], asked: Asked, documents: Documents) -> None:
    owed = set(asked.about(segment_ids, documents))
    state.owe((*pair, asked.cause(*pair, documents) or "") for pair in owed)


def _difference(
    segment_ids: tuple[int, ...], asked: Asked, documents: Documents, at: datetime
) -> Iterator[Move]:
    contacts = set(asked.topics)
    for segment_id in segment_ids:
        contacts.update(asked.pairs.get(segment_id, ()))
    among = sorted(contacts)
    query = documents.vector(segment_ids).at(now=at, among=among)
    text = _DIFFERENCE.format(vector=query.text)
    rows = sql.lists(text, [*query.params, among, list(segment_ids)])
    for segment_id, contact_id, is_new in rows:
        # Who was asked about other segments only is left to what touches him for this one.
        cause = asked.cause(segment_id, contact_id, documents)
        if cause is not None:
            yield Move(segment_id, contact_id, is_new, cause)


def _write(found: Collection[Move], at: datetime) -> int:
    partitions.ensure_months(CHANGES, [at])
    columns = [
        [move.segment_id for move in found],
        [move.contact_id for move in found],
        [move.is_new for move in found],
        [move.cause for move in found],
    ]
    written = sql.rows(_WRITE, [*columns, at, at])
    ids = [row["segment_id"] for row in written]
    held = Segment.objects.filter(pk__in=ids, status=Segment.Status.ACTIVE)
    if len(held.order_by("pk").select_for_update(no_key=True).values_list("pk")) != len(ids):
        raise Changed
    entered = [row["entered"] for row in written]
    left = [row["left_"] for row in written]
    steps = [come - gone for come, gone in zip(entered, left, strict=True)]
    moments = [row["at"] for row in written]
    sql.execute(_COUNT, [ids, steps])
    sql.execute(_NOTE, [ids, entered, left, moments])
    moves.announce(list(zip(ids, moments, strict=True)))
    return int(sum(entered) + sum(left))
