-- Contacts for whom there are “purchase” events before 2025-06-01 00:00.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT s.contact_id
  FROM contacts_eventstatistic s
  WHERE s.definition_id = %s::integer
  AND s.first_at <= %s::timestamptz) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2025, 5, 31, 21, 59, 59, 999999, tzinfo=datetime.timezone.utc)
