from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("journeys", "0010_contact_journeys"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="visits",
            field=models.JSONField(editable=False, null=True),
        ),
    ]
