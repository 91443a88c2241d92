-- Contacts for whom “Last seen” is in the last 1 month.
SET LOCAL max_parallel_workers_per_gather = '0';
SELECT d.contact_id
FROM (SELECT t.contact_id
  FROM contacts_lastseen t
  WHERE t.last_seen_at BETWEEN %s::timestamptz AND %s::timestamptz) d
WHERE NOT EXISTS (SELECT
  FROM contacts_contact x
  WHERE x.id = d.contact_id
  AND x.erased_at IS NOT NULL);
-- datetime.datetime(2025, 12, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
-- datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
