-- Contacts for whom “City” is one of “Atlanta”, “Seattle” and “Birth date” is after 1980-12-31.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND c.city = ANY(%s::text[])
AND c.birth_date >= %s::date;
-- ['Atlanta', 'Seattle']
-- datetime.date(1981, 1, 1)
