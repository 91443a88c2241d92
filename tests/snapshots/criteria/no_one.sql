-- No contacts.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND false;
