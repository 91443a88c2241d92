-- Contacts for whom “orders” is at least 2 and “last_order” is missing.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM contacts_metricvalue t
    WHERE t.metric_id = %s::integer
    AND t.number >= %s::numeric) d
  WHERE NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM contacts_metricvalue t
      WHERE t.metric_id = %s::integer
      AND t.date IS NOT NULL) n
    WHERE n.contact_id = d.contact_id)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- Decimal('2')
-- 2
