-- Contacts for whom “City” is not “Warszawa” and “Birth date” is not in the last 1 year and “E-mail” is missing.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND NOT (c.city = %s::text)
AND (c.birth_date BETWEEN %s::date AND %s::date) IS NOT TRUE
AND NOT (c.email <> '');
-- 'Warszawa'
-- datetime.date(2025, 1, 2)
-- datetime.date(2026, 1, 1)
