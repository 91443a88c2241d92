from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0016_vendor_access_ends"),
    ]

    operations = [
        migrations.AddField(
            model_name="source",
            name="user_secret",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
    ]
