from decimal import Decimal

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import contacts.models
import segments.models
import workspace.exactjson


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contacts", "0001_initial"),
        ("workspace", "0001_initial"),
        ("workspace", "__first__"),
    ]

    operations = [
        migrations.CreateModel(
            name="MembershipChange",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "segment_id",
                        "at",
                        "contact_id",
                        "kind",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("entered", "entered"), ("left", "left")], max_length=7
                    ),
                ),
                ("cause", models.CharField(max_length=60)),
            ],
            options={
                "db_table": "segments_membershipchange",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Segment",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                (
                    "key",
                    contacts.models.KeyField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}\\Z",
                                "A key is up to 63 letters, digits, _ and -, beginning with a letter or digit.",
                            )
                        ],
                        verbose_name="key",
                    ),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "description",
                    models.TextField(blank=True, default="", verbose_name="description"),
                ),
                (
                    "criteria",
                    segments.models.CriteriaField(
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        default=segments.models.everyone,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                        verbose_name="criteria",
                    ),
                ),
                ("version_number", models.PositiveIntegerField(default=1, editable=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("inactive", "inactive"),
                            ("archived", "archived"),
                        ],
                        default="active",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("criteria", "criteria"),
                            ("csv", "file"),
                            ("imported", "imported"),
                        ],
                        default="criteria",
                        editable=False,
                        max_length=8,
                        verbose_name="source",
                    ),
                ),
                (
                    "members_only",
                    models.BooleanField(
                        default=False,
                        help_text="Only members of the loyalty programme can be in it.",
                        verbose_name="loyalty members only",
                    ),
                ),
                (
                    "refresh_mode",
                    models.CharField(
                        choices=[
                            ("realtime", "as it happens"),
                            ("interval", "every so often"),
                            ("once", "once"),
                        ],
                        default="once",
                        max_length=8,
                        verbose_name="refresh",
                    ),
                ),
                (
                    "refresh_amount",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="every"),
                ),
                (
                    "refresh_unit",
                    models.CharField(
                        blank=True,
                        choices=[("hour", "hours"), ("day", "days")],
                        default="",
                        max_length=4,
                        verbose_name="unit",
                    ),
                ),
                (
                    "readiness_hours",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How long a calculation may be used. Empty: until the next one.",
                        null=True,
                        verbose_name="ready for, in hours",
                    ),
                ),
                (
                    "member_count",
                    models.BigIntegerField(default=0, editable=False, verbose_name="members"),
                ),
                (
                    "calculated_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="last refresh"),
                ),
                ("refresh_requested_at", models.DateTimeField(editable=False, null=True)),
                ("failure", models.TextField(blank=True, default="", editable=False)),
                ("failed_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created",
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        related_name="segments",
                        to="auth.group",
                        verbose_name="user groups",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
                "ordering": ["name", "id"],
                "permissions": [
                    ("refresh_segment", "Can refresh segments"),
                    ("inactivate_segment", "Can activate and inactivate segments"),
                    ("archive_segment", "Can archive segments"),
                    ("export_segment", "Can export members of segments"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Calculation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("version_number", models.PositiveIntegerField()),
                ("member_count", models.BigIntegerField()),
                ("entered_count", models.BigIntegerField()),
                ("left_count", models.BigIntegerField()),
                (
                    "milliseconds",
                    models.DecimalField(decimal_places=3, default=Decimal(0), max_digits=14),
                ),
                ("cause", models.CharField(max_length=60)),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="calculations",
                        to="segments.segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "calculation",
                "verbose_name_plural": "calculations",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("filters", models.JSONField(blank=True, default=dict)),
                (
                    "columns",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=120), size=None
                    ),
                ),
                (
                    "format",
                    models.CharField(
                        choices=[("csv", "CSV"), ("xlsx", "XLSX"), ("jsonl", "JSON lines")],
                        default="csv",
                        max_length=5,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("ready", "ready"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("expired", "expired"),
                        ],
                        default="queued",
                        max_length=9,
                    ),
                ),
                ("rows", models.BigIntegerField(null=True)),
                ("size", models.BigIntegerField(null=True)),
                ("file_name", models.CharField(blank=True, default="", max_length=200)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "api_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="workspace.apiuser",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="workspace.job"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exports",
                        to="segments.segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "export",
                "verbose_name_plural": "exports",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "segment_id",
                        "contact_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("entered_at", models.DateTimeField()),
                (
                    "contact",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.contact",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="segments.segment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SegmentVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "criteria",
                    segments.models.CriteriaField(
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                    ),
                ),
                ("author", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="segments.segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "version of a segment",
                "verbose_name_plural": "versions of segments",
                "ordering": ["-number"],
            },
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refresh_mode", "interval"), _negated=True),
                    models.Q(("refresh_amount__gte", 1), ("refresh_unit__in", ["hour", "day"])),
                    _connector="OR",
                ),
                name="segments_segment_interval_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("readiness_hours__isnull", True), ("readiness_hours__gte", 1), _connector="OR"
                ),
                name="segments_segment_readiness_is_positive",
            ),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(
                fields=["contact", "segment"], name="segments_membership_by_contact"
            ),
        ),
        migrations.AddIndex(
            model_name="calculation",
            index=models.Index(fields=["segment", "-at"], name="segments_calculation_history"),
        ),
        migrations.AddConstraint(
            model_name="segmentversion",
            constraint=models.UniqueConstraint(
                fields=("segment", "number"), name="segments_segmentversion_number_once"
            ),
        ),
    ]
