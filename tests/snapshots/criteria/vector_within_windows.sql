-- 1: often_lately
-- 2: sum
-- 3: address_often
SELECT c.id AS contact_id, array_remove(ARRAY[CASE WHEN event0.a0 THEN 1 END,
  CASE WHEN (event0.a1
    AND event0.a2) THEN 2 END, CASE WHEN event0.a3 THEN 3 END]::integer[], NULL) AS segment_ids
FROM contacts_contact c
LEFT JOIN (SELECT e.contact_id AS contact_id, count(*) FILTER (WHERE e.definition_id = 1
    AND (e.occurred_at >= %s::timestamptz
      AND e.amount > %s::numeric)) >= %s::numeric AS a0, coalesce(sum(e.amount) FILTER (WHERE e.definition_id = 1
      AND e.occurred_at >= %s::timestamptz), 0) >= %s::numeric AS a1, bool_or(e.definition_id = 2
    AND e.occurred_at >= %s::timestamptz) AS a2, count(*) FILTER (WHERE e.definition_id = 2
    AND (e.occurred_at >= %s::timestamptz
      AND
      CASE WHEN e.url_id IS NOT NULL THEN strpos(lower(u.url), lower(%s::text)) > 0 ELSE strpos(lower(segments_text((e.properties->%s::text))), lower(%s::text)) > 0 END)) >= %s::numeric AS a3
  FROM contacts_event e
  LEFT JOIN contacts_url u ON u.id = e.url_id
  WHERE e.definition_id = ANY(ARRAY[1, 2])
  AND e.contact_id = ANY(%s::bigint[])
  AND e.occurred_at <= %s::timestamptz
  AND e.occurred_at >= %s::timestamptz
  AND ((e.definition_id = 1
      AND e.occurred_at >= %s::timestamptz)
    OR (e.definition_id = 2
      AND e.occurred_at >= %s::timestamptz))
  GROUP BY 1) event0 ON event0.contact_id = c.id
WHERE c.id = ANY(%s::bigint[])
AND c.erased_at IS NULL;
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('50')
-- Decimal('3')
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('500')
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 25, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- '/sale'
-- 'url'
-- '/sale'
-- Decimal('3')
-- '{1,2}'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- '{1,2}'
