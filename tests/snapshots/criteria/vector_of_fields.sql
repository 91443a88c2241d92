-- 1: columns
-- 2: columns_or_label
-- 3: anniversary
-- 4: last_seen
-- 5: labels
-- 6: consents
-- 7: consent_unknown
-- 8: segments
-- 9: metrics
-- 10: loyalty
-- 11: everyone
-- 12: attributes
SELECT c.id AS contact_id, array_remove(ARRAY[CASE WHEN (c.city = ANY(%s::text[])
    AND c.birth_date >= %s::date) THEN 1 END,
  CASE WHEN (c.lead_score > %s::numeric
    OR c.city = %s::text
    OR 1 = ANY(tag.ids)) THEN 2 END, CASE WHEN to_char(c.birth_date, 'MM-DD') = ANY(%s::text[]) THEN 3 END, CASE WHEN seen.last_seen_at BETWEEN %s::timestamptz AND %s::timestamptz THEN 4 END,
  CASE WHEN (1 = ANY(tag.ids)
    AND (2 = ANY(tag.ids)) IS NOT TRUE
    AND category.ids IS NOT NULL) THEN 5 END,
  CASE WHEN (1 = ANY(consents.granted)
    AND 2 = ANY(consents.granted)) THEN 6 END, CASE WHEN ((2 = ANY(consents.granted)
      OR 2 = ANY(consents.withdrawn))) IS NOT TRUE THEN 7 END,
  CASE WHEN (1 = ANY(segment.ids)
    AND (2 = ANY(segment.ids)) IS NOT TRUE) THEN 8 END,
  CASE WHEN (metric0.a0
    AND (metric0.a1) IS NOT TRUE) THEN 9 END,
  CASE WHEN (fact0_0.a0
    AND fact0_0.a1
    AND (fact0_0.a2) IS NOT TRUE) THEN 10 END, CASE WHEN true THEN 11 END,
  CASE WHEN (attribute.a0 = %s::text
    AND attribute.a1 BETWEEN %s::numeric AND %s::numeric
    AND (attribute.a2 = to_jsonb(%s::boolean)) IS NOT TRUE
    AND attribute.a3 BETWEEN %s::text AND %s::text
    AND attribute.a4 <= %s::text
    AND attribute.a5 ?& %s::text[]) THEN 12 END]::integer[], NULL) AS segment_ids
FROM contacts_contact c CROSS JOIN LATERAL (SELECT (c.attributes->>%s::text) AS a0, (CASE WHEN jsonb_typeof(c.attributes->%s::text) = 'number' THEN (c.attributes->%s::text)::numeric END) AS a1, (c.attributes->%s::text) AS a2, ((c.attributes->>%s::text) COLLATE "C") AS a3, ((c.attributes->>%s::text) COLLATE "C") AS a4, (c.attributes->%s::text) AS a5 OFFSET 0) attribute
LEFT JOIN (SELECT t.contact_id, array_agg(t.tag_id::integer) AS ids
  FROM contacts_contacttag t
  WHERE t.contact_id = ANY(%s::bigint[])
  AND t.tag_id = ANY(ARRAY[1, 2])
  GROUP BY 1) tag ON tag.contact_id = c.id
LEFT JOIN (SELECT t.contact_id, array_agg(t.category_id::integer) AS ids
  FROM contacts_contactcategory t
  WHERE t.contact_id = ANY(%s::bigint[])
  GROUP BY 1) category ON category.contact_id = c.id
LEFT JOIN (SELECT t.contact_id, array_agg(t.segment_id::integer) AS ids
  FROM segments_membership t
  WHERE t.contact_id = ANY(%s::bigint[])
  AND t.segment_id = ANY(ARRAY[1, 2])
  GROUP BY 1) segment ON segment.contact_id = c.id
LEFT JOIN (SELECT t.contact_id, array_agg(t.definition_id::integer) FILTER (WHERE t.state = 'granted') AS granted, array_agg(t.definition_id::integer) FILTER (WHERE t.state = 'withdrawn') AS withdrawn
  FROM contacts_consentstate t
  WHERE t.contact_id = ANY(%s::bigint[])
  GROUP BY 1) consents ON consents.contact_id = c.id
LEFT JOIN contacts_lastseen seen ON seen.contact_id = c.id
LEFT JOIN (SELECT t.contact_id AS contact_id, bool_or(t.metric_id = 1
    AND t.number >= %s::numeric) AS a0, bool_or(t.metric_id = 2
    AND t.date IS NOT NULL) AS a1
  FROM contacts_metricvalue t
  WHERE t.contact_id = ANY(%s::bigint[])
  AND t.metric_id = ANY(ARRAY[1, 2])
  GROUP BY 1) metric0 ON metric0.contact_id = c.id
LEFT JOIN (SELECT t.contact_id AS contact_id, bool_or((left_at IS NULL)) AS a0, bool_or((left_at IS NULL)
    AND t.points > %s::numeric) AS a1, bool_or((left_at IS NULL)
    AND t.tier = %s::text) AS a2
  FROM loyalty_member t
  WHERE t.contact_id = ANY(%s::bigint[])
  GROUP BY 1) fact0_0 ON fact0_0.contact_id = c.id
WHERE c.id = ANY(%s::bigint[])
AND c.erased_at IS NULL;
-- ['Atlanta', 'Seattle']
-- datetime.date(1981, 1, 1)
-- Decimal('20')
-- 'Warszawa'
-- ['01-01', '01-02', '01-03']
-- datetime.datetime(2025, 12, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 'x'
-- Decimal('1')
-- Decimal('2')
-- True
-- '2026-01-01'
-- '2026-01-14'
-- '2024-12-31T22:59:59.999999Z'
-- ['s', 'm']
-- 'text'
-- 'number'
-- 'number'
-- 'flag'
-- 'day'
-- 'at'
-- 'sizes'
-- '{1,2}'
-- '{1,2}'
-- '{1,2}'
-- '{1,2}'
-- Decimal('2')
-- '{1,2}'
-- Decimal('100')
-- 'gold'
-- '{1,2}'
-- '{1,2}'
