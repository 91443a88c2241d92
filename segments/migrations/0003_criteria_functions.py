from django.db import migrations

from segments.criteria import FUNCTIONS_SQL

FUNCTIONS_BACK = """
DROP FUNCTION segments_number(jsonb), segments_text(jsonb), segments_instant(jsonb, text);
"""


class Migration(migrations.Migration):
    dependencies = [("segments", "0002_membership_changes")]

    operations = [migrations.RunSQL(FUNCTIONS_SQL, FUNCTIONS_BACK)]
