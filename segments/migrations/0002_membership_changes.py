from django.db import migrations

CHANGES = """
CREATE TABLE segments_membershipchange (
  contact_id bigint NOT NULL,
  at timestamptz NOT NULL,
  segment_id integer NOT NULL,
  kind varchar(7) NOT NULL CONSTRAINT segments_membershipchange_kind CHECK (kind IN ('entered', 'left')),
  cause varchar(60) NOT NULL,
  PRIMARY KEY (segment_id, at, contact_id, kind)
) PARTITION BY RANGE (at);
CREATE INDEX segments_membershipchange_of_contact ON segments_membershipchange (contact_id, at);
CREATE TABLE segments_membershipchange_default PARTITION OF segments_membershipchange DEFAULT;
"""

STORAGE = """
ALTER TABLE segments_membership SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0001_initial")]

    operations = [
        migrations.RunSQL(CHANGES, "DROP TABLE segments_membershipchange"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
