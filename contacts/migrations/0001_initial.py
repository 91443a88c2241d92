import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import contacts.models
import workspace.exactjson


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ConsentEntry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("id", models.BigIntegerField(editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("granted", "granted"), ("withdrawn", "withdrawn")], max_length=9
                    ),
                ),
                ("at", models.DateTimeField()),
                ("source", models.CharField(max_length=60)),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("actor", models.CharField(blank=True, db_default="", default="", max_length=200)),
            ],
            options={
                "db_table": "contacts_consententry",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "message_id",
                        "occurred_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("occurred_at", models.DateTimeField()),
                ("message_id", models.CharField(max_length=100)),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "amount",
                    models.DecimalField(decimal_places=8, editable=False, max_digits=30, null=True),
                ),
                ("url_id", models.IntegerField(null=True)),
                (
                    "properties",
                    models.JSONField(
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        default=dict,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "db_table": "contacts_event",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="LeadScoreChange",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("id", models.BigIntegerField(editable=False)),
                ("score", models.DecimalField(decimal_places=4, max_digits=14)),
                ("at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=300)),
                ("actor", models.CharField(blank=True, db_default="", default="", max_length=200)),
            ],
            options={
                "db_table": "contacts_leadscorechange",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="AttributeDefinition",
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
                ("label", models.CharField(max_length=120, verbose_name="label")),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("text", "text"),
                            ("number", "number"),
                            ("boolean", "yes or no"),
                            ("date", "date"),
                            ("datetime", "date and time"),
                            ("list", "list of choices"),
                        ],
                        default="text",
                        max_length=8,
                        verbose_name="type",
                    ),
                ),
                (
                    "choices",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The values allowed, as a list of texts. Empty: any value.",
                        verbose_name="choices",
                    ),
                ),
                (
                    "description",
                    models.TextField(blank=True, default="", verbose_name="description"),
                ),
                ("is_indexed", models.BooleanField(default=False, editable=False)),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name": "custom attribute",
                "verbose_name_plural": "custom attributes",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="Category",
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
                ("label", models.CharField(max_length=120, verbose_name="label")),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name": "category",
                "verbose_name_plural": "categories",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="ConsentDefinition",
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
                ("label", models.CharField(max_length=120, verbose_name="label")),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "description",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="The words shown to the person.",
                        verbose_name="description",
                    ),
                ),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "email",
                    models.TextField(blank=True, db_default="", default="", verbose_name="e-mail"),
                ),
                (
                    "phone",
                    models.TextField(blank=True, db_default="", default="", verbose_name="phone"),
                ),
                (
                    "first_name",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="first name"
                    ),
                ),
                (
                    "last_name",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="last name"
                    ),
                ),
                (
                    "gender",
                    models.TextField(blank=True, db_default="", default="", verbose_name="gender"),
                ),
                (
                    "country",
                    models.TextField(blank=True, db_default="", default="", verbose_name="country"),
                ),
                (
                    "city",
                    models.TextField(blank=True, db_default="", default="", verbose_name="city"),
                ),
                (
                    "postal_code",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="postal code"
                    ),
                ),
                (
                    "language",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="language"
                    ),
                ),
                (
                    "time_zone",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="time zone"
                    ),
                ),
                ("birth_date", models.DateField(blank=True, null=True, verbose_name="birth date")),
                (
                    "lead_score",
                    models.DecimalField(
                        db_default=0,
                        decimal_places=4,
                        default=0,
                        max_digits=14,
                        verbose_name="lead score",
                    ),
                ),
                (
                    "attributes",
                    models.JSONField(
                        blank=True,
                        db_default={},
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        default=dict,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="created"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="updated"
                    ),
                ),
                ("erased_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("is_demo", models.BooleanField(db_default=False, default=False, editable=False)),
            ],
            options={
                "verbose_name": "contact",
                "verbose_name_plural": "contacts",
            },
        ),
        migrations.CreateModel(
            name="ContactCategory",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "category_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "added_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "category",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.category",
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.contact",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
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
                ("label", models.CharField(max_length=120, verbose_name="label")),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name": "tag",
                "verbose_name_plural": "tags",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="ContactTag",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "tag_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "added_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.contact",
                    ),
                ),
                (
                    "tag",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.tag",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="EventDefinition",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("name", models.TextField(unique=True, verbose_name="name")),
                (
                    "label",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=120, verbose_name="label"
                    ),
                ),
                (
                    "description",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="description"
                    ),
                ),
                ("schema", models.JSONField(blank=True, db_default={}, default=dict)),
                ("is_demo", models.BooleanField(db_default=False, default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name": "event definition",
                "verbose_name_plural": "event definitions",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="EventStatistic",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "definition_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("event_count", models.IntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
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
                    "definition",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.eventdefinition",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "namespace",
                        "value",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("namespace", models.CharField(max_length=40)),
                ("value", models.CharField(max_length=320)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to="contacts.contact",
                    ),
                ),
            ],
            options={
                "verbose_name": "identity",
                "verbose_name_plural": "identities",
            },
        ),
        migrations.CreateModel(
            name="MetricDefinition",
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
                ("label", models.CharField(max_length=120, verbose_name="label")),
                (
                    "type",
                    models.CharField(
                        choices=[("number", "number"), ("date", "date"), ("text", "text")],
                        default="number",
                        max_length=8,
                        verbose_name="type",
                    ),
                ),
                (
                    "description",
                    models.TextField(blank=True, default="", verbose_name="description"),
                ),
                ("is_demo", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name": "metric",
                "verbose_name_plural": "metrics",
                "ordering": ["key"],
            },
        ),
        migrations.CreateModel(
            name="MetricValue",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "metric_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.DecimalField(decimal_places=8, max_digits=30, null=True)),
                ("date", models.DateField(null=True)),
                ("text", models.TextField(db_default="", default="")),
                (
                    "computed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
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
                    "metric",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.metricdefinition",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SeenMessage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source_id",
                        "message_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("source_id", models.IntegerField()),
                ("message_id", models.CharField(max_length=100)),
                (
                    "seen_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Url",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("url", models.TextField(unique=True)),
            ],
            options={
                "db_table": "contacts_url",
            },
        ),
        migrations.CreateModel(
            name="ConsentState",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "definition_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("granted", "granted"), ("withdrawn", "withdrawn")], max_length=9
                    ),
                ),
                ("since", models.DateTimeField()),
                ("entry_id", models.BigIntegerField()),
                (
                    "definition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="contacts.consentdefinition",
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contacts.contact",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LastSeen",
            fields=[
                (
                    "contact",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="contacts.contact",
                    ),
                ),
                ("last_seen_at", models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                fields=["city", "birth_date"],
                include=("id", "erased_at"),
                name="contacts_contact_city_birth",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                fields=["city", "lead_score"],
                include=("id", "erased_at"),
                name="contacts_contact_city_score",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(fields=["lead_score"], name="contacts_contact_lead_score"),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(fields=["created_at", "id"], name="contacts_contact_created"),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(models.F("email"), name="text_pattern_ops"),
                name="contacts_contact_email",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    models.F("last_name"), name="text_pattern_ops"
                ),
                name="contacts_contact_last_name",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("is_demo", True)), fields=["id"], name="contacts_contact_demo"
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("erased_at__isnull", False)),
                fields=["id"],
                name="contacts_contact_erased",
            ),
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("erased_at__isnull", True),
                    models.Q(
                        ("attributes", {}),
                        ("email", ""),
                        ("first_name", ""),
                        ("last_name", ""),
                        ("phone", ""),
                    ),
                    _connector="OR",
                ),
                name="contacts_contact_erased_is_empty",
            ),
        ),
        migrations.AddIndex(
            model_name="seenmessage",
            index=models.Index(fields=["seen_at"], name="contacts_seenmessage_age"),
        ),
        migrations.AddIndex(
            model_name="lastseen",
            index=models.Index(fields=["last_seen_at"], name="contacts_lastseen_at"),
        ),
        migrations.AddIndex(
            model_name="consentstate",
            index=models.Index(
                fields=["definition", "state", "contact"], name="contacts_consentstate_by_state"
            ),
        ),
        migrations.AddIndex(
            model_name="contactcategory",
            index=models.Index(
                fields=["category", "contact"], name="contacts_contactcategory_back"
            ),
        ),
        migrations.AddIndex(
            model_name="eventstatistic",
            index=models.Index(
                fields=["definition", "last_at"],
                include=("contact", "event_count", "first_at"),
                name="contacts_eventstatistic_last",
            ),
        ),
        migrations.AddConstraint(
            model_name="identity",
            constraint=models.CheckConstraint(
                condition=models.Q(("value", ""), _negated=True),
                name="contacts_identity_has_a_value",
            ),
        ),
        migrations.AddIndex(
            model_name="metricvalue",
            index=models.Index(
                fields=["metric", "number"],
                include=("contact",),
                name="contacts_metricvalue_number",
            ),
        ),
        migrations.AddIndex(
            model_name="metricvalue",
            index=models.Index(
                fields=["metric", "date"], include=("contact",), name="contacts_metricvalue_date"
            ),
        ),
        migrations.AddIndex(
            model_name="contacttag",
            index=models.Index(fields=["tag", "contact"], name="contacts_contacttag_back"),
        ),
    ]
