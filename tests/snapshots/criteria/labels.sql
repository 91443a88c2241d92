-- Contacts for whom tag is “vip” and tag is not “churned” and category is known.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM contacts_contacttag t
    WHERE t.tag_id = %s::integer) d
  WHERE NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM contacts_contacttag t
      WHERE t.tag_id = %s::integer) n
    WHERE n.contact_id = d.contact_id)
  AND d.contact_id IN (SELECT t.contact_id
    FROM contacts_contactcategory t)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 2
