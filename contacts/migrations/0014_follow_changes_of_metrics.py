import django.db.models.deletion
from django.db import migrations, models

# Whose metrics may have changed, noted by the database itself in the transaction that changes
# anything: `contacts.metric_marks` says who takes it. New events are noted by the statement that
# stores them (`contacts.events`), and only those of kinds that a formula looks at.

MARKS = """
CREATE TABLE contacts_metricmark (
  contact_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_threshold = -1);
-- A kind that was not marked for a while has another id afterwards.
CREATE TABLE contacts_metrickind (
  definition_id integer PRIMARY KEY,
  id bigint GENERATED ALWAYS AS IDENTITY
);
-- What was taken by one of those who compute, and is owed to another: 0 computes the metrics of
-- everyone, the others are websites.
CREATE TABLE contacts_metricdue (
  contact_id bigint NOT NULL,
  consumer integer NOT NULL,
  PRIMARY KEY (contact_id, consumer)
);
"""
MARKS_BACK = """
DROP TABLE contacts_metricdue;
DROP TABLE contacts_metrickind;
DROP TABLE contacts_metricmark;
"""

# For any table with a column contact_id; floors above call `contacts_mark_metrics_of(table)` for
# what their recipes look at.
TABLES = """
CREATE FUNCTION contacts_mark_metrics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO contacts_metricmark (contact_id)
      SELECT contact_id FROM new_rows WHERE contact_id IS NOT NULL;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO contacts_metricmark (contact_id)
      SELECT contact_id FROM old_rows WHERE contact_id IS NOT NULL;
  ELSE
    INSERT INTO contacts_metricmark (contact_id)
      SELECT DISTINCT contact_id FROM (
        (TABLE new_rows EXCEPT ALL TABLE old_rows) UNION ALL
        (TABLE old_rows EXCEPT ALL TABLE new_rows)) changed
      WHERE contact_id IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION contacts_mark_metrics_of(table_name regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER contacts_mark_inserted AFTER INSERT ON %s
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics()', table_name);
  EXECUTE format('CREATE TRIGGER contacts_mark_updated AFTER UPDATE ON %s
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics()', table_name);
  EXECUTE format('CREATE TRIGGER contacts_mark_deleted AFTER DELETE ON %s
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics()', table_name);
END $$;
"""
TABLES_BACK = """
DROP FUNCTION contacts_mark_metrics_of(regclass);
DROP FUNCTION contacts_mark_metrics() CASCADE;
"""

# Events that go, or are changed: of the kinds that a formula looks at.
EVENTS = """
CREATE FUNCTION contacts_mark_metrics_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO contacts_metricmark (contact_id)
    SELECT DISTINCT contact_id FROM old_rows JOIN contacts_metrickind USING (definition_id);
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO contacts_metricmark (contact_id)
      SELECT DISTINCT contact_id FROM new_rows JOIN contacts_metrickind USING (definition_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER contacts_mark_updated AFTER UPDATE ON contacts_event
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_events();
CREATE TRIGGER contacts_mark_deleted AFTER DELETE ON contacts_event
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_events();
"""
EVENTS_BACK = """
DROP TRIGGER contacts_mark_updated ON contacts_event;
DROP TRIGGER contacts_mark_deleted ON contacts_event;
DROP FUNCTION contacts_mark_metrics_of_events();
"""

# Contacts that come or go, and what of them the age and who has metrics at all depend on.
CONTACTS = """
CREATE FUNCTION contacts_mark_metrics_of_contacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO contacts_metricmark (contact_id) SELECT id FROM new_rows;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO contacts_metricmark (contact_id) SELECT id FROM old_rows;
  ELSE
    -- Planned each time: a plan for one row would compare each of ten thousand with each other.
    EXECUTE '
      INSERT INTO contacts_metricmark (contact_id)
      SELECT n.id FROM new_rows n JOIN old_rows o ON o.id = n.id
      WHERE (n.birth_date, n.erased_at) IS DISTINCT FROM (o.birth_date, o.erased_at)';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER contacts_mark_inserted AFTER INSERT ON contacts_contact
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_contacts();
CREATE TRIGGER contacts_mark_updated AFTER UPDATE ON contacts_contact
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_contacts();
CREATE TRIGGER contacts_mark_deleted AFTER DELETE ON contacts_contact
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_contacts();
"""
CONTACTS_BACK = """
DROP TRIGGER contacts_mark_inserted ON contacts_contact;
DROP TRIGGER contacts_mark_updated ON contacts_contact;
DROP TRIGGER contacts_mark_deleted ON contacts_contact;
DROP FUNCTION contacts_mark_metrics_of_contacts();
"""

# Who is registered has metrics on websites: nothing to note where there is none.
IDENTITIES = """
CREATE FUNCTION contacts_mark_metrics_of_identities() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM workspace_website) THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO contacts_metricmark (contact_id)
      SELECT DISTINCT contact_id FROM new_rows WHERE namespace <> 'anonymous_id';
  END IF;
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO contacts_metricmark (contact_id)
      SELECT DISTINCT contact_id FROM old_rows WHERE namespace <> 'anonymous_id';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER contacts_mark_inserted AFTER INSERT ON contacts_identity
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_identities();
CREATE TRIGGER contacts_mark_updated AFTER UPDATE ON contacts_identity
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_identities();
CREATE TRIGGER contacts_mark_deleted AFTER DELETE ON contacts_identity
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION contacts_mark_metrics_of_identities();
"""
IDENTITIES_BACK = """
DROP TRIGGER contacts_mark_inserted ON contacts_identity;
DROP TRIGGER contacts_mark_updated ON contacts_identity;
DROP TRIGGER contacts_mark_deleted ON contacts_identity;
DROP FUNCTION contacts_mark_metrics_of_identities();
"""

# The hourly round of before, which the beat remembers by its name.
SCHEDULE = """
DO $$ BEGIN
  IF to_regclass('django_celery_beat_periodictask') IS NOT NULL THEN
    DELETE FROM django_celery_beat_periodictask
      WHERE task = 'contacts.tasks.compute_recent_orders';
  END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0013_consents_for_customers"),
        ("workspace", "0006_websites"),
    ]

    operations = [
        migrations.AddField(
            model_name="computedmetric",
            name="basis",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.CreateModel(
            name="ComputedWebsite",
            fields=[
                (
                    "website",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="computed",
                        serialize=False,
                        to="workspace.website",
                    ),
                ),
                (
                    "basis",
                    models.CharField(blank=True, db_default="", default="", max_length=32),
                ),
                ("as_of", models.DateTimeField()),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "computed website",
                "verbose_name_plural": "computed websites",
                "default_permissions": (),
            },
        ),
        migrations.RunSQL(MARKS, MARKS_BACK),
        migrations.RunSQL(TABLES, TABLES_BACK),
        migrations.RunSQL(EVENTS, EVENTS_BACK),
        migrations.RunSQL(CONTACTS, CONTACTS_BACK),
        migrations.RunSQL(IDENTITIES, IDENTITIES_BACK),
        migrations.RunSQL(SCHEDULE, migrations.RunSQL.noop),
    ]
