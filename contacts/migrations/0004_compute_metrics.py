import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0003_leave_keys_to_contacts_unchecked"),
    ]

    operations = [
        migrations.CreateModel(
            name="ComputedMetric",
            fields=[
                (
                    "metric",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="computed",
                        serialize=False,
                        to="contacts.metricdefinition",
                    ),
                ),
                (
                    "computation",
                    models.CharField(
                        choices=[
                            ("order_count_30d", "orders in 30 days"),
                            ("lifetime_value", "lifetime value"),
                            ("lifetime_value_percentile", "rank of the lifetime value"),
                        ],
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("as_of", models.DateTimeField(null=True)),
                ("computed_at", models.DateTimeField(null=True)),
                ("value_count", models.BigIntegerField(default=0)),
                ("changed_count", models.BigIntegerField(default=0)),
                ("milliseconds", models.IntegerField(default=0)),
                ("distribution", models.JSONField(default=list)),
            ],
            options={
                "verbose_name": "computed metric",
                "verbose_name_plural": "computed metrics",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("as_of__isnull", True), ("computed_at__isnull", True)),
                            models.Q(("as_of__isnull", False), ("computed_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="contacts_computedmetric_as_of_something",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderEvent",
            fields=[
                (
                    "id",
                    models.SmallIntegerField(
                        default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("event_name", models.TextField(verbose_name="event")),
                ("amount_property", models.TextField(verbose_name="property with the amount")),
                (
                    "chosen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "verbose_name": "order event",
                "verbose_name_plural": "order events",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="contacts_orderevent_only_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("event_name", ""), _negated=True),
                            models.Q(("amount_property", ""), _negated=True),
                        ),
                        name="contacts_orderevent_is_named",
                    ),
                ],
            },
        ),
    ]
