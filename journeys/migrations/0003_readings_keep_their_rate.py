import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("journeys", "0002_versions_never_change")]

    operations = [
        migrations.AddField(
            model_name="reading",
            name="upto",
            field=models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="reading",
            name="portion_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
    ]
