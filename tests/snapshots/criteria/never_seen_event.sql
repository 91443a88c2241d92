-- Contacts for whom there are “unheard_of” events or “City” is “Warszawa”.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND c.city = %s::text;
-- 'Warszawa'
