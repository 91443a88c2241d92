"""Who acted and whom a line is about, where a table keeps only a name: "user:3", "4711"."""

# The numbers, as text, of a contact and of all who were merged into it: what was changed of them
# is a part of its story. Two parameters, both the number of the contact.
ALL_IDS = """
  SELECT %s::text UNION ALL
  SELECT loser_id::text FROM contacts_contactmerge WHERE survivor_id = %s
"""

# Who is named as "user:3" or "api:4" in the ledgers `l`, as people call him.
ACTOR = """
  coalesce(
    (SELECT coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username)
     FROM workspace_user u WHERE u.id = CASE WHEN l.actor ~ '^user:[0-9]+$'
       AND length(l.actor) < 15 THEN substr(l.actor, 6)::int END),
    (SELECT a.name FROM workspace_apiuser a WHERE a.id = CASE WHEN l.actor ~ '^api:[0-9]+$'
       AND length(l.actor) < 14 THEN substr(l.actor, 5)::int END),
    CASE WHEN l.actor = 'system' THEN 'Regulars' ELSE l.actor END) AS actor
"""
