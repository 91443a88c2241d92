-- Contacts for whom ((“City” is “Warszawa” and “Lead score” is greater than 5) or there are at least 3 “purchase” events in the last 30 days whose “amount” is greater than 50) and not (tag is “churned”) and segment is “other”.
SET LOCAL enable_hashagg = 'off';
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM segments_membership t
    WHERE t.segment_id = %s::integer) d
  WHERE d.contact_id IN ((SELECT e.contact_id
      FROM (SELECT e.contact_id
        FROM contacts_event e
        WHERE e.definition_id = %s::integer
        AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz
        AND e.amount > %s::numeric) e
      GROUP BY e.contact_id
      HAVING count(*) >= %s::numeric)
    UNION (SELECT c.id AS contact_id
      FROM contacts_contact c
      WHERE c.erased_at IS NULL
      AND (c.city = %s::text
        AND c.lead_score > %s::numeric)))
  AND NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM contacts_contacttag t
      WHERE t.tag_id = %s::integer) n
    WHERE n.contact_id = d.contact_id)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 1
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- Decimal('50')
-- Decimal('3')
-- 'Warszawa'
-- Decimal('5')
-- 2
