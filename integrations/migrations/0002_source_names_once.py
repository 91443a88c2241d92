from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_sources")]

    operations = [
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(Lower("name"), name="integrations_source_name_once"),
        ),
    ]
