-- Contacts for whom the average of “amount” over “purchase” events in the last 90 days is between 10 and 20.
SET LOCAL enable_hashagg = 'off';
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT e.contact_id
  FROM (SELECT e.contact_id, e.amount AS measured
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz) e
  GROUP BY e.contact_id
  HAVING sum(e.measured) BETWEEN count(e.measured) * %s::numeric AND count(e.measured) * %s::numeric) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('10')
-- Decimal('20')
