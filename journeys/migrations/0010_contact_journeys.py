import django.db.models.deletion
from django.db import migrations, models

# How contacts stand to the journeys that they were on before; what is kept from now on.
FILL = """
INSERT INTO journeys_contactjourney
  (contact_id, journey_id, is_inside, entered_at, finished_at, goal_at)
SELECT p.contact_id, p.journey_id, bool_or(p.finished_at IS NULL), max(p.entered_at),
  max(p.finished_at) FILTER (WHERE p.outcome = 'ended'), min(p.goal_at)
FROM journeys_participant p JOIN contacts_contact c ON c.id = p.contact_id AND c.erased_at IS NULL
WHERE p.lane = 0 GROUP BY p.contact_id, p.journey_id ORDER BY p.contact_id, p.journey_id
"""
# After it was filled: nobody asked about it yet.
NOTE = "SELECT contacts_note_touches_of('journeys_contactjourney', 'journey', 'journey_id')"
DROP = "".join(
    f"DROP TRIGGER contacts_note_{verb} ON journeys_contactjourney;"
    for verb in ("inserted", "updated", "deleted")
)


class Migration(migrations.Migration):
    dependencies = [
        ("journeys", "0009_rehearsals_keep_the_draft"),
        ("contacts", "0006_touches"),
    ]

    operations = [
        migrations.CreateModel(
            name="ContactJourney",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id",
                        "journey_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("is_inside", models.BooleanField()),
                ("entered_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("goal_at", models.DateTimeField(null=True)),
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
                    "journey",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="standings",
                        to="journeys.journey",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact of a journey",
                "verbose_name_plural": "contacts of journeys",
                "ordering": ["contact", "journey"],
                "indexes": [
                    models.Index(fields=["journey", "contact"], name="journeys_contactjourney_of")
                ],
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(NOTE, DROP),
        # A row is written again when a passage ends: room on the same page.
        migrations.RunSQL(
            "ALTER TABLE journeys_contactjourney SET (fillfactor = 70)",
            "ALTER TABLE journeys_contactjourney RESET (fillfactor)",
        ),
        migrations.AddIndex(
            model_name="participant",
            index=models.Index(
                fields=["version", "place", "-id"],
                name="journeys_participant_failed",
                condition=models.Q(state="failed"),
            ),
        ),
        migrations.AlterField(
            model_name="transition",
            name="cause",
            field=models.CharField(
                choices=[
                    ("entered", "entered"),
                    ("passed", "went on"),
                    ("event", "something happened"),
                    ("timeout", "time was over"),
                    ("result", "it was sent, or could not be"),
                    ("exit", "exit criteria"),
                    ("stopped", "stopped"),
                    ("failed", "failed"),
                    ("back", "brought back"),
                ],
                max_length=7,
            ),
        ),
    ]
