-- Contacts for whom the largest “price” of “purchase” events in the last 90 days is missing.
SET LOCAL enable_hashagg = 'off';
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND NOT EXISTS (SELECT
  FROM (SELECT e.contact_id
    FROM (SELECT e.contact_id, segments_number((e.properties->%s::text)) AS measured
      FROM contacts_event e
      WHERE e.definition_id = %s::integer
      AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz) e
    GROUP BY e.contact_id
    HAVING max(e.measured) IS NOT NULL) n
  WHERE n.contact_id = c.id);
-- 'price'
-- 1
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
