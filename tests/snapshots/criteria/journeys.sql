-- Contacts for whom “Journey they are on” is none of “welcome”, “birthday” and “Journey they went through to the end” is “welcome” and “Journey whose goal they reached” has all of “welcome”, “birthday”.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT d.contact_id
  FROM (SELECT t.contact_id
    FROM journeys_contactjourney t
    WHERE t.journey_id = %s::integer
    AND (finished_at IS NOT NULL)) d
  WHERE NOT EXISTS (SELECT
    FROM (SELECT t.contact_id
      FROM journeys_contactjourney t
      WHERE t.journey_id = ANY(%s::integer[])
      AND (is_inside)) n
    WHERE n.contact_id = d.contact_id)
  AND d.contact_id IN (SELECT t.contact_id
    FROM journeys_contactjourney t
    WHERE t.journey_id = %s::integer
    AND (goal_at IS NOT NULL))
  AND d.contact_id IN (SELECT t.contact_id
    FROM journeys_contactjourney t
    WHERE t.journey_id = %s::integer
    AND (goal_at IS NOT NULL))) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- 1
-- [1, 2]
-- 1
-- 2
