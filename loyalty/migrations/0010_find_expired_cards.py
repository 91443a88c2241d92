from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0009_guard_cards")]

    operations = [
        migrations.AddIndex(
            model_name="voucher",
            index=models.Index(
                fields=["campaign", "id"],
                name="loyalty_voucher_expired",
                condition=models.Q(expired_at__isnull=False),
            ),
        ),
    ]
