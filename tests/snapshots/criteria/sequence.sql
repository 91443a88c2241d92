-- Contacts for whom there are first “page_visit” events, then within 2 days “purchase” events whose “amount” is greater than 50.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT DISTINCT n.contact_id
  FROM (SELECT e1.contact_id
    FROM contacts_event e1
    WHERE e1.definition_id = %s::integer
    AND e1.occurred_at <= %s::timestamptz
    AND EXISTS (SELECT
      FROM contacts_event e2
      WHERE e2.definition_id = %s::integer
      AND e2.occurred_at <= %s::timestamptz
      AND e2.amount > %s::numeric
      AND e2.contact_id = e1.contact_id
      AND e2.occurred_at > e1.occurred_at
      AND e2.occurred_at <= e1.occurred_at + make_interval(secs => %s::double precision))) n) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 2
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('50')
-- 172800
