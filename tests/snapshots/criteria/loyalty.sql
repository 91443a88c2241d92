-- Contacts for whom “Loyalty member” is yes and “Points” is greater than 100 and “Tier” is not “gold”.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM loyalty_member t
    WHERE (left_at IS NULL)) d
  WHERE d.contact_id IN (SELECT t.contact_id
    FROM loyalty_member t
    WHERE (left_at IS NULL)
    AND t.points > %s::numeric)
  AND NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM loyalty_member t
      WHERE (left_at IS NULL)
      AND t.tier = %s::text) n
    WHERE n.contact_id = d.contact_id)) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- Decimal('100')
-- 'gold'
