-- Contacts for whom there are no “purchase” events.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND NOT EXISTS (SELECT
  FROM (SELECT s.contact_id
    FROM contacts_eventstatistic s
    WHERE s.definition_id = %s::integer
    AND s.first_at <= %s::timestamptz) n
  WHERE n.contact_id = c.id);
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
