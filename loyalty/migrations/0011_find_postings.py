from django.db import migrations

# The ledger of points is listed, newest first, and a line found by its number alone.
INDEX = "CREATE INDEX loyalty_pointsposting_id ON loyalty_pointsposting (id)"


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0010_find_expired_cards")]

    operations = [migrations.RunSQL(INDEX, "DROP INDEX loyalty_pointsposting_id")]
