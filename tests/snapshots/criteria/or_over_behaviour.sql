-- Contacts for whom there are at least 3 “purchase” events in the last 30 days whose “amount” is greater than 50 or “City” is “Warszawa” or tag is “vip”.
SET LOCAL enable_hashagg = 'off';
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM ((SELECT e.contact_id
    FROM (SELECT e.contact_id
      FROM contacts_event e
      WHERE e.definition_id = %s::integer
      AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz
      AND e.amount > %s::numeric) e
    GROUP BY e.contact_id
    HAVING count(*) >= %s::numeric)
  UNION (SELECT t.contact_id
    FROM contacts_contacttag t
    WHERE t.tag_id = %s::integer)
  UNION (SELECT c.id AS contact_id
    FROM contacts_contact c
    WHERE c.erased_at IS NULL
    AND c.city = %s::text)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('50')
-- Decimal('3')
-- 1
-- 'Warszawa'
