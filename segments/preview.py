"""How many contacts criteria would hold for, and ten of them, without saving anything.

A preview has a few seconds. Where they do not suffice it says how many it could count until then.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from time import monotonic
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from segments import criteria, facts
from segments.criteria import Query
from segments.errors import PreviewOutdated
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
    """What criteria give. Where the count is not `exact`, there are at least so many."""

    count: int
    exact: bool
    sample_ids: tuple[int, ...]
    as_of: datetime
    milliseconds: float
    sentence: str


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
    name = _application(ticket, actor) if ticket else ""
    if name:
        _end_older(name)
    counted = _count(query, timeout_seconds, name)
    exact = counted is not None
    count, sample_ids = counted or _count_some(query, name)
    return Preview(
        count=count,
        exact=exact,
        sample_ids=tuple(sample_ids),
        as_of=as_of,
        milliseconds=round((monotonic() - begun) * 1000, 3),
        sentence=facts.explain(tree),
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
        with _reading(query, seconds, name):
            row = sql.rows(statement, query.params)[0]
    except OperationalError as error:
        _refuse_outdated(error, begun, seconds)
        return None
    return row["count"], sorted(row["ids"] or ())


def _count_some(query: Query, name: str) -> tuple[int, Sequence[int]]:
    """As many as can be counted in a moment: the server walks over them and sends none."""
    count, ids, begun = 0, list[int](), monotonic()
    try:
        with _reading(query, _AFTERTHOUGHT_SECONDS, name), connection.cursor() as cursor:
            cursor.execute(f"DECLARE counted NO SCROLL CURSOR FOR {query.text}", query.params)
            cursor.execute(f"FETCH FORWARD {SAMPLE_SIZE} FROM counted")
            ids = sorted(row[0] for row in cursor.fetchall())
            count = len(ids)
            while monotonic() - begun < _AFTERTHOUGHT_SECONDS:
                cursor.execute(f"MOVE FORWARD {_STRIDE} IN counted")
                count += cursor.rowcount
                if cursor.rowcount < _STRIDE:
                    break
    except OperationalError as error:
        _refuse_outdated(error, begun, _AFTERTHOUGHT_SECONDS)
    return count, ids


@contextmanager
def _reading(query: Query, seconds: float, name: str) -> Iterator[None]:
    """A transaction with the hints of a query and a limit of time, which leaves nothing behind."""
    limits = {"statement_timeout": str(max(1, int(seconds * 1000)))}
    if name:
        limits["application_name"] = name
    with sql.local_settings({**query.settings, **limits}):
        yield
        # So that the settings end here, also inside a transaction of the caller's.
        transaction.set_rollback(True)


def _refuse_outdated(error: OperationalError, begun: float, seconds: float) -> None:
    """Raise what is no mere end of the time."""
    if not isinstance(error.__cause__, QueryCanceled):
        raise error
    if monotonic() - begun < seconds:
        raise PreviewOutdated(_("A newer preview took the place of this one.")) from error


def _application(ticket: str, actor: Actor) -> str:
    digest = blake2b(f"{actor.name} {ticket}".encode(), digest_size=16).hexdigest()
    return f"preview {digest}"


def _end_older(name: str) -> None:
    sql.rows(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = %s AND state = 'active' AND pid <> pg_backend_pid()",
        [name],
    )
