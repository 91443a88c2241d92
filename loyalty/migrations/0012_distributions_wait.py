import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0010_followed_events"),
        ("loyalty", "0011_find_postings"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="distributiontask",
            name="loyalty_distributiontask_due",
        ),
        migrations.AddField(
            model_name="distribution",
            name="waiting_reason",
            field=models.CharField(blank=True, default="", editable=False, max_length=500),
        ),
        migrations.AddField(
            model_name="distribution",
            name="waits_in_a_row",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="distribution",
            name="waits_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="distributiontask",
            name="contact",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="contacts.contact",
            ),
        ),
        migrations.AddIndex(
            model_name="distributiontask",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["distribution", "due_at", "id"],
                name="loyalty_distributiontask_due",
            ),
        ),
        migrations.AddIndex(
            model_name="distributiontask",
            index=models.Index(fields=["contact"], name="loyalty_distributiontask_of"),
        ),
        migrations.AddIndex(
            model_name="distributiontask",
            index=models.Index(
                fields=["distribution", "state", "finished_at"],
                name="loyalty_distributiontask_count",
            ),
        ),
    ]
