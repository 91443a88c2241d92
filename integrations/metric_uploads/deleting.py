"""Records that are to go from the vendor: some of them one by one, or all of a website."""

from collections.abc import Callable

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from integrations.errors import TemporaryError, ThingMissing
from integrations.metric_uploads import sending
from integrations.metric_uploads.store import Store
from integrations.models import UploadedRecord, UploadPlace
from integrations.vendors.patience import patiently, pause_for
from integrations.vendors.registry import SyncRun
from workspace import locks, sql

State = UploadedRecord.State
# Fewer than these are deleted one by one, even where a place could be emptied.
_EMPTY_FROM = 100
_AT_ONCE = 500
_POLL_SECONDS = 5.0
_POLL_LIMIT = 720

_LEAVE = """
WITH dropped AS (
  DELETE FROM integrations_uploadedrecord
  WHERE connection_id = %(connection)s AND website_id = %(website)s AND digest IS NULL)
UPDATE integrations_uploadedrecord SET state = 'leaving', reason = ''
WHERE connection_id = %(connection)s AND website_id = %(website)s AND digest IS NOT NULL
  AND state <> 'leaving'
"""
# The place holds something of another website or connection that would go with this one's.
_IS_SHARED = """
SELECT EXISTS (
  SELECT FROM integrations_uploadplace mine JOIN integrations_uploadplace other
    ON other.name = mine.name AND other.id <> mine.id
  JOIN integrations_connection a ON a.id = mine.connection_id
  JOIN integrations_connection b ON b.id = other.connection_id AND b.kind = a.kind
  WHERE mine.connection_id = %s AND mine.website_id = %s AND EXISTS (
    SELECT FROM integrations_uploadedrecord r WHERE r.connection_id = other.connection_id
      AND r.website_id = other.website_id AND (r.digest IS NOT NULL OR r.state = 'sending')))
"""


def delete_leaving(
    run: SyncRun, store: Store, website_id: int, *, deleted: Callable[[int], None]
) -> None:
    """Delete at the vendor what is leaving; `deleted` hears of each that was there.

    One call for each contact, because the vendor offers nothing else but emptying all: within its
    limits, and it goes on where it was when it is called again. Contacts that the vendor does not
    know any more have no records either.
    """
    after, after_key = 0, ""
    while True:
        rows = sql.lists(
            "SELECT contact_id, key FROM integrations_uploadedrecord"
            " WHERE connection_id = %s AND website_id = %s AND state = 'leaving'"
            " AND (contact_id, key) > (%s, %s) ORDER BY contact_id, key LIMIT %s",
            [run.connection_id, website_id, after, after_key, _AT_ONCE],
        )
        for contact_id, key in rows:
            run.check()
            deleted(_delete(run, store, key))
            sql.execute(
                "DELETE FROM integrations_uploadedrecord WHERE connection_id = %s"
                " AND website_id = %s AND contact_id = %s AND key = %s AND state = 'leaving'",
                [run.connection_id, website_id, contact_id, key],
            )
        if len(rows) < _AT_ONCE:
            break
        after, after_key = rows[-1]


def delete_website(run: SyncRun, store: Store, website_id: int) -> int | None:
    """Delete all records of a website at the vendor; how many there were.

    None where the metrics are just being uploaded: ask again. May be interrupted at any moment, and
    then goes on where it was. Where the place holds nothing else it is emptied at once.
    """
    with locks.held(f"sync {run.connection_id} metrics") as is_held:
        if not is_held:
            return None
        return delete_all(run, store, website_id)


def delete_all(run: SyncRun, store: Store, website_id: int) -> int:
    """The same, for who holds the lock of the uploads."""
    places = UploadPlace.objects.filter(connection_id=run.connection_id, website_id=website_id)
    if not places.exists():
        return 0
    sending.finish_open(run, store, website_id, sent=lambda taken, refused: None)
    sql.execute(_LEAVE, {"connection": run.connection_id, "website": website_id})
    leaving = UploadedRecord.objects.filter(
        connection_id=run.connection_id, website_id=website_id, state=State.LEAVING
    )
    count = leaving.count()
    if count >= _EMPTY_FROM and not sql.one(_IS_SHARED, [run.connection_id, website_id]):
        _empty(run, store, places)
        # One statement: a count is never told twice.
        sql.execute(
            "WITH gone AS (DELETE FROM integrations_uploadedrecord"
            "  WHERE connection_id = %(connection)s AND website_id = %(website)s RETURNING 1)"
            " UPDATE integrations_uploadplace SET"
            "  deleted_count = deleted_count + (SELECT count(*) FROM gone), job = ''"
            " WHERE connection_id = %(connection)s AND website_id = %(website)s",
            {"connection": run.connection_id, "website": website_id},
        )
    else:
        name = places.values_list("website__name", flat=True).get()
        gone = 0

        def note(found: int) -> None:
            nonlocal gone
            gone += 1
            if found:
                places.update(deleted_count=F("deleted_count") + found)
            run.advance(gone, count, name)

        delete_leaving(run, store, website_id, deleted=note)
    total = int(places.values_list("deleted_count", flat=True).get())
    places.delete()
    return total


def _delete(run: SyncRun, store: Store, key: str) -> int:
    """How many records of this key the vendor had."""
    name = key.rpartition(":")[0]
    try:
        return patiently(run, lambda: store.delete(name, [key]))
    except ThingMissing:
        return 0


def _empty(run: SyncRun, store: Store, places: QuerySet[UploadPlace]) -> None:
    """Have the whole place emptied, and wait until it is."""
    job = places.values_list("job", flat=True).get()
    try:
        if not job:
            job = patiently(run, store.empty)
            places.update(job=job[:100])
        for _turn in range(_POLL_LIMIT):
            if patiently(run, lambda: store.is_empty(job)):
                return
            pause_for(run, _POLL_SECONDS)
    except ThingMissing:
        # There is no such place (any more), or the vendor has forgotten the job: then it is over.
        return
    raise TemporaryError(_("The vendor has been busy deleting for an hour."))
