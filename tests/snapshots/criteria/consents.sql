-- Contacts for whom consent “newsletter” is granted and consent “sms” is none of withdrawn, unknown.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM contacts_consentstate t
    WHERE t.definition_id = %s::integer
    AND t.state = %s::text) d
  WHERE d.contact_id IN (SELECT t.contact_id
    FROM contacts_consentstate t
    WHERE t.definition_id = %s::integer
    AND t.state = %s::text)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 'granted'
-- 2
-- 'granted'
