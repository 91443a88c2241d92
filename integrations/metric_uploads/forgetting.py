"""What is forgotten of uploads: contacts that are erased, and imports of long ago."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.models import UploadChunk
from integrations.vendors import syncing
from workspace import sql

KEPT = timedelta(days=30)

# What is at a vendor is deleted there by the next synchronization, which needs its key until then.
_FORGET = """
WITH dropped AS (
  DELETE FROM integrations_uploadedrecord
  WHERE contact_id = ANY(%(ids)s) AND digest IS NULL AND state <> 'sending' RETURNING 1),
leaving AS (
  UPDATE integrations_uploadedrecord SET state = 'leaving', reason = ''
  WHERE contact_id = ANY(%(ids)s) AND digest IS NOT NULL AND state NOT IN ('leaving', 'sending')
  RETURNING 1)
SELECT (SELECT count(*) FROM dropped) + (SELECT count(*) FROM leaving),
  (SELECT array_agg(DISTINCT connection_id) FROM integrations_uploadedrecord
   WHERE contact_id = ANY(%(ids)s) AND (digest IS NOT NULL OR state = 'sending'))
"""


def erase(contact_ids: list[int]) -> int:
    """Have records of erased contacts deleted at their vendors, within a day; how many records."""
    [(count, connection_ids)] = sql.lists(_FORGET, {"ids": contact_ids})
    syncing.hasten(connection_ids or [], at=timezone.now())
    return int(count)


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete imports that were over long ago."""
    old = UploadChunk.objects.filter(finished_at__lt=as_of - KEPT)
    count, _each = old.delete()
    return {"uploads of metrics": count}
