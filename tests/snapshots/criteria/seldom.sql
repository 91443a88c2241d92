-- Contacts for whom there are at most 5 “purchase” events.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND NOT EXISTS (SELECT
  FROM (SELECT s.contact_id
    FROM contacts_eventstatistic s
    WHERE s.definition_id = %s::integer
    AND s.last_at <= %s::timestamptz
    AND NOT (s.event_count <= %s::numeric)
    UNION ALL SELECT e.contact_id
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at <= %s::timestamptz
    AND e.contact_id IN (SELECT s.contact_id
      FROM contacts_eventstatistic s
      WHERE s.definition_id = %s::integer
      AND s.last_at > %s::timestamptz)
    GROUP BY e.contact_id
    HAVING NOT (count(*) <= %s::numeric)) n
  WHERE n.contact_id = c.id);
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('5')
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('5')
