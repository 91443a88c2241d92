import django.db.models.deletion
from django.db import migrations, models

# Contacts are erased, never deleted. A check per row cost more than the row itself: a third of the
# time of an import of a million contacts.

LEDGERS = """
ALTER TABLE contacts_consententry DROP CONSTRAINT contacts_consententry_contact_id_fkey;
ALTER TABLE contacts_leadscorechange DROP CONSTRAINT contacts_leadscorechange_contact_id_fkey;
"""

LEDGERS_BACK = """
ALTER TABLE contacts_consententry ADD CONSTRAINT contacts_consententry_contact_id_fkey
  FOREIGN KEY (contact_id) REFERENCES contacts_contact DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE contacts_leadscorechange ADD CONSTRAINT contacts_leadscorechange_contact_id_fkey
  FOREIGN KEY (contact_id) REFERENCES contacts_contact DEFERRABLE INITIALLY DEFERRED;
"""


def unchecked(**options: object) -> models.ForeignKey:
    return models.ForeignKey(
        to="contacts.contact",
        on_delete=django.db.models.deletion.CASCADE,
        db_constraint=False,
        **options,
    )


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_ledgers_and_events")]

    operations = [
        migrations.AlterField("consentstate", "contact", unchecked(db_index=False)),
        migrations.AlterField("contactcategory", "contact", unchecked(db_index=False)),
        migrations.AlterField("contacttag", "contact", unchecked(db_index=False)),
        migrations.AlterField("identity", "contact", unchecked(related_name="identities")),
        migrations.RunSQL(LEDGERS, LEDGERS_BACK),
    ]
