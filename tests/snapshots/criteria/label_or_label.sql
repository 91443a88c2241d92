-- Contacts for whom tag is “vip” or category is “media”.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM ((SELECT t.contact_id
    FROM contacts_contacttag t
    WHERE t.tag_id = %s::integer)
  UNION (SELECT t.contact_id
    FROM contacts_contactcategory t
    WHERE t.category_id = %s::integer)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 1
