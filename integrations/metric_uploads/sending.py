"""Records that are due, sent in imports: several at a time, each remembered before it is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from integrations.errors import MalformedAnswer, TemporaryError, ThingMissing
from integrations.metric_uploads.differences import UNSURE
from integrations.metric_uploads.store import Outcome, Record, Store
from integrations.metric_uploads.wanted import wanted_of
from integrations.models import UploadChunk, UploadPlace
from integrations.vendors.patience import patiently, pause_for
from integrations.vendors.registry import SyncRun
from workspace import sql

State = UploadChunk.State
# The vendor asks to be asked every 5 to 30 seconds.
_POLL_SECONDS = (5.0, 5.0, 10.0, 10.0, 20.0, 30.0)
# An import that is not over after so long is asked about by the next run.
_POLL_LIMIT = 720
_FAILURE_LIMIT = 3
# An import whose answer was lost may be worked on at the vendor for so long: it would undo what is
# sent or deleted meanwhile.
_LOST_FOR = timedelta(minutes=5)
# Beside its document, of a record: names, quotes, the instant.
_OVERHEAD = 240

# What is sent is what holds now: the digest of what was due may be of yesterday.
_CLAIM = """
WITH chosen AS MATERIALIZED (
  SELECT contact_id, key FROM integrations_uploadedrecord
  WHERE connection_id = %(connection)s AND website_id = %(website)s AND state = 'due'
    AND contact_id > %(after)s
  ORDER BY contact_id LIMIT %(limit)s),
sized AS (
  SELECT c.contact_id, c.key, w.value, w.document, w.computed_at,
    sum(octet_length(w.document::text) + 2 * octet_length(c.key) + %(overhead)s)
      OVER (ORDER BY c.contact_id, c.key) AS upto,
    row_number() OVER (ORDER BY c.contact_id, c.key) AS place
  FROM chosen c JOIN ({wanted}) w ON w.contact_id = c.contact_id AND w.key = c.key
  WHERE w.document <> '{{}}'::jsonb)
UPDATE integrations_uploadedrecord r
SET state = 'sending', chunk_id = %(chunk)s, wanted = md5(s.document::text)::uuid
FROM sized s
WHERE (s.upto <= %(bytes)s OR s.place = 1) AND r.connection_id = %(connection)s
  AND r.website_id = %(website)s AND r.contact_id = s.contact_id AND r.key = s.key
RETURNING r.contact_id, s.value, r.key,
  (s.document || jsonb_build_object('computed_at',
    to_char(s.computed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))::text
"""
_SETTLE = """
WITH refused AS (SELECT * FROM unnest(%(keys)s::text[], %(reasons)s::text[]) AS f (key, reason)),
sent AS (
  SELECT r.contact_id, r.connection_id, r.website_id, r.key, f.reason
  FROM integrations_uploadedrecord r LEFT JOIN refused f ON f.key = r.key
  WHERE r.chunk_id = %(chunk)s)
UPDATE integrations_uploadedrecord r SET
  state = CASE WHEN s.reason IS NULL THEN 'sent' ELSE 'refused' END,
  digest = CASE WHEN s.reason IS NULL THEN r.wanted WHEN s.reason <> ALL(%(unknown)s) THEN r.digest
    END,
  reason = left(coalesce(s.reason, ''), 60), chunk_id = NULL, at = %(at)s
FROM sent s WHERE r.contact_id = s.contact_id AND r.connection_id = s.connection_id
  AND r.website_id = s.website_id AND r.key = s.key
"""
_RELEASE = """
UPDATE integrations_uploadedrecord SET state = 'due', digest = %s, chunk_id = NULL
WHERE chunk_id = %s
"""


def send_due(
    run: SyncRun, store: Store, place: UploadPlace, *, sent: Callable[[int, int], None]
) -> None:
    """Send all that is due of a place's website; `sent` hears of how many were taken and refused.

    Raises what the vendor's errors are, and TemporaryError where its imports fail again and again.
    What was sent until then is remembered, and what is not over is asked about by `finish_open`.
    """
    flying: list[_Flight] = []
    after, failures = 0, 0
    is_more = True
    while is_more or flying:
        while is_more and len(flying) < store.import_limit:
            run.check()
            chunk, records, after = _claim(run, store, place, after)
            is_more = chunk is not None
            if chunk is not None:
                _submit(run, store, chunk, records)
                flying.append(_Flight(chunk, run.now()))
        for one in _wait(run, store, flying, sent):
            flying.remove(one)
            if one.chunk.state != State.DONE:
                failures += 1
                after, is_more = 0, True
        if failures >= _FAILURE_LIMIT:
            words = _("%(count)d imports failed at the vendor.") % {"count": failures}
            raise TemporaryError(words)


def finish_open(
    run: SyncRun, store: Store, website_id: int, *, sent: Callable[[int, int], None]
) -> None:
    """Come to know what became of imports that another run has left, as one that was killed.

    Where that cannot be known, as the answer was lost, time passes until it does not matter.
    """
    chunks = UploadChunk.objects.filter(
        connection_id=run.connection_id,
        website_id=website_id,
        state__in=[State.SUBMITTING, State.SUBMITTED],
    )
    flying = []
    for chunk in chunks.order_by("pk"):
        if chunk.state == State.SUBMITTING:
            _release(chunk, State.LOST, run.now())
        else:
            # What was sent a while ago is asked about at once.
            flying.append(_Flight(chunk, run.now() - timedelta(seconds=_POLL_SECONDS[0])))
    while flying:
        for one in _wait(run, store, flying, sent):
            flying.remove(one)
    lost = UploadChunk.objects.filter(
        connection_id=run.connection_id, website_id=website_id, state=State.LOST
    )
    last = lost.aggregate(last=Max("finished_at"))["last"]
    if last is not None:
        pause_for(run, (last + _LOST_FOR - run.now()).total_seconds())


def _claim(
    run: SyncRun, store: Store, place: UploadPlace, after: int
) -> tuple[UploadChunk | None, list[Record], int]:
    """The records of the next import, from the contact after `after`; None where nothing is due.

    Contacts that went away since they were due are left to the next difference.
    """
    wanted = wanted_of(store, place)
    with transaction.atomic():
        chunk = UploadChunk.objects.create(
            connection_id=run.connection_id, website_id=place.website_id, began_at=run.now()
        )
        rows = sql.lists(
            _CLAIM.format(wanted=wanted.narrowed),
            wanted.params
            | {
                "connection": run.connection_id,
                "after": after,
                "limit": store.record_limit,
                "bytes": store.byte_limit,
                "overhead": _OVERHEAD,
                "chunk": chunk.pk,
            },
        )
        if not rows:
            chunk.delete()
            return None, [], after
        records = [Record(name, key, document) for _id, name, key, document in sorted(rows)]
        chunk.record_count = len(records)
        chunk.byte_count = sum(len(one.document) for one in records)
        chunk.save(update_fields=["record_count", "byte_count"])
    return chunk, records, max(row[0] for row in rows)


def _submit(run: SyncRun, store: Store, chunk: UploadChunk, records: list[Record]) -> None:
    try:
        import_id = patiently(run, lambda: store.submit(records))
        if not import_id or len(import_id) > 100:
            raise MalformedAnswer(_("The vendor gave the import no name."))
    except BaseException:
        # Whether any try arrived is not known: they count as what may be there.
        _release(chunk, State.LOST, run.now())
        raise
    chunk.state, chunk.import_id = State.SUBMITTED, import_id
    chunk.save(update_fields=["state", "import_id"])


@dataclass(slots=True)
class _Flight:
    """An import that goes on: when it was sent or asked about last, and how often asked."""

    chunk: UploadChunk
    asked_at: datetime
    turns: int = 0

    @property
    def due_at(self) -> datetime:
        """When it is to be asked about next."""
        pause = _POLL_SECONDS[min(self.turns, len(_POLL_SECONDS) - 1)]
        return self.asked_at + timedelta(seconds=pause)


def _wait(
    run: SyncRun, store: Store, flying: list[_Flight], sent: Callable[[int, int], None]
) -> list[_Flight]:
    """Wait until at least one of these is over, and write down what came of each that is.

    No longer than until one may be asked about: the time of sending others counts as waiting.
    """
    over: list[_Flight] = []
    while flying and not over:
        pause_for(run, (min(one.due_at for one in flying) - run.now()).total_seconds())
        now = run.now()
        for one in flying:
            if one.due_at > now:
                continue
            if _ask(run, store, one.chunk, sent):
                over.append(one)
            one.asked_at, one.turns = run.now(), one.turns + 1
        if not over and any(one.turns > _POLL_LIMIT for one in flying):
            raise TemporaryError(_("The vendor has been busy with an import for hours."))
    return over


def _ask(run: SyncRun, store: Store, chunk: UploadChunk, sent: Callable[[int, int], None]) -> bool:
    """Whether an import is over; then its records say what came of them."""
    outcome: Outcome | None
    try:
        outcome = patiently(run, lambda: store.outcome(chunk.import_id))
    except ThingMissing:
        _release(chunk, State.LOST, run.now())
        return True
    if outcome is None:
        return False
    if outcome.is_failed:
        _release(chunk, State.FAILED, run.now())
        return True
    refused = dict(outcome.refused)
    with transaction.atomic():
        sql.execute(
            _SETTLE,
            {
                "keys": list(refused),
                "reasons": list(refused.values()),
                "unknown": list(store.unknown_reasons),
                "chunk": chunk.pk,
                "at": run.now(),
            },
        )
        _finish(chunk, State.DONE, run.now(), refused_count=len(refused))
    sent(chunk.record_count - len(refused), len(refused))
    return True


def _release(chunk: UploadChunk, state: State, at: datetime) -> None:
    """Let the records of an import be sent again."""
    with transaction.atomic():
        sql.execute(_RELEASE, [UNSURE, chunk.pk])
        _finish(chunk, state, at)


def _finish(chunk: UploadChunk, state: State, at: datetime, *, refused_count: int = 0) -> None:
    chunk.state, chunk.finished_at, chunk.refused_count = state, at, refused_count
    chunk.save(update_fields=["state", "finished_at", "refused_count"])
