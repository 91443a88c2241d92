-- Contacts for whom there are first “purchase” events, then “page_visit” events, then within 1 month no “purchase” events.
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
      AND e2.contact_id = e1.contact_id
      AND e2.occurred_at > e1.occurred_at
      AND ((e2.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text < %s::timestamptz
      AND NOT EXISTS (SELECT
        FROM contacts_event e3
        WHERE e3.definition_id = %s::integer
        AND e3.occurred_at <= %s::timestamptz
        AND e3.contact_id = e2.contact_id
        AND e3.occurred_at > e2.occurred_at
        AND e3.occurred_at <= ((e2.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text))) n) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 2
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
