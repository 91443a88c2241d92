from django.db import migrations, models

# The verbs refuse it with a sentence; this is for whoever comes past them.
_GUARD = """
CREATE FUNCTION segments_stays_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Segment % is archived, and stays so.', OLD.key
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER segments_stays_archived BEFORE UPDATE OF status ON segments_segment
FOR EACH ROW WHEN (OLD.status = 'archived' AND NEW.status <> 'archived')
EXECUTE FUNCTION segments_stays_archived();
"""
_GUARD_BACK = """
DROP TRIGGER segments_stays_archived ON segments_segment;
DROP FUNCTION segments_stays_archived();
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0004_segment_actions")]

    operations = [
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status", "archived"), _negated=True)
                | models.Q(("member_count", 0)),
                name="segments_segment_archived_is_empty",
            ),
        ),
        migrations.RunSQL(_GUARD, _GUARD_BACK),
    ]
