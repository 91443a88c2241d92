from django.db import migrations

# The rewards that were redeemed are a metric: whose may have changed is noted by the database.
TABLES = ("loyalty_claim", "loyalty_redemption")
MARK = "".join(f"SELECT contacts_mark_metrics_of('{table}');" for table in TABLES)
DROP = "".join(
    f"DROP TRIGGER contacts_mark_{verb} ON {table};"
    for table in TABLES
    for verb in ("inserted", "updated", "deleted")
)


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0014_codes_by_connected_systems"),
        ("contacts", "0014_follow_changes_of_metrics"),
    ]

    operations = [migrations.RunSQL(MARK, DROP)]
