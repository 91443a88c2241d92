from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0004_ledgers")]

    operations = [
        migrations.RemoveConstraint(
            model_name="publication", name="loyalty_publication_source_once"
        ),
        # What was refused may be tried again.
        migrations.AddConstraint(
            model_name="publication",
            constraint=models.UniqueConstraint(
                condition=Q(("state", "success")),
                fields=("source_id",),
                name="loyalty_publication_source_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="publication",
            constraint=models.UniqueConstraint(
                condition=Q(("state", "success")),
                fields=("voucher",),
                name="loyalty_publication_code_once",
            ),
        ),
    ]
