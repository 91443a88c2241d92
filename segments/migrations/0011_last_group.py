from django.db import migrations

# `workspace.user_groups` hands what belongs to a group over before it deletes the group; this is
# for whoever comes past it. Asked when the transaction ends: Django takes the links away first.
# Arguments: the table of the things, and the column of the links that names them.
_FUNCTION = """
CREATE FUNCTION segments_keeps_a_group() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  thing bigint := (to_jsonb(OLD) ->> TG_ARGV[1])::bigint;
  is_open boolean;
BEGIN
  IF EXISTS (SELECT FROM auth_group WHERE id = OLD.group_id) THEN
    RETURN NULL;
  END IF;
  EXECUTE format(
    'SELECT EXISTS (SELECT FROM %I WHERE id = $1) AND NOT EXISTS (SELECT FROM %I WHERE %I = $1)',
    TG_ARGV[0], TG_TABLE_NAME, TG_ARGV[1]) INTO is_open USING thing;
  IF is_open THEN
    RAISE EXCEPTION '% % would be seen by everybody without user group %.',
      TG_ARGV[0], thing, OLD.group_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
"""
_TRIGGER = """
CREATE CONSTRAINT TRIGGER {thing}_keeps_a_group
AFTER DELETE ON {thing}_groups DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION segments_keeps_a_group('{thing}', '{column}');
"""
_TRIGGER_BACK = "DROP TRIGGER {thing}_keeps_a_group ON {thing}_groups;"
_THINGS = (
    {"thing": "segments_segment", "column": "segment_id"},
    {"thing": "segments_savedcriteria", "column": "savedcriteria_id"},
)


class Migration(migrations.Migration):
    dependencies = [
        ("segments", "0010_findings"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(_FUNCTION, "DROP FUNCTION segments_keeps_a_group();"),
        *(
            migrations.RunSQL(_TRIGGER.format(**names), _TRIGGER_BACK.format(**names))
            for names in _THINGS
        ),
    ]
