-- Contacts for whom segment is one of “other”, “never_calculated” and segment is not “more”.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM segments_membership t
    WHERE t.segment_id = %s::integer) d
  WHERE NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM segments_membership t
      WHERE t.segment_id = %s::integer) n
    WHERE n.contact_id = d.contact_id)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- 2
