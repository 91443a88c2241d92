from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0018_delivery_counts"),
    ]

    operations = [
        migrations.AddField(
            model_name="vendorconnection",
            name="account_id",
            field=models.CharField(blank=True, default="", editable=False, max_length=100),
        ),
        migrations.AddField(
            model_name="vendorconnection",
            name="told_to",
            field=models.CharField(blank=True, default="", editable=False, max_length=300),
        ),
        migrations.AddField(
            model_name="uploadplace",
            name="account",
            field=models.CharField(blank=True, default="", max_length=550),
        ),
        migrations.AddField(
            model_name="uploadplace",
            name="number",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddConstraint(
            model_name="uploadplace",
            constraint=models.UniqueConstraint(
                condition=models.Q(("account", ""), _negated=True),
                fields=("account", "name", "website", "number"),
                name="integrations_uploadplace_keys_are_its_own",
            ),
        ),
    ]
