import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0012_metrics_as_data"),
        ("integrations", "0015_uploads"),
        ("segments", "0015_imported_segments"),
    ]

    operations = [
        migrations.CreateModel(
            name="Audience",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=128, verbose_name="name of the list")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("paused", "paused"),
                            ("ending", "its list is being deleted"),
                        ],
                        default="active",
                        max_length=6,
                        verbose_name="state",
                    ),
                ),
                (
                    "list_id",
                    models.CharField(blank=True, default="", editable=False, max_length=100),
                ),
                (
                    "list_name",
                    models.CharField(blank=True, default="", editable=False, max_length=128),
                ),
                ("created_at", models.DateTimeField(verbose_name="since")),
                (
                    "last_sync_at",
                    models.DateTimeField(
                        editable=False, null=True, verbose_name="last synchronized"
                    ),
                ),
                ("lost_at", models.DateTimeField(editable=False, null=True)),
                (
                    "there_count",
                    models.BigIntegerField(default=0, editable=False, verbose_name="on the list"),
                ),
                ("nameless_count", models.BigIntegerField(default=0, editable=False)),
                ("held_back_count", models.BigIntegerField(default=0, editable=False)),
                ("refused_count", models.BigIntegerField(default=0, editable=False)),
                ("error", models.CharField(blank=True, default="", editable=False, max_length=500)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audiences",
                        to="integrations.vendorconnection",
                        verbose_name="external authorization",
                    ),
                ),
                (
                    "consent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="contacts.consentdefinition",
                        verbose_name="only with the consent",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="audiences",
                        to="segments.segment",
                    ),
                ),
            ],
            options={
                "verbose_name": "audience",
                "verbose_name_plural": "audiences",
                "ordering": ["name", "id"],
            },
        ),
        migrations.CreateModel(
            name="AudienceMember",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "audience_id",
                        "address",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("address", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "to be added"),
                            ("adding", "being added"),
                            ("there", "on the list"),
                            ("refused", "refused"),
                            ("leaving", "to be taken off"),
                        ],
                        default="due",
                        max_length=7,
                    ),
                ),
                ("may_be_there", models.BooleanField(default=False)),
                ("remote_id", models.BigIntegerField(null=True)),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=60)),
                ("at", models.DateTimeField(null=True)),
                (
                    "audience",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="segments.audience",
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
            ],
            options={
                "verbose_name": "member of an audience",
                "verbose_name_plural": "members of audiences",
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.UniqueConstraint(
                fields=("segment", "connection"), name="segments_audience_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.UniqueConstraint(
                condition=models.Q(("list_id", ""), _negated=True),
                fields=("connection", "list_id"),
                name="segments_audience_list_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="segments_audience_is_named"
            ),
        ),
        migrations.AddConstraint(
            model_name="audience",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("list_id", ""), models.Q(("list_name", ""), _negated=True), _connector="OR"
                ),
                name="segments_audience_list_is_named",
            ),
        ),
        migrations.AddIndex(
            model_name="audiencemember",
            index=models.Index(
                fields=["audience", "state", "contact"], name="segments_audiencemember_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="audiencemember",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["there", "leaving"]), _negated=True),
                    ("may_be_there", True),
                    _connector="OR",
                ),
                name="segments_audiencemember_is_there",
            ),
        ),
    ]
