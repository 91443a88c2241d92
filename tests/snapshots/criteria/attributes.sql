-- Contacts for whom “text” is “x” and “number” is between 1 and 2 and “flag” is not yes and “day” is in the next 2 weeks and “at” is before 2025-01-01 00:00 and “sizes” has all of “s”, “m”.
SELECT c.id AS contact_id
FROM contacts_contact c
WHERE c.erased_at IS NULL
AND (c.attributes->>%s::text) = %s::text
AND (CASE WHEN jsonb_typeof(c.attributes->%s::text) = 'number' THEN (c.attributes->%s::text)::numeric END) BETWEEN %s::numeric AND %s::numeric
AND ((c.attributes->%s::text) = to_jsonb(%s::boolean)) IS NOT TRUE
AND ((c.attributes->>%s::text) COLLATE "C") BETWEEN %s::text AND %s::text
AND ((c.attributes->>%s::text) COLLATE "C") <= %s::text
AND (c.attributes->%s::text) ?& %s::text[];
-- 'text'
-- 'x'
-- 'number'
-- 'number'
-- Decimal('1')
-- Decimal('2')
-- 'flag'
-- True
-- 'day'
-- '2026-01-01'
-- '2026-01-14'
-- 'at'
-- '2024-12-31T22:59:59.999999Z'
-- 'sizes'
-- ['s', 'm']
