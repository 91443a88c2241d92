-- Contacts for whom there are at least 5 “purchase” events.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT s.contact_id
  FROM contacts_eventstatistic s
  WHERE s.definition_id = %s::integer
  AND s.last_at <= %s::timestamptz
  AND s.event_count >= %s::numeric
  UNION ALL SELECT e.contact_id
  FROM contacts_event e
  WHERE e.definition_id = %s::integer
  AND e.occurred_at <= %s::timestamptz
  AND e.contact_id IN (SELECT s.contact_id
    FROM contacts_eventstatistic s
    WHERE s.definition_id = %s::integer
    AND s.last_at > %s::timestamptz)
  GROUP BY e.contact_id
  HAVING count(*) >= %s::numeric) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('5')
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('5')
