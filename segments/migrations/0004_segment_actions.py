import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0003_leave_keys_to_contacts_unchecked"),
        ("segments", "0003_criteria_functions"),
        ("workspace", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="segment",
            options={
                "ordering": ["name", "id"],
                "permissions": [
                    ("refresh_segment", "Can refresh segments"),
                    ("inactivate_segment", "Can activate and inactivate segments"),
                    ("archive_segment", "Can archive segments"),
                    ("export_segment", "Can export members of segments"),
                    ("run_actions_segment", "Can run actions on segments"),
                ],
                "verbose_name": "segment",
                "verbose_name_plural": "segments",
            },
        ),
        migrations.CreateModel(
            name="SegmentAction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("add_tag", "add tag"),
                            ("remove_tag", "remove tag"),
                            ("add_category", "add category"),
                            ("remove_category", "remove category"),
                            ("add_consent", "add consent"),
                            ("remove_consent", "remove consent"),
                            ("export", "export"),
                        ],
                        max_length=15,
                        verbose_name="action",
                    ),
                ),
                (
                    "key",
                    models.CharField(blank=True, default="", max_length=63, verbose_name="key"),
                ),
                (
                    "timing",
                    models.CharField(
                        choices=[
                            ("now", "at once"),
                            ("at", "at a time"),
                            ("after_refresh", "after each refresh"),
                        ],
                        default="now",
                        max_length=13,
                        verbose_name="when",
                    ),
                ),
                (
                    "planned_for",
                    models.DateTimeField(blank=True, null=True, verbose_name="planned for"),
                ),
                ("parameters", models.JSONField(blank=True, default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "planned"),
                            ("running", "running"),
                            ("done", "done"),
                            ("refused", "refused"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                        ],
                        default="planned",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("reason", models.TextField(blank=True, default="", verbose_name="reason")),
                (
                    "author",
                    models.CharField(
                        blank=True, default="", max_length=200, verbose_name="planned by"
                    ),
                ),
                (
                    "author_kind",
                    models.CharField(
                        choices=[("user", "staff"), ("api", "API user"), ("system", "system")],
                        max_length=6,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="planned"
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "api_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="workspace.apiuser",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="actions",
                        to="segments.segment",
                    ),
                ),
                (
                    "served_calculation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="segments.calculation",
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
            ],
            options={
                "verbose_name": "action",
                "verbose_name_plural": "actions",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SegmentActionRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("done", "done"),
                            ("refused", "refused"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                        ],
                        default="running",
                        max_length=9,
                    ),
                ),
                ("message", models.TextField(blank=True, default="")),
                ("member_count", models.BigIntegerField(null=True)),
                ("changed_count", models.BigIntegerField(null=True)),
                ("unchanged_count", models.BigIntegerField(null=True)),
                ("skipped", models.JSONField(blank=True, default=dict)),
                ("finished_at", models.DateTimeField(null=True)),
                ("changes_kept", models.BooleanField(default=False)),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_count", models.BigIntegerField(null=True)),
                (
                    "action",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="segments.segmentaction",
                    ),
                ),
                (
                    "calculation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="segments.calculation",
                    ),
                ),
                (
                    "export",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="segments.export",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="workspace.job",
                    ),
                ),
                (
                    "undo_job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="workspace.job",
                    ),
                ),
            ],
            options={
                "verbose_name": "run of an action",
                "verbose_name_plural": "runs of actions",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SegmentActionChange",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "run_id",
                        "contact_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("had_since", models.DateTimeField(null=True)),
                (
                    "contact",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="contacts.contact",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="segments.segmentactionrun",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="segmentaction",
            index=models.Index(
                condition=models.Q(("state", "planned")),
                fields=["timing", "planned_for"],
                name="segments_segmentaction_planned",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("key", ""), ("kind", "export")),
                    models.Q(
                        models.Q(("kind", "export"), _negated=True),
                        models.Q(("key", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="segments_segmentaction_key_where_needed",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("planned_for__isnull", False), ("timing", "at")),
                    models.Q(
                        models.Q(("timing", "at"), _negated=True), ("planned_for__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="segments_segmentaction_time_where_needed",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("state__in", ["planned", "running"])),
                    models.Q(
                        models.Q(("state__in", ["planned", "running"]), _negated=True),
                        ("finished_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="segments_segmentaction_state_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reason", ""), ("state__in", ["refused", "failed"]), _negated=True
                ),
                name="segments_segmentaction_no_without_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentactionrun",
            constraint=models.UniqueConstraint(
                fields=("action", "calculation"),
                name="segments_segmentactionrun_once_per_calculation",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentactionrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")),
                fields=("action",),
                name="segments_segmentactionrun_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentactionrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True),
                    models.Q(
                        ("changed_count__isnull", False),
                        ("finished_at__isnull", False),
                        ("member_count__isnull", False),
                        ("unchanged_count__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="segments_segmentactionrun_done_is_counted",
            ),
        ),
        migrations.AddConstraint(
            model_name="segmentactionrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("undone_at__isnull", True), ("undone_count__isnull", True)),
                    models.Q(
                        ("state", "done"),
                        ("undone_at__isnull", False),
                        ("undone_count__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="segments_segmentactionrun_undone_is_counted",
            ),
        ),
    ]
