-- Contacts for whom there are “purchase” events whose (“product” is “coffee” or “product” does not contain “tea” or “size” is one of “l”, 2, yes or “due” is in the next 1 day or (“gift” is not yes and “a.b” is missing)).
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT DISTINCT n.contact_id
  FROM (SELECT e.contact_id
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at <= %s::timestamptz
    AND (((e.properties->>%s::text) = %s::text
        AND jsonb_typeof((e.properties->%s::text)) NOT IN ('object', 'array'))
      OR (strpos(lower(segments_text((e.properties->%s::text))), lower(%s::text)) > 0) IS NOT TRUE
      OR (segments_text((e.properties->%s::text)) = ANY(%s::text[])
        OR segments_number((e.properties->%s::text)) = ANY(%s::numeric[])
        OR (e.properties->%s::text) = to_jsonb(%s::boolean))
      OR segments_instant((e.properties->%s::text), %s::text) BETWEEN %s::timestamptz AND %s::timestamptz
      OR (((e.properties->%s::text) = to_jsonb(%s::boolean)) IS NOT TRUE
        AND ((e.properties->%s::text->>%s::text) <> '') IS NOT TRUE))) n) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 'product'
-- 'coffee'
-- 'product'
-- 'product'
-- 'tea'
-- 'size'
-- ['l']
-- 'size'
-- [Decimal('2')]
-- 'size'
-- True
-- 'due'
-- 'Europe/Warsaw'
-- datetime.datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
-- 'gift'
-- True
-- 'a'
-- 'b'
