-- 1: often_lately
-- 2: not_lately
-- 3: address
-- 4: properties
-- 5: last_seen
-- 6: first
-- 7: sequence_not
-- 8: columns
SELECT DISTINCT f.segment_id, f.contact_id
FROM (SELECT wish.segment_id, e.contact_id
  FROM unnest(%s::integer[], %s::integer[], %s::timestamptz[], %s::timestamptz[]) line(place, kind, low, high) JOIN contacts_event e ON e.definition_id = line.kind
  AND e.occurred_at BETWEEN line.low AND line.high
  LEFT JOIN contacts_url u ON u.id = e.url_id
  JOIN (VALUES (0, 1, 1, 0), (1, 1, -1, 0), (2, 2, -1, 1), (3, 2, 1, 1), (2, 3, 1, 2), (4, 3, -1, 2), (0, 3, -1, 1), (1, 3, 1, 1), (0, 4, 1, 1), (0, 6, 0, 1), (1, 6, -1, 1), (0, 7, 1, 1), (2, 7, 1, 1), (0, 7, -1, 1), (5, 7, 1, 3)) wish(place, segment_id, towards, condition) ON wish.place = line.place
  WHERE CASE wish.condition WHEN 0 THEN e.amount > %s::numeric WHEN 1 THEN true WHEN 2 THEN
  CASE WHEN e.url_id IS NOT NULL THEN strpos(lower(u.url), lower(%s::text)) > 0 ELSE true END WHEN 3 THEN ((e.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text >= %s::timestamptz
  AND ((e.occurred_at AT TIME ZONE %s::text) + make_interval(months => %s::integer)) AT TIME ZONE %s::text < %s::timestamptz END
  AND (wish.towards = 0
    OR (wish.towards < 0) = ((SELECT true
        FROM segments_membership m
        WHERE m.segment_id = wish.segment_id
        AND m.contact_id = e.contact_id) IS NOT NULL))
  UNION ALL SELECT wish.segment_id, t.contact_id AS contact_id
  FROM unnest(%s::integer[], %s::timestamptz[], %s::timestamptz[]) line(place, low, high) JOIN contacts_lastseen t ON t.last_seen_at BETWEEN line.low AND line.high
  JOIN (VALUES (0, 5, 1), (1, 5, 0)) wish(place, segment_id, towards) ON wish.place = line.place
  WHERE (wish.towards = 0
    OR (wish.towards < 0) = ((SELECT true
        FROM segments_membership m
        WHERE m.segment_id = wish.segment_id
        AND m.contact_id = t.contact_id) IS NOT NULL))) f;
-- [0, 1, 2, 3, 4, 5]
-- [1, 1, 2, 2, 2, 2]
-- [datetime.datetime(2025, 12, 31, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 1, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 31, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 17, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 24, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 11, 26, 23, 0, tzinfo=datetime.timezone.utc)]
-- [datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 2, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 18, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 25, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 5, 0, 0, tzinfo=datetime.timezone.utc)]
-- Decimal('50')
-- '/sale'
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
-- datetime.datetime(2025, 12, 31, 23, 0, tzinfo=datetime.timezone.utc)
-- 'Europe/Warsaw'
-- 1
-- 'Europe/Warsaw'
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- [0, 1]
-- [datetime.datetime(2025, 12, 31, 23, 0, 0, 1, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 11, 30, 23, 0, 0, 1, tzinfo=datetime.timezone.utc)]
-- [datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), datetime.datetime(2025, 12, 1, 0, 0, tzinfo=datetime.timezone.utc)]
