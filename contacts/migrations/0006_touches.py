from django.db import migrations

# What changed about whom, noted by the database itself: so it is complete, whoever writes, and is
# committed or not together with what it tells of. `contacts.touches` says what the topics are.
#
# A statement that changes more than 10,000 contacts notes one row per topic, with the contact 0.

TOUCHES = """
CREATE TABLE contacts_touch (
  contact_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  topic text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  -- In the order in which they are taken: a queue is read from one end and written at the other.
  PRIMARY KEY (id, contact_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000);
CREATE INDEX contacts_touch_everyone ON contacts_touch (id) WHERE contact_id = 0;
"""

# Contacts by themselves: the columns are compared as a whole, so that a new column cannot be
# forgotten.
CONTACTS = """
CREATE FUNCTION contacts_note_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  row_count bigint;
BEGIN
  SELECT count(*) INTO row_count FROM new_rows;
  IF row_count > 10000 THEN
    INSERT INTO contacts_touch (contact_id, topic) VALUES (0, 'new');
  ELSIF row_count > 0 THEN
    INSERT INTO contacts_touch (contact_id, topic) SELECT id, 'new' FROM new_rows ORDER BY id;
  ELSE
    RETURN NULL;
  END IF;
  PERFORM pg_notify('regulars_touches', '');
  RETURN NULL;
END $$;
CREATE FUNCTION contacts_note_changed_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed bigint[];
BEGIN
  -- No more are counted than it takes to see that there are too many. Planned each time: a plan
  -- for one row would compare each of ten thousand with each other.
  EXECUTE '
    SELECT array_agg(c.id) FROM (
      SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE o IS DISTINCT FROM n
      LIMIT 10001) c' INTO changed;
  IF changed IS NULL THEN
    RETURN NULL;
  ELSIF cardinality(changed) > 10000 THEN
    INSERT INTO contacts_touch (contact_id, topic) VALUES (0, 'contact');
  ELSE
    INSERT INTO contacts_touch (contact_id, topic)
      SELECT id, 'contact' FROM unnest(changed) AS id ORDER BY id;
  END IF;
  PERFORM pg_notify('regulars_touches', '');
  RETURN NULL;
END $$;
CREATE TRIGGER contacts_contact_note_new AFTER INSERT ON contacts_contact
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION contacts_note_new_contacts();
CREATE TRIGGER contacts_contact_note_changed AFTER UPDATE ON contacts_contact
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_note_changed_contacts();
"""

CONTACTS_BACK = """
DROP TRIGGER contacts_contact_note_new ON contacts_contact;
DROP TRIGGER contacts_contact_note_changed ON contacts_contact;
DROP FUNCTION contacts_note_new_contacts();
DROP FUNCTION contacts_note_changed_contacts();
"""

# Whatever else has a column contact_id: `contacts_note_touches_of(table, topic, column)` gives a
# table its triggers. The topic is followed by the value of the column, where there is one.
TABLES = """
CREATE FUNCTION contacts_note_touches() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  topic text := quote_literal(TG_ARGV[0]);
  rows text;
  noted bigint;
BEGIN
  IF TG_ARGV[1] <> '' THEN
    topic := format('%L || t.%I', TG_ARGV[0] || ':', TG_ARGV[1]);
  END IF;
  rows := CASE TG_OP WHEN 'INSERT' THEN 'new_rows' WHEN 'DELETE' THEN 'old_rows' ELSE
    '((TABLE new_rows EXCEPT ALL TABLE old_rows) UNION ALL (TABLE old_rows EXCEPT ALL TABLE new_rows))'
    END;
  EXECUTE format('
    WITH touched AS MATERIALIZED (SELECT %s t.contact_id, %s AS topic FROM %s t)
    INSERT INTO contacts_touch (contact_id, topic)
    SELECT contact_id, topic FROM touched WHERE topic IN (
      SELECT topic FROM touched GROUP BY topic HAVING count(*) <= 10000)
    UNION ALL
    SELECT 0, topic FROM touched GROUP BY topic HAVING count(*) > 10000',
    CASE TG_OP WHEN 'UPDATE' THEN 'DISTINCT' ELSE '' END, topic, rows);
  GET DIAGNOSTICS noted = ROW_COUNT;
  IF noted > 0 THEN
    PERFORM pg_notify('regulars_touches', '');
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION contacts_note_touches_of(table_name regclass, topic text, column_name text DEFAULT '')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER contacts_note_inserted AFTER INSERT ON %s
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_note_touches(%L, %L)', table_name, topic, column_name);
  EXECUTE format('CREATE TRIGGER contacts_note_updated AFTER UPDATE ON %s
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_note_touches(%L, %L)', table_name, topic, column_name);
  EXECUTE format('CREATE TRIGGER contacts_note_deleted AFTER DELETE ON %s
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_note_touches(%L, %L)', table_name, topic, column_name);
END $$;
SELECT contacts_note_touches_of('contacts_contacttag', 'tag', 'tag_id');
SELECT contacts_note_touches_of('contacts_contactcategory', 'category', 'category_id');
SELECT contacts_note_touches_of('contacts_consentstate', 'consent', 'definition_id');
SELECT contacts_note_touches_of('contacts_metricvalue', 'metric', 'metric_id');
-- New events are noted by the statement that stores them, see contacts.events.
SELECT contacts_note_touches_of('contacts_event', 'event', 'definition_id');
DROP TRIGGER contacts_note_inserted ON contacts_event;
"""

TABLES_BACK = """
DROP FUNCTION contacts_note_touches_of(regclass, text, text);
DROP FUNCTION contacts_note_touches() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0005_resolve_identities")]

    operations = [
        migrations.RunSQL(TOUCHES, "DROP TABLE contacts_touch"),
        migrations.RunSQL(CONTACTS, CONTACTS_BACK),
        migrations.RunSQL(TABLES, TABLES_BACK),
    ]
