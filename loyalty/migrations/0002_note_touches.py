from django.db import migrations

DROP = "".join(
    f"DROP TRIGGER contacts_note_{verb} ON loyalty_member;"
    for verb in ("inserted", "updated", "deleted")
)


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0001_initial"), ("contacts", "0006_touches")]

    operations = [
        migrations.RunSQL(
            "SELECT contacts_note_touches_of('loyalty_member', 'table:loyalty_member')", DROP
        )
    ]
