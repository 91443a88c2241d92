-- Contacts for whom “City” contains “war” and “Last name” does not begin with “k” and “E-mail” ends with “.pl”.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND strpos(lower(c.city), lower(%s::text)) > 0
AND NOT (starts_with(lower(c.last_name), lower(%s::text)))
AND right(lower(c.email), length(lower(%s::text))) = lower(%s::text);
-- 'war'
-- 'k'
-- '.pl'
-- '.pl'
