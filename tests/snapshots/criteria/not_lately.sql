-- Contacts for whom “City” is “Warszawa” and there are fewer than 1 “page_visit” events in the last 14 days.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND c.city = %s::text
AND NOT EXISTS (SELECT
  FROM (SELECT s.contact_id
    FROM contacts_eventstatistic s
    WHERE s.definition_id = %s::integer
    AND s.last_at <= %s::timestamptz
    AND s.last_at >= %s::timestamptz
    UNION ALL SELECT e.contact_id
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at <= %s::timestamptz
    AND e.contact_id IN (SELECT s.contact_id
      FROM contacts_eventstatistic s
      WHERE s.definition_id = %s::integer
      AND s.last_at > %s::timestamptz)
    GROUP BY e.contact_id
    HAVING max(e.occurred_at) >= %s::timestamptz) n
  WHERE n.contact_id = c.id);
-- 'Warszawa'
-- 2
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- 2
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 2
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
