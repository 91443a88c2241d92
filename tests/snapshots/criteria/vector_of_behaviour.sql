-- 1: ever
-- 2: never
-- 3: often
-- 4: lately
-- 5: often_lately
-- 6: address
-- 7: sum
-- 8: average
-- 9: first
-- 10: last_long_ago
-- 11: properties
-- 12: sequence_not
SELECT c.id AS contact_id, array_remove(ARRAY[CASE WHEN stat0.a0 THEN 1 END,
  CASE WHEN (stat0.a0) IS NOT TRUE THEN 2 END, CASE WHEN stat0.a1 THEN 3 END, CASE WHEN event0.a0 THEN 4 END, CASE WHEN event0.a1 THEN 5 END,
  CASE WHEN (event0.a2
    AND (event0.a3) IS NOT TRUE) THEN 6 END,
  CASE WHEN (event0.a4
    AND event0.a0) THEN 7 END, CASE WHEN event0.a5 THEN 8 END, CASE WHEN stat0.a2 THEN 9 END, CASE WHEN ((stat0.a3) IS NOT TRUE
    AND stat0.a0) THEN 10 END, CASE WHEN event0.a6 THEN 11 END, CASE WHEN sequence0.contact_id IS NOT NULL THEN 12 END]::integer[], NULL) AS segment_ids
FROM contacts_contact c
LEFT JOIN (SELECT s.contact_id AS contact_id, bool_or(s.definition_id = 1
    AND s.first_at <= %s::timestamptz) AS a0, bool_or(s.definition_id = 1
    AND s.event_count >= %s::numeric) AS a1, bool_or(s.definition_id = 1
    AND s.first_at BETWEEN %s::timestamptz AND %s::timestamptz) AS a2, bool_or(s.definition_id = 1
    AND s.last_at BETWEEN %s::timestamptz AND %s::timestamptz) AS a3
  FROM (SELECT s.contact_id, s.definition_id, s.first_at, coalesce(again.event_count, s.event_count) AS event_count, coalesce(again.last_at, s.last_at) AS last_at
    FROM contacts_eventstatistic s
    LEFT JOIN LATERAL (SELECT count(*) AS event_count, max(e.occurred_at) AS last_at
      FROM contacts_event e
      WHERE s.last_at > %s::timestamptz
      AND e.definition_id = s.definition_id
      AND e.contact_id = s.contact_id
      AND e.occurred_at <= %s::timestamptz) again ON s.last_at > %s::timestamptz
    WHERE s.contact_id = ANY(%s::bigint[])
    AND s.definition_id = ANY(ARRAY[1])
    AND s.first_at <= %s::timestamptz) s
  GROUP BY 1) stat0 ON stat0.contact_id = c.id
LEFT JOIN (SELECT e.contact_id AS contact_id, bool_or(e.definition_id = 2
    AND e.occurred_at >= %s::timestamptz) AS a0, count(*) FILTER (WHERE e.definition_id = 1
    AND (e.occurred_at >= %s::timestamptz
      AND e.amount > %s::numeric)) >= %s::numeric AS a1, bool_or(e.definition_id = 2
    AND (e.occurred_at >= %s::timestamptz
      AND
      CASE WHEN e.url_id IS NOT NULL THEN strpos(lower(u.url), lower(%s::text)) > 0 ELSE strpos(lower(segments_text((e.properties->%s::text))), lower(%s::text)) > 0 END)) AS a2, bool_or(e.definition_id = 1
    AND e.occurred_at >= %s::timestamptz) AS a3, coalesce(sum(e.amount) FILTER (WHERE e.definition_id = 1
      AND e.occurred_at >= %s::timestamptz), 0) >= %s::numeric AS a4, sum(e.amount) FILTER (WHERE e.definition_id = 1
    AND e.occurred_at >= %s::timestamptz) BETWEEN count(e.amount) FILTER (WHERE e.definition_id = 1 AND e.occurred_at >= %s::timestamptz) * %s::numeric
  AND count(e.amount) FILTER (WHERE e.definition_id = 1
    AND e.occurred_at >= %s::timestamptz) * %s::numeric AS a5, bool_or(e.definition_id = 1
    AND (((e.properties->>%s::text) = %s::text
        AND jsonb_typeof((e.properties->%s::text)) NOT IN ('object', 'array'))
      OR (strpos(lower(segments_text((e.properties->%s::text))), lower(%s::text)) > 0) IS NOT TRUE
      OR (segments_text((e.properties->%s::text)) = ANY(%s::text[])
        OR segments_number((e.properties->%s::text)) = ANY(%s::numeric[])
        OR (e.properties->%s::text) = to_jsonb(%s::boolean))
      OR segments_instant((e.properties->%s::text), %s::text) BETWEEN %s::timestamptz AND %s::timestamptz
      OR (((e.properties->%s::text) = to_jsonb(%s::boolean)) IS NOT TRUE
        AND ((e.properties->%s::text->>%s::text) <> '') IS NOT TRUE))) AS a6
  FROM (SELECT e.contact_id, e.definition_id, e.occurred_at, e.amount, e.url_id, e.properties
    FROM contacts_event e
    WHERE e.definition_id = 2
    AND e.contact_id = ANY(%s::bigint[])
    AND e.occurred_at <= %s::timestamptz
    AND e.occurred_at >= %s::timestamptz
    UNION ALL SELECT e.contact_id, e.definition_id, e.occurred_at, e.amount, e.url_id, e.properties
    FROM contacts_event e
    WHERE e.definition_id = 1
    AND e.contact_id = ANY(%s::bigint[])
    AND e.occurred_at <= %s::timestamptz) e
  LEFT JOIN contacts_url u ON u.id = e.url_id
  GROUP BY 1) event0 ON event0.contact_id = c.id
LEFT JOIN (SELECT DISTINCT q.contact_id
  FROM (SELECT e1.contact_id
    FROM contacts_event e1
    WHERE e1.definition_id = %s::integer
    AND e1.occurred_at <= %s::timestamptz
    AND e1.occurred_at <= %s::timestamptz
    AND e1.contact_id = ANY(%s::bigint[])
    AND EXISTS (SELECT
      FROM contacts_event e2
      WHERE e2.definition_id = %s::integer
      AND e2.occurred_at <= %s::timestamptz
      AND e2.occurred_at <= %s::timestamptz
      AND e2.contact_id = e1.contact_id
      AND e2.occurred_at > e1.occurred_at
      AND e2.contact_id = ANY(%s::bigint[])
      AND ((e2.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text < %s::timestamptz
      AND NOT EXISTS (SELECT
        FROM contacts_event e3
        WHERE e3.definition_id = %s::integer
        AND e3.occurred_at <= %s::timestamptz
        AND e3.occurred_at <= %s::timestamptz
        AND e3.contact_id = e2.contact_id
        AND e3.occurred_at > e2.occurred_at
        AND e3.contact_id = ANY(%s::bigint[])
        AND e3.occurred_at <= ((e2.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text))) q) sequence0 ON sequence0.contact_id = c.id
WHERE c.id = ANY(%s::bigint[])
AND c.erased_at IS NULL;
-- datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
-- Decimal('5')
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- '{1,2}'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('50')
-- Decimal('3')
-- datetime.datetime(2025, 12, 25, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- '/sale'
-- 'url'
-- '/sale'
-- datetime.datetime(2025, 12, 2, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('500')
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('10')
-- datetime.datetime(2025, 10, 3, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- Decimal('20')
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
-- '{1,2}'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2025, 12, 18, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- '{1,2}'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- '{1,2}'
-- 2
-- datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- '{1,2}'
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- '{1,2}'
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
-- '{1,2}'
