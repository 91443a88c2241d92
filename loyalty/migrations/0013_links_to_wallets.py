from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("loyalty", "0012_distributions_wait"),
    ]

    operations = [
        migrations.CreateModel(
            name="WalletLink",
            fields=[
                ("contact_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField(default=1)),
                ("withdrawn_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "link to a wallet",
                "verbose_name_plural": "links to wallets",
            },
        ),
    ]
