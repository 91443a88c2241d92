"""The difference between what is to be at the vendor and what is there, by one statement."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from integrations.metric_uploads.store import Store
from integrations.metric_uploads.wanted import wanted_of
from integrations.models import UploadPlace
from workspace import sql

# Something is there, and nobody knows what: an import whose answer was lost may have arrived.
UNSURE = UUID(int=0)
# Whom the vendor did not know a week ago it may know now.
UNKNOWN_AGAIN_AFTER = timedelta(days=7)

# A row is touched once: `gone` and `dropped` are of unwanted records, `due` is of wanted ones.
_DIFFERENCE = """
WITH wanted AS MATERIALIZED (
  SELECT contact_id, key, md5(document::text)::uuid AS digest FROM ({wanted}) w
  WHERE document <> '{{}}'::jsonb),
old AS MATERIALIZED (
  SELECT contact_id, key, state, digest, wanted, reason, at FROM integrations_uploadedrecord
  WHERE connection_id = %(connection)s AND website_id = %(website)s),
unwanted AS (
  SELECT o.contact_id, o.key, o.digest FROM old o WHERE NOT EXISTS (
    SELECT FROM wanted w WHERE w.contact_id = o.contact_id AND w.key = o.key)),
dropped AS (
  DELETE FROM integrations_uploadedrecord r USING unwanted u
  WHERE u.digest IS NULL AND r.connection_id = %(connection)s AND r.website_id = %(website)s
    AND r.contact_id = u.contact_id AND r.key = u.key
  RETURNING 1),
gone AS (
  UPDATE integrations_uploadedrecord r SET state = 'leaving', reason = '' FROM unwanted u
  WHERE u.digest IS NOT NULL AND r.state <> 'leaving'
    AND r.connection_id = %(connection)s AND r.website_id = %(website)s
    AND r.contact_id = u.contact_id AND r.key = u.key
  RETURNING 1),
due AS (
  INSERT INTO integrations_uploadedrecord AS r
    (contact_id, connection_id, website_id, key, state, digest, wanted, reason)
  SELECT w.contact_id, %(connection)s, %(website)s, w.key, 'due', o.digest, w.digest, ''
  FROM wanted w LEFT JOIN old o ON o.contact_id = w.contact_id AND o.key = w.key
  WHERE o.state IS NULL
    OR (o.state = 'sent' AND o.digest <> w.digest)
    OR o.state = 'leaving'
    OR (o.state = 'refused' AND (o.wanted <> w.digest
      OR (o.reason = ANY(%(unknown)s) AND o.at < %(again)s)))
  ON CONFLICT (contact_id, connection_id, website_id, key) DO UPDATE
    SET state = 'due', wanted = excluded.wanted, reason = ''
  RETURNING 1)
SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM due),
  (SELECT count(*) FROM gone), (SELECT count(*) FROM dropped)
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """How many records are wanted, how many of them became due, how many are to be deleted."""

    wanted: int
    due: int
    leaving: int


def note_difference(store: Store, place: UploadPlace, *, as_of: datetime) -> Difference:
    """Mark what is to be sent and what is to be deleted, in one statement.

    What was refused comes again when its values have changed, and after a week where the vendor did
    not know the contact. No import of the website may be going on.
    """
    wanted = wanted_of(store, place)
    params = wanted.params | {
        "connection": place.connection_id,
        "unknown": list(store.unknown_reasons),
        "again": as_of - UNKNOWN_AGAIN_AFTER,
    }
    statement = _DIFFERENCE.format(wanted=wanted.statement)
    [(count, due, gone, _dropped)] = sql.lists(statement, params)
    if due:
        # The planner would take the table for as small as it was before a first upload.
        sql.execute("ANALYZE integrations_uploadedrecord")
    return Difference(wanted=count, due=due, leaving=gone)
