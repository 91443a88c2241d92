from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0012_metrics_as_data"),
    ]

    operations = [
        migrations.AddField(
            model_name="consentdefinition",
            name="is_public",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text=(
                    "On the page where they choose what they get. Off: staff and programs only."
                ),
                verbose_name="shown to customers",
            ),
        ),
        migrations.AddField(
            model_name="consentdefinition",
            name="translations",
            field=models.JSONField(
                blank=True, db_default={}, default=dict, verbose_name="in other languages"
            ),
        ),
    ]
