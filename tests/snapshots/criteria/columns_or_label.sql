-- Contacts for whom “Lead score” is greater than 20 or “City” is “Warszawa” or tag is “vip”.
SET LOCAL work_mem = '256MB';
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND (c.lead_score > %s::numeric
  OR c.city = %s::text
  OR c.id IN (SELECT t.contact_id
    FROM contacts_contacttag t
    WHERE t.tag_id = %s::integer));
-- Decimal('20')
-- 'Warszawa'
-- 1
