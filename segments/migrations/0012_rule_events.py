import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import segments.models
import workspace.exactjson


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0008_event_notes"),
        ("segments", "0011_last_group"),
    ]

    operations = [
        migrations.CreateModel(
            name="RuleEvent",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=30, unique=True, verbose_name="name")),
                (
                    "description",
                    models.TextField(blank=True, default="", verbose_name="description"),
                ),
                (
                    "where",
                    segments.models.CriteriaField(
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                        verbose_name="condition",
                    ),
                ),
                (
                    "payload",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        blank=True,
                        null=True,
                        size=None,
                    ),
                ),
                (
                    "namespace",
                    models.CharField(
                        blank=True, default="", max_length=40, verbose_name="namespace"
                    ),
                ),
                (
                    "identifier",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="profile identifier"
                    ),
                ),
                ("is_enabled", models.BooleanField(default=False, verbose_name="enabled")),
                ("enabled_at", models.DateTimeField(editable=False, null=True)),
                ("unmatched_count", models.BigIntegerField(default=0, editable=False)),
                ("unmatched_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="changed",
                    ),
                ),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "base",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rules_on",
                        to="contacts.eventdefinition",
                        verbose_name="base event",
                    ),
                ),
                (
                    "definition",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rule",
                        to="contacts.eventdefinition",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule-based event",
                "verbose_name_plural": "rule-based events",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("name__regex", "^[A-Za-z0-9_]{1,30}$")),
                        name="segments_ruleevent_name",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("base", models.F("definition")), _negated=True),
                        name="segments_ruleevent_not_of_itself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("identifier", ""), ("namespace", "")),
                            models.Q(
                                models.Q(("namespace", ""), _negated=True),
                                models.Q(("identifier", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="segments_ruleevent_identity",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_enabled", False), ("enabled_at__isnull", False), _connector="OR"
                        ),
                        name="segments_ruleevent_enabled_since",
                    ),
                ],
            },
        ),
    ]
