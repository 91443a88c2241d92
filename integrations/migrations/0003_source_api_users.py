from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0002_source_names_once"),
        ("workspace", "0003_tell_by_time"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="source",
            constraint=models.UniqueConstraint(
                fields=("api_user",), name="integrations_source_of_api_user_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="source",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("api_user__isnull", True), ("kind", "voucherify"), _connector="OR"
                ),
                name="integrations_source_api_user_of_kind",
            ),
        ),
    ]
