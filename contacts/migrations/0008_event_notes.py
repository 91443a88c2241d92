from django.db import migrations

# Which kinds of events the floors above wait for, and the events of these kinds that came, noted
# by the statement that stores them (`contacts.events.store_events`): so none is missed, and none is
# told of that was rolled back. `contacts.event_notes` says who takes them.

NOTES = """
CREATE TABLE contacts_eventwatch (
  watcher text NOT NULL,
  definition_id integer NOT NULL,
  PRIMARY KEY (watcher, definition_id)
);
CREATE TABLE contacts_eventnote (
  contact_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  watcher text NOT NULL,
  definition_id integer NOT NULL,
  message_id varchar(100) COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  -- In the order in which they are taken: a queue is read from one end and written at the other.
  PRIMARY KEY (watcher, id, contact_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000);
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0007_event_schemas")]

    operations = [
        migrations.RunSQL(NOTES, "DROP TABLE contacts_eventnote; DROP TABLE contacts_eventwatch"),
    ]
