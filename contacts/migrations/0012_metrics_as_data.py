import django.db.models.deletion
from django.db import migrations, models

import workspace.exactjson

# What was a recipe becomes a formula, and everything gets the name that uploads give it.
FORMULAS = """
UPDATE contacts_computedmetric SET upload_name = CASE computation
  WHEN 'order_count_30d' THEN 'ss_ordercountlast30days'
  WHEN 'lifetime_value' THEN 'ss_lifetimepurchasevalue'
  WHEN 'lifetime_value_percentile' THEN 'ss_lifetimepurchasevaluepercentile'
  WHEN 'average_order_value' THEN 'ss_averageordervalue'
  ELSE 'ss_' || replace(computation, '_', '') END;
-- A rank of what somebody else computes was never filled: it is theirs to fill from now on.
DELETE FROM contacts_computedmetric WHERE computation = 'lifetime_value_percentile'
  AND NOT EXISTS (SELECT FROM contacts_computedmetric WHERE computation = 'lifetime_value');
UPDATE contacts_computedmetric c SET function = f.function, window_days = f.days, computation = '',
  ranked_id = CASE f.function WHEN 'percentile' THEN (
    SELECT r.metric_id FROM contacts_computedmetric r
    WHERE r.upload_name = 'ss_lifetimepurchasevalue') END
FROM (VALUES
  ('order_count_30d', 'count', 30), ('lifetime_value', 'sum', NULL),
  ('lifetime_value_percentile', 'percentile', NULL), ('average_order_value', 'average', NULL)
) AS f (computation, function, days)
WHERE c.computation = f.computation;
SET CONSTRAINTS ALL IMMEDIATE;
"""
RECIPES = """
-- With all that was computed by them: they would be taken for metrics that others write.
WITH gone AS (
  DELETE FROM contacts_computedmetric WHERE function <> '' AND upload_name NOT IN (
    'ss_ordercountlast30days', 'ss_lifetimepurchasevalue', 'ss_lifetimepurchasevaluepercentile',
    'ss_averageordervalue')
  RETURNING metric_id),
emptied AS (DELETE FROM contacts_metricvalue v USING gone WHERE v.metric_id = gone.metric_id)
DELETE FROM contacts_metricdefinition d USING gone WHERE d.id = gone.metric_id;
UPDATE contacts_computedmetric SET ranked_id = NULL, computation = CASE upload_name
  WHEN 'ss_ordercountlast30days' THEN 'order_count_30d'
  WHEN 'ss_lifetimepurchasevalue' THEN 'lifetime_value'
  WHEN 'ss_lifetimepurchasevaluepercentile' THEN 'lifetime_value_percentile'
  WHEN 'ss_averageordervalue' THEN 'average_order_value' END
WHERE function <> '';
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0011_name_computations_freely"),
        ("workspace", "0006_websites"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebsiteMetrics",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "website_id",
                        "contact_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="metrics",
                        to="workspace.website",
                    ),
                ),
                (
                    "contact",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="website_metrics",
                        to="contacts.contact",
                    ),
                ),
                (
                    "values",
                    models.JSONField(
                        decoder=workspace.exactjson.ExactJSONDecoder,
                        default=dict,
                        encoder=workspace.exactjson.ExactJSONEncoder,
                    ),
                ),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "metrics of a website",
                "verbose_name_plural": "metrics of websites",
                "default_permissions": (),
            },
        ),
        migrations.RemoveConstraint(
            model_name="orderevent",
            name="contacts_orderevent_is_named",
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="event_name",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="event"),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="filter_property",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="only where the property"
            ),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="filter_value",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="is"),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="function",
            field=models.CharField(
                blank=True,
                choices=[
                    ("count", "number of events"),
                    ("sum", "sum"),
                    ("average", "average"),
                    ("minimum", "smallest value"),
                    ("maximum", "greatest value"),
                    ("first_date", "date of the first event"),
                    ("last_date", "date of the last event"),
                    ("days_since", "days since the last event"),
                    ("most_frequent", "most frequent value"),
                    ("share", "share of events in per cent"),
                    ("percentile", "rank of another metric in per cent"),
                ],
                db_default="",
                default="",
                max_length=13,
                verbose_name="function",
            ),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="other_event_name",
            field=models.TextField(
                blank=True, db_default="", default="", verbose_name="event that is counted"
            ),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="ranked",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                related_name="ranks",
                to="contacts.metricdefinition",
            ),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="upload_name",
            # What those have that are there already, comes below.
            field=models.CharField(max_length=100, null=True, verbose_name="name in uploads"),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="value_property",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="property"),
        ),
        migrations.AddField(
            model_name="computedmetric",
            name="window_days",
            field=models.IntegerField(blank=True, null=True, verbose_name="days"),
        ),
        migrations.AddField(
            model_name="orderevent",
            name="category_property",
            field=models.TextField(
                db_default="products.category, category",
                default="products.category, category",
                verbose_name="property with the category",
            ),
        ),
        migrations.AddField(
            model_name="orderevent",
            name="website_property",
            field=models.TextField(
                db_default="website", default="website", verbose_name="property with the website"
            ),
        ),
        migrations.AlterField(
            model_name="computedmetric",
            name="computation",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.RunSQL(FORMULAS, RECIPES),
        migrations.AlterField(
            model_name="computedmetric",
            name="upload_name",
            field=models.CharField(max_length=100, unique=True, verbose_name="name in uploads"),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.UniqueConstraint(
                condition=models.Q(("computation", ""), _negated=True),
                fields=("computation",),
                name="contacts_computedmetric_one_for_each_recipe",
            ),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("computation", ""), models.Q(("function", ""), _negated=True)),
                    models.Q(models.Q(("computation", ""), _negated=True), ("function", "")),
                    _connector="OR",
                ),
                name="contacts_computedmetric_recipe_or_formula",
            ),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("window_days__isnull", True), ("window_days__gte", 1), _connector="OR"
                ),
                name="contacts_computedmetric_window_of_days",
            ),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("filter_property", ""), ("filter_value", "")),
                    models.Q(
                        models.Q(("filter_property", ""), _negated=True),
                        models.Q(("filter_value", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="contacts_computedmetric_filter_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("function", "percentile"), ("ranked__isnull", False)),
                    models.Q(
                        models.Q(("function", "percentile"), _negated=True),
                        ("ranked__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="contacts_computedmetric_ranks_a_metric",
            ),
        ),
        migrations.AddConstraint(
            model_name="computedmetric",
            constraint=models.CheckConstraint(
                condition=models.Q(("upload_name", ""), _negated=True),
                name="contacts_computedmetric_is_uploaded_as",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("event_name", ""), _negated=True),
                    models.Q(("amount_property", ""), _negated=True),
                    models.Q(("category_property", ""), _negated=True),
                    models.Q(("website_property", ""), _negated=True),
                ),
                name="contacts_orderevent_is_named",
            ),
        ),
    ]
