import django.db.models.deletion
from django.db import migrations, models

ENFORCEMENTS = [
    ("accept", "accepted"),
    ("mark", "accepted and marked"),
    ("refuse", "refused"),
]
TYPES = [
    ("text", "text"),
    ("number", "number"),
    ("boolean", "yes or no"),
    ("date", "date"),
    ("datetime", "date and time"),
    ("url", "web address"),
    ("list", "list"),
    ("object", "object"),
    ("any", "anything"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0006_touches"),
    ]

    operations = [
        migrations.AddField(
            model_name="eventdefinition",
            name="enforcement",
            field=models.CharField(
                choices=ENFORCEMENTS,
                db_default="accept",
                default="accept",
                max_length=6,
                verbose_name="events that break the schema are",
            ),
        ),
        migrations.AddConstraint(
            model_name="eventdefinition",
            constraint=models.CheckConstraint(
                condition=models.Q(("enforcement__in", [key for key, _label in ENFORCEMENTS])),
                name="contacts_eventdefinition_enforcement",
            ),
        ),
        migrations.CreateModel(
            name="EventBreach",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "definition_id",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="breaches",
                        to="contacts.eventdefinition",
                    ),
                ),
                ("day", models.DateField()),
                ("marked_count", models.BigIntegerField(default=0)),
                ("refused_count", models.BigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                ("last_problems", models.JSONField(default=list)),
            ],
            options={
                "verbose_name": "breach of a schema",
                "verbose_name_plural": "breaches of schemas",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="EventProperty",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100, verbose_name="property")),
                ("type", models.CharField(choices=TYPES, max_length=8, verbose_name="type")),
                (
                    "is_required",
                    models.BooleanField(db_default=False, default=False, verbose_name="required"),
                ),
                (
                    "description",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=300,
                        verbose_name="description",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="properties",
                        to="contacts.eventdefinition",
                    ),
                ),
            ],
            options={
                "verbose_name": "property of an event",
                "verbose_name_plural": "properties of events",
                "ordering": ["name"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("definition", "name"), name="contacts_eventproperty_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True),
                        name="contacts_eventproperty_is_named",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("type__in", [key for key, _label in TYPES])),
                        name="contacts_eventproperty_type",
                    ),
                ],
            },
        ),
    ]
