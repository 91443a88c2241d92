from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0013_links_to_wallets"),
    ]

    operations = [
        migrations.AlterField(
            model_name="distribution",
            name="channel",
            field=models.CharField(
                choices=[
                    ("none", "none"),
                    ("email", "e-mail"),
                    ("webhook", "webhook"),
                    ("vendor", "connected system"),
                ],
                default="none",
                max_length=7,
                verbose_name="channel",
            ),
        ),
    ]
