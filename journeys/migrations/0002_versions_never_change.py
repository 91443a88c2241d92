from django.db import migrations

# What participants, transitions and counts refer to stays what it was: whoever writes.
GUARD = """
CREATE FUNCTION journeys_refuse_change_of_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'A version of a journey never changes: publish another one.'
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER journeys_journeyversion_never_changes BEFORE UPDATE ON journeys_journeyversion
  FOR EACH ROW WHEN (
    (OLD.journey_id, OLD.lane, OLD.number, OLD.drawing, OLD.settings, OLD.places)
      IS DISTINCT FROM
    (NEW.journey_id, NEW.lane, NEW.number, NEW.drawing, NEW.settings, NEW.places))
  EXECUTE FUNCTION journeys_refuse_change_of_version();
-- Each move writes its participant again: room on the same page keeps the table from growing.
ALTER TABLE journeys_participant SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE journeys_message SET (fillfactor = 80);
ALTER TABLE journeys_passage SET (fillfactor = 50);
"""
BACK = """
DROP TRIGGER journeys_journeyversion_never_changes ON journeys_journeyversion;
DROP FUNCTION journeys_refuse_change_of_version();
ALTER TABLE journeys_participant RESET (fillfactor, autovacuum_vacuum_scale_factor);
ALTER TABLE journeys_message RESET (fillfactor);
ALTER TABLE journeys_passage RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("journeys", "0001_initial")]

    operations = [migrations.RunSQL(GUARD, BACK)]
