-- Contacts for whom there are at least 3 “page_visit” events in the last 7 days whose “url” contains “/sale”.
SET LOCAL enable_hashagg = 'off';
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT e.contact_id
  FROM (SELECT e.contact_id
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz
    AND e.url_id IN (SELECT u.id
      FROM contacts_url u
      WHERE strpos(lower(u.url), lower(%s::text)) > 0)
    UNION ALL SELECT e.contact_id
    FROM contacts_event e
    WHERE e.definition_id = %s::integer
    AND e.occurred_at BETWEEN %s::timestamptz AND %s::timestamptz
    AND e.url_id IS NULL
    AND strpos(lower(segments_text((e.properties->%s::text))), lower(%s::text)) > 0) e
  GROUP BY e.contact_id
  HAVING count(*) >= %s::numeric) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 2
-- datetime.datetime(2025, 12, 25, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- '/sale'
-- 2
-- datetime.datetime(2025, 12, 25, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 'url'
-- '/sale'
-- Decimal('3')
