import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0012_metrics_as_data"),
        ("integrations", "0014_circuit_breakers"),
        ("workspace", "0006_websites"),
    ]

    operations = [
        migrations.CreateModel(
            name="UploadChunk",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("submitting", "being sent"),
                            ("submitted", "being imported"),
                            ("done", "imported"),
                            ("failed", "failed"),
                            ("lost", "answer lost: sent again"),
                        ],
                        default="submitting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("import_id", models.CharField(blank=True, default="", max_length=100)),
                ("record_count", models.IntegerField(default=0, verbose_name="records")),
                ("byte_count", models.BigIntegerField(default=0, verbose_name="bytes")),
                ("refused_count", models.IntegerField(default=0, verbose_name="refused")),
                ("began_at", models.DateTimeField(verbose_name="sent")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="done")),
                (
                    "connection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="upload_chunks",
                        to="integrations.vendorconnection",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workspace.website",
                    ),
                ),
            ],
            options={
                "verbose_name": "upload of metrics",
                "verbose_name_plural": "uploads of metrics",
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UploadedRecord",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "connection_id",
                        "website_id",
                        "key",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "to be sent"),
                            ("sending", "being imported"),
                            ("sent", "there"),
                            ("refused", "refused"),
                            ("leaving", "to be deleted there"),
                        ],
                        default="due",
                        max_length=7,
                        verbose_name="state",
                    ),
                ),
                ("digest", models.UUIDField(null=True)),
                ("wanted", models.UUIDField(null=True)),
                (
                    "reason",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=60, verbose_name="reason"
                    ),
                ),
                ("at", models.DateTimeField(null=True, verbose_name="last told")),
                (
                    "chunk",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="integrations.uploadchunk",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uploaded_records",
                        to="integrations.vendorconnection",
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="contacts.contact",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="workspace.website",
                    ),
                ),
            ],
            options={
                "verbose_name": "uploaded record",
                "verbose_name_plural": "uploaded records",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UploadPlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=330)),
                ("full_at", models.DateTimeField(null=True)),
                ("deleted_count", models.BigIntegerField(default=0)),
                ("job", models.CharField(blank=True, default="", max_length=100)),
                (
                    "connection",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="upload_places",
                        to="integrations.vendorconnection",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workspace.website",
                    ),
                ),
            ],
            options={
                "verbose_name": "place of uploaded metrics",
                "verbose_name_plural": "places of uploaded metrics",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="uploadchunk",
            index=models.Index(
                fields=["connection", "website", "-id"], name="integrations_uploadchunk_of"
            ),
        ),
        migrations.AddIndex(
            model_name="uploadchunk",
            index=models.Index(fields=["finished_at"], name="integrations_uploadchunk_age"),
        ),
        migrations.AddConstraint(
            model_name="uploadchunk",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("finished_at__isnull", True), ("state__in", ["submitting", "submitted"])
                    ),
                    models.Q(
                        models.Q(("state__in", ["submitting", "submitted"]), _negated=True),
                        ("finished_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="integrations_uploadchunk_is_over_or_not",
            ),
        ),
        migrations.AddConstraint(
            model_name="uploadchunk",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["submitting", "lost"]),
                    models.Q(("import_id", ""), _negated=True),
                    _connector="OR",
                ),
                name="integrations_uploadchunk_is_named",
            ),
        ),
        migrations.AddIndex(
            model_name="uploadedrecord",
            index=models.Index(
                condition=models.Q(("state", "sent"), _negated=True),
                fields=["connection", "website", "state", "contact"],
                name="integrations_uploaded_open",
            ),
        ),
        migrations.AddIndex(
            model_name="uploadedrecord",
            index=models.Index(
                condition=models.Q(("chunk__isnull", False)),
                fields=["chunk"],
                name="integrations_uploaded_in_chunk",
            ),
        ),
        migrations.AddConstraint(
            model_name="uploadedrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("chunk__isnull", False), ("state", "sending")),
                    models.Q(
                        models.Q(("state", "sending"), _negated=True), ("chunk__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="integrations_uploadedrecord_is_sent_in",
            ),
        ),
        migrations.AddConstraint(
            model_name="uploadedrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["sent", "leaving"]), _negated=True),
                    ("digest__isnull", False),
                    _connector="OR",
                ),
                name="integrations_uploadedrecord_is_there",
            ),
        ),
        migrations.AddConstraint(
            model_name="uploadplace",
            constraint=models.UniqueConstraint(
                fields=("connection", "website"), name="integrations_uploadplace_once"
            ),
        ),
    ]
