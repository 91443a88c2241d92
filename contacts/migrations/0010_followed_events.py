from django.db import migrations

# Notes of events follow the contact when two become one, so that they are found by it; and events
# that a follower could not use, with the reason (`contacts.followed_events`).

SET_ASIDE = """
CREATE TABLE contacts_eventsetaside (
  contact_id bigint NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  watcher text NOT NULL,
  definition_id integer NOT NULL,
  message_id varchar(100) COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL,
  reason text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (contact_id, id)
);
CREATE INDEX contacts_eventnote_contact ON contacts_eventnote (contact_id);
"""
BACK = "DROP INDEX contacts_eventnote_contact; DROP TABLE contacts_eventsetaside"


class Migration(migrations.Migration):
    dependencies = [("contacts", "0009_merge_permission")]

    operations = [migrations.RunSQL(SET_ASIDE, BACK)]
