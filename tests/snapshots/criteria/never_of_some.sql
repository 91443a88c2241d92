-- Contacts for whom there are no “purchase” events and consent “newsletter” is granted and tag is “vip”.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM contacts_contacttag t
    WHERE t.tag_id = %s::integer) d
  WHERE NOT EXISTS (SELECT
    FROM (SELECT s.contact_id
      FROM contacts_eventstatistic s
      WHERE s.definition_id = %s::integer
      AND s.first_at <= %s::timestamptz) n
    WHERE n.contact_id = d.contact_id)
  AND d.contact_id IN (SELECT t.contact_id
    FROM contacts_consentstate t
    WHERE t.definition_id = %s::integer
    AND t.state = %s::text)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 1
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
-- 1
-- 'granted'
