"""How many contacts criteria would hold for, and ten of them, without saving anything.

A preview has a few seconds. Where they do not suffice it says how many it could count until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import OperationalError, connection

from contacts.population import living_count
from segments import criteria, facts, tickets
from segments.criteria import Query
from segments.models import Segment
from workspace import sql
from workspace.access import Actor

SAMPLE_SIZE = 10
TIMEOUT_SECONDS = 3.0
# What is left, after the count was given up, for counting as far as one comes.
_AFTERTHOUGHT_SECONDS = 1.0
_STRIDE = 20_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What criteria give. Where the count is not `exact`, there are at least so many.

    `total` is how many contacts there are, about: see `contacts.population`.
    """

    count: int
    exact: bool
    sample_ids: tuple[int, ...]
    as_of: datetime
    milliseconds: float
    sentence: str
    total: int

    @property
    def share(self) -> float:
        """What part of all contacts that is, from 0 to 1; of nobody it is 0."""
        return self.count / self.total if self.total else 0.0


def preview(
    document: Any,
    *,
    actor: Actor,
    as_of: datetime,
    timeout_seconds: float = TIMEOUT_SECONDS,
    segment: Segment | None = None,
    members_only: bool = False,
    ticket: str = "",
) -> Preview:
    """Count the contacts for whom a document that `actor` wrote holds as of an instant.

    `segment` is the one that is edited, if one is. A `ticket` names the place that shows the
    preview: a newer one with the same ticket ends an older one, which raises PreviewOutdated.
    Raises CriteriaRefused with every fault. Nothing is written.
    """
    begun = monotonic()
    tree = facts.parse_criteria(document, actor, segment=segment, members_only=members_only)
    query = criteria.compile_members(tree, now=as_of)
    name = tickets.take_place("preview", ticket, actor).name
    counted = _count(query, timeout_seconds, name)
    exact = counted is not None
    count, sample_ids = counted or count_some(query, _AFTERTHOUGHT_SECONDS, name)
    return Preview(
        count=count,
        exact=exact,
        sample_ids=tuple(sample_ids),
        as_of=as_of,
        milliseconds=round((monotonic() - begun) * 1000, 3),
        sentence=facts.explain(tree),
        # A table's size is known about, and the count to the last contact.
        total=max(living_count(), count),
    )


def _count(query: Query, seconds: float, name: str) -> tuple[int, Sequence[int]] | None:
    """The number and a few of them, of one evaluation; None where the time was over."""
    # Some milliseconds more than the count alone; a second statement might take as long again.
    statement = (
        f"SELECT count(*) AS count, (array_agg(contact_id))[1:{SAMPLE_SIZE}] AS ids"  # noqa: S608
        f" FROM ({query.text}) n"
    )
    begun = monotonic()
    try:
        with tickets.reading(query, seconds, name):
            row = sql.rows(statement, query.params)[0]
    except OperationalError as error:
        tickets.refuse_outdated(error, begun, seconds)
        return None
    return row["count"], sorted(row["ids"] or ())


def count_some(query: Query, seconds: float, name: str = "") -> tuple[int, Sequence[int]]:
    """As many as can be counted in a moment, and the first of them.

    The server walks over them and sends none. Raises PreviewOutdated.
    """
    count, ids, begun = 0, list[int](), monotonic()
    try:
        with tickets.reading(query, seconds, name), connection.cursor() as cursor:
            cursor.execute(f"DECLARE counted NO SCROLL CURSOR FOR {query.text}", query.params)
            cursor.execute(f"FETCH FORWARD {SAMPLE_SIZE} FROM counted")
            ids = sorted(row[0] for row in cursor.fetchall())
            count = len(ids)
            while monotonic() - begun < seconds:
                cursor.execute(f"MOVE FORWARD {_STRIDE} IN counted")
                count += cursor.rowcount
                if cursor.rowcount < _STRIDE:
                    break
    except OperationalError as error:
        tickets.refuse_outdated(error, begun, seconds)
    return count, ids
