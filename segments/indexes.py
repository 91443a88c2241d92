"""Indexes and statistics for the custom attributes that active segments ask about.

An attribute is a part of one JSON value, of which the server knows nothing by itself. While some
active segment asks about an attribute, there is an expression index on it, and statistics by
which the server estimates how many contacts a value has; when none does any more, both are
dropped. All this is done beside the running work (CONCURRENTLY). Doing it again changes nothing,
and what a killed run left half-made is made anew.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from contacts.models import AttributeDefinition, Contact
from segments.criteria import AttributeField, Type, attribute_expression, attribute_index
from segments.documents import named_attributes
from segments.models import Segment
from workspace import jobs, locks, sql
from workspace.access import SYSTEM
from workspace.errors import Busy
from workspace.jobs import Work
from workspace.models import Job

INDEX_JOB = "segments.indexes"
_SUBJECT = "segments:indexes"
_TABLE = Contact._meta.db_table
_PREFIX = f"{_TABLE}_attribute_"
_NAME = re.compile(rf"{_PREFIX}([0-9]+)_([a-z]+)")


@dataclass(frozen=True, slots=True)
class Changed:
    """What a run made and dropped, by the names of the indexes and statistics."""

    made: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What there is to be for one attribute; it has the same name as index and as statistics."""

    name: str
    index: str | None
    statistics: str


def request() -> Job | None:
    """Have a worker make what is missing, once the transaction is committed.

    While a request waits, that one is answered.
    """
    waiting = Job.objects.filter(subject=_SUBJECT, state=Job.State.QUEUED).first()
    return waiting or jobs.start(
        INDEX_JOB, title=_("Prepare attributes for segments"), actor=SYSTEM, subject=_SUBJECT
    )


def request_if_needed() -> Job | None:
    """Request a run where something is missing, broken or too much."""
    wanted = {found.name: found for found in _wanted()}
    indexes, statistics = _indexes(), _statistics()
    needed = {name for name, found in wanted.items() if found.index is not None}
    is_right = indexes == dict.fromkeys(needed, True) and statistics == wanted.keys()
    return None if is_right or jobs.unfinished(_SUBJECT) else request()


def bring_into_step(*, work: Work | None = None) -> Changed:
    """Make and drop indexes and statistics, until there are exactly those that segments need.

    Must not run inside a transaction. Raises Busy while another run is at it.
    """
    with locks.held("segments attribute indexes") as is_mine:
        if not is_mine:
            raise Busy(_("The indexes of attributes are being made by another run."))
        # Building an index may take as long as it takes.
        sql.execute("SET statement_timeout = 0")
        try:
            wanted = {found.name: found for found in _wanted()}
            dropped = _drop_unwanted(wanted)
            made = _make_missing(wanted.values(), work)
            if made:
                sql.execute(f"ANALYZE {_TABLE}")
            _mark()
        finally:
            sql.execute("RESET statement_timeout")
    return Changed(tuple(made), tuple(dropped))


def used_attributes() -> frozenset[str]:
    """The keys of the attributes that some active segment asks about."""
    active = Segment.objects.filter(status=Segment.Status.ACTIVE)
    found: set[str] = set()
    for document in active.values_list("criteria", flat=True).iterator():
        found |= named_attributes(document)
    return frozenset(found)


def _wanted() -> list[_Wanted]:
    used = AttributeDefinition.objects.filter(key__in=used_attributes()).order_by("pk")
    fields = ((found, AttributeField(found.key, found.label, Type(found.type))) for found in used)
    return [
        _Wanted(
            f"{_PREFIX}{definition.pk}_{definition.type}",
            attribute_index(field),
            attribute_expression(field),
        )
        for definition, field in fields
    ]


def _drop_unwanted(wanted: dict[str, _Wanted]) -> list[str]:
    """Drop the indexes that nobody needs or that are broken, and the statistics."""
    dropped = []
    for name, is_valid in _indexes().items():
        found = wanted.get(name)
        if found is None or found.index is None or not is_valid:
            sql.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            dropped.append(name)
    for name in _statistics() - wanted.keys():
        sql.execute(f"DROP STATISTICS IF EXISTS {name}")
        dropped.append(name)
    return sorted(set(dropped))


def _make_missing(wanted: Iterable[_Wanted], work: Work | None) -> list[str]:
    indexes, statistics = _indexes(), _statistics()
    missing = [
        found
        for found in wanted
        if found.name not in statistics or (found.index and found.name not in indexes)
    ]
    for done, found in enumerate(missing):
        if work is not None:
            work.advance(done, total=len(missing), message=found.name)
        if found.index and found.name not in indexes:
            sql.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {found.name} ON {_TABLE} {found.index}"
            )
        if found.name not in statistics:
            sql.execute(
                f"CREATE STATISTICS IF NOT EXISTS {found.name}"
                f" ON ({found.statistics}) FROM {_TABLE}"
            )
    return [found.name for found in missing]


def _mark() -> None:
    """Keep in each definition whether its attribute has a sound index."""
    indexed = [
        int(match[1])
        for name, is_valid in _indexes().items()
        if is_valid and (match := _NAME.fullmatch(name))
    ]
    definitions = AttributeDefinition.objects
    definitions.filter(is_indexed=False, pk__in=indexed).update(is_indexed=True)
    definitions.filter(is_indexed=True).exclude(pk__in=indexed).update(is_indexed=False)


def _indexes() -> dict[str, bool]:
    """Our indexes that exist, and whether each is sound."""
    found = sql.rows(
        "SELECT c.relname AS name, i.indisvalid AND i.indisready AS is_valid FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = to_regclass(%s) AND starts_with(c.relname, %s)",
        [_TABLE, _PREFIX],
    )
    return {row["name"]: row["is_valid"] for row in found}


def _statistics() -> set[str]:
    found = sql.rows(
        "SELECT stxname AS name FROM pg_statistic_ext"
        " WHERE stxrelid = to_regclass(%s) AND starts_with(stxname, %s)",
        [_TABLE, _PREFIX],
    )
    return {row["name"] for row in found}
