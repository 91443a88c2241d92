"""What changed about whom, for those who follow contacts: a queue that the database fills itself.

Triggers (migration `touches`) note each change in the transaction that makes it; whoever takes
the rows deletes them in the transaction that follows them up. So nothing is missed and nothing is
told of a change that was rolled back. Topics: "new" (a contact that was not there), "contact" (a
field or attribute), "event:12", "tag:3", "category:3", "consent:3", "metric:3" by the ids of the
definitions, "table:loyalty_member" for a table of an upper floor; "event:*" is any event.

A row of contact `EVERYONE` says that so many were touched at once that they are not listed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from workspace import rounds, sql

CHANNEL = "regulars_touches"
EVERYONE = 0
NEW, CONTACT = "new", "contact"
# How many contacts a statement of a trigger lists; above it writes one row for everyone.
LISTED = 10_000
# Nobody takes them where no process runs the rounds: then they are kept as what was touched only.
_KEPT = timedelta(hours=1)

_TAKE = """
DELETE FROM contacts_touch WHERE id IN (
  SELECT id FROM contacts_touch WHERE contact_id <> 0 ORDER BY id LIMIT %s)
RETURNING contact_id, id, topic
"""
_TAKE_ALL = """
WITH gone AS (DELETE FROM contacts_touch RETURNING topic) SELECT DISTINCT topic FROM gone
"""
_COLLAPSE = """
WITH gone AS (DELETE FROM contacts_touch WHERE at < %s AND contact_id <> 0 RETURNING topic, at),
noted AS (
  INSERT INTO contacts_touch (contact_id, topic, at)
  SELECT 0, topic, min(at) FROM gone GROUP BY topic)
SELECT count(*) FROM gone
"""


@dataclass(frozen=True, slots=True)
class Touch:
    """A contact about whom something of a topic changed."""

    contact_id: int
    topic: str


def take(limit: int) -> list[Touch]:
    """Take the oldest touches of listed contacts out of the queue, in their order.

    For one taker at a time, in the transaction that follows them up.
    """
    found = sorted(sql.lists(_TAKE, [limit]), key=lambda row: row[1])
    return [Touch(contact_id, topic) for contact_id, _id, topic in found]


def take_everyone(*, quiet_since: datetime, waiting_since: datetime) -> list[str]:
    """Take the topics of which everyone may be touched, once no more of them come.

    One of which a row came after `quiet_since` waits, unless its first came before
    `waiting_since`: a job of many statements is followed up once and not after each.
    """
    return [
        topic
        for (topic,) in sql.lists(
            "WITH gone AS (DELETE FROM contacts_touch WHERE contact_id = 0 AND topic IN ("
            "  SELECT topic FROM contacts_touch WHERE contact_id = 0 GROUP BY topic"
            "  HAVING max(at) <= %s OR min(at) <= %s) RETURNING topic)"
            " SELECT DISTINCT topic FROM gone ORDER BY topic",
            [quiet_since, waiting_since],
        )
    ]


def take_all() -> list[str]:
    """Take everything out of the queue, whoever was touched; the topics of it."""
    return sorted(topic for (topic,) in sql.lists(_TAKE_ALL))


def waiting_count(*, limit: int) -> int:
    """How many touches wait, counted up to `limit`."""
    return int(sql.one("SELECT count(*) FROM (SELECT FROM contacts_touch LIMIT %s) found", [limit]))


def oldest_at() -> datetime | None:
    """When the touch that waits longest was noted; None where none waits."""
    found: datetime | None = sql.one("SELECT at FROM contacts_touch ORDER BY id LIMIT 1")
    return found


def touch(contact_ids: Sequence[int], topic: str) -> None:
    """Note a change that no trigger sees, such as a move of the events of others to a contact."""
    if not contact_ids:
        return
    listed = sorted(set(contact_ids)) if len(contact_ids) <= LISTED else [EVERYONE]
    sql.execute(
        "INSERT INTO contacts_touch (contact_id, topic) SELECT unnest(%s::bigint[]), %s",
        [listed, topic],
    )
    rounds.wake(CHANNEL)


def touch_everyone(topics: Iterable[str]) -> None:
    """Note that anybody may have changed: for who writes where no trigger sees it."""
    for topic in sorted(set(topics)):
        touch([EVERYONE], topic)


def concerns(topic: str, asked: Collection[str]) -> bool:
    """Whether a touch of `topic` matters to who asks about the topics `asked`.

    A new contact matters to all; "event:*" stands for any event, on either side.
    """
    if topic == NEW or topic in asked:
        return True
    kind, colon, name = topic.partition(":")
    if not colon:
        return False
    if name == "*":
        return any(other.startswith(f"{kind}:") for other in asked)
    return f"{kind}:*" in asked


def collapse_old(as_of: datetime) -> dict[str, int]:
    """Keep of touches that nobody took for an hour only the topics, for everyone.

    So the queue does not grow where nobody follows contacts.
    """
    return {"touches": int(sql.one(_COLLAPSE, [as_of - _KEPT]))}
