-- Contacts for whom “Birth date” has its anniversary in the next 3 days.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND to_char(c.birth_date, 'MM-DD') = ANY(%s::text[]);
-- ['01-01', '01-02', '01-03']
