"""The keys of one segment, as they come: staged page by page, then taken over at once.

The temporary table belongs to the database session: whoever is killed leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import DatabaseError, connection, transaction
from psycopg import sql as composed

from contacts.identities import VALUE_LIMIT, normalize
from contacts.values import ValueRefused
from segments import contact_lists, lifecycle, membership
from segments.models import ContactList, ImportedSegment, Segment, SkippedKey
from workspace import sql
from workspace.access import SYSTEM

# Of those who were left out, how many are kept to be looked at.
SKIPPED_KEPT = 10_000
_DROP = "DROP TABLE IF EXISTS pg_temp.imported_key, pg_temp.imported_first"
_STAGE = "CREATE TEMP TABLE imported_key (place bigint, key text, is_readable boolean)"
_COPY = "COPY imported_key (place, key, is_readable) FROM STDIN"
# Each key once, where it stands first.
_FIRST = """
CREATE TEMP TABLE imported_first ON COMMIT DROP AS
SELECT k.key, min(k.place) AS place, {digest} AS digest
FROM imported_key k WHERE k.is_readable GROUP BY k.key
"""
_DROP_OLD = """
DELETE FROM segments_listedkey k WHERE k.contact_list_id = %s
  AND NOT EXISTS (SELECT FROM imported_first f WHERE f.digest = k.digest)
"""
_ADD_NEW = """
INSERT INTO segments_listedkey (contact_list_id, digest, row)
SELECT %s, f.digest, 0 FROM imported_first f ON CONFLICT DO NOTHING
"""
_KNOWN = """
SELECT count(DISTINCT i.contact_id) AS contacts, count(*) FILTER (WHERE i.value IS NULL) AS unknown
FROM imported_first f LEFT JOIN contacts_identity i ON i.namespace = %s AND i.value = f.key
"""
_SKIP = """
INSERT INTO segments_skippedkey (segment_id, place, key, reason)
SELECT %s, s.place, s.key, s.reason FROM (
  SELECT f.place, f.key, CASE WHEN i.value IS NULL THEN 'unknown' ELSE 'non_member' END AS reason
  FROM imported_first f
  LEFT JOIN contacts_identity i ON i.namespace = %s AND i.value = f.key
  LEFT JOIN segments_membership m ON m.segment_id = %s AND m.contact_id = i.contact_id
  WHERE m.contact_id IS NULL
  UNION ALL
  SELECT k.place, k.key, 'unreadable' FROM imported_key k WHERE NOT k.is_readable) s
ORDER BY s.place LIMIT %s
"""
_FORGET = """
DELETE FROM segments_skippedkey s USING segments_importedsegment m, contacts_identity i
WHERE i.contact_id = ANY(%s) AND m.segment_id = s.segment_id AND i.namespace = m.match_by
  AND s.key = i.value
"""

# Not when somebody asked for it: that may be just now.
_WRITTEN = (
    *("remote_name", "attempted_at", "last_sync_at", "error", "missing_since", "source_count"),
    *("matched_count", "non_member_count", "unknown_count", "unreadable_count"),
)


@contextmanager
def staged(
    pages: Iterable[Sequence[str]], identity: str, *, advance: Callable[[int], None]
) -> Iterator[int]:
    """All keys in the temporary table, while the block lasts; gives how many came.

    `advance` is told after each page. What `pages` raises goes through.
    """
    _drop()
    sql.execute(_STAGE)
    try:
        count = 0
        for page in pages:
            rows = [
                (place, *_read(identity, key)) for place, key in enumerate(page, start=count + 1)
            ]
            # A statement for each page: between two of them calls of the vendor are written down.
            with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in rows:
                    copy.write_row(row)
            count += len(rows)
            advance(count)
        sql.execute("ANALYZE pg_temp.imported_key")
        yield count
    finally:
        # Where the connection or its transaction is broken, they are gone with it.
        with suppress(DatabaseError, transaction.TransactionManagementError):
            _drop()


@transaction.atomic
def take_over(
    imported: ImportedSegment, *, title: str, system: str, source_count: int, at: datetime
) -> None:
    """Make what is staged the list of a segment, calculate its members, and count.

    The difference to who was in is written as every refresh writes it. One that was missing is
    set active again. Raises what a refresh raises; nothing is changed then.
    """
    pk = imported.segment_id
    # In the order in which a refresh takes them.
    membership.take_turn_to_read(pk)
    membership.hold_off_erasures()
    segment = Segment.objects.select_related("contact_list").get(pk=pk)
    held = ImportedSegment.objects.select_for_update().get(pk=pk)
    if held.stopped_at is not None or segment.status == Segment.Status.ARCHIVED:
        # Somebody stopped it while its keys were read.
        return
    if held.missing_since is not None and segment.status == Segment.Status.INACTIVE:
        lifecycle.activate(segment, actor=SYSTEM, at=at)
    kept = _list_of(segment, imported, title, system, at)
    _replace_keys(kept)
    known, unknown = sql.lists(_KNOWN, [imported.match_by])[0]
    readable = int(sql.one("SELECT count(*) FROM imported_key WHERE is_readable") or 0)
    membership.refresh(pk, as_of=at, cause="imported", wait=True)
    segment.refresh_from_db()
    imported.missing_since, imported.error = None, ""
    imported.remote_name = title
    imported.attempted_at = imported.last_sync_at = at
    imported.source_count, imported.matched_count = source_count, segment.member_count
    imported.non_member_count = max(0, known - segment.member_count)
    imported.unknown_count = unknown
    imported.unreadable_count = source_count - readable
    imported.save(update_fields=_WRITTEN)
    kept.title, kept.key_check = title, contact_lists.key_check()
    kept.row_count, kept.matched_count = source_count, known
    kept.unmatched_count, kept.faulty_count = unknown, imported.unreadable_count
    kept.duplicate_count = imported.duplicate_count
    kept.save()
    SkippedKey.objects.filter(segment_id=pk).delete()
    sql.execute(_SKIP, [pk, imported.match_by, pk, SKIPPED_KEPT])


def forget_contacts(contact_ids: list[int]) -> int:
    """Take erased contacts out of what is kept of those who were left out; how many rows went.

    For the transaction that erases them, while their identities are still there.
    """
    return sql.execute(_FORGET, [contact_ids])


def _replace_keys(kept: ContactList) -> None:
    digest = contact_lists.digest_of(composed.SQL("k.key"))
    with connection.cursor() as cursor:
        cursor.execute(composed.SQL(_FIRST).format(digest=digest))
    sql.execute("ANALYZE pg_temp.imported_first")
    gone = sql.execute(_DROP_OLD, [kept.pk])
    come = sql.execute(_ADD_NEW, [kept.pk])
    kept.row_count = gone + come
    contact_lists.count_anew(kept)
    # Whoever calculates between here and the end of the transaction waits for its turn.
    ContactList.objects.filter(pk=kept.pk).update(key_check=contact_lists.key_check())


def _list_of(
    segment: Segment, imported: ImportedSegment, title: str, system: str, at: datetime
) -> ContactList:
    """The list that the segment has, or its first one."""
    if segment.contact_list is not None and segment.contact_list.forgotten_at is None:
        return segment.contact_list
    made = ContactList.objects.create(
        segment=segment,
        title=title,
        column=system,
        identity=imported.match_by,
        key_check=contact_lists.key_check(),
        created_at=at,
    )
    lifecycle.take_list(segment, made, actor=SYSTEM, at=at)
    return made


def _read(identity: str, key: str) -> tuple[str, bool]:
    """A key as it is compared; one that cannot be a name as it came."""
    try:
        return normalize(identity, key), True
    except ValueRefused:
        text = key.replace("\0", "").encode("utf-8", "replace").decode()
        return text[:VALUE_LIMIT], False


def _drop() -> None:
    sql.execute(_DROP)
