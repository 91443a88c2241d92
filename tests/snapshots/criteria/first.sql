-- Contacts for whom the time of the first of “purchase” events is in the last 30 days.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT s.contact_id
  FROM contacts_eventstatistic s
  WHERE s.definition_id = %s::integer
  AND s.first_at BETWEEN %s::timestamptz AND %s::timestamptz) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
