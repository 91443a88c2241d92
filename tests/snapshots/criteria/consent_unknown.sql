-- Contacts for whom consent “sms” is unknown.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND NOT EXISTS (SELECT
  FROM (SELECT t.contact_id
    FROM contacts_consentstate t
    WHERE t.definition_id = %s::integer
    AND t.state = ANY(%s::text[])) n
  WHERE n.contact_id = c.id);
-- 2
-- ['granted', 'withdrawn']
