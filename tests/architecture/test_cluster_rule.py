"""Tables with many rows per contact can be distributed by contact: performance.md, "Citus"."""

import pytest
from django.db import connection

# One row or less for each contact, or nothing of a contact at all.
SMALL = {
    "contacts_attributedefinition",
    "contacts_category",
    "contacts_consentdefinition",
    "contacts_contact",
    "contacts_eventdefinition",
    "contacts_metricdefinition",
    "contacts_tag",
    "journeys_journey",
    "loyalty_campaign",
    "loyalty_distribution",
    "loyalty_mechanism",
    "segments_segment",
    "workspace_website",
}
# Unique over all contacts on purpose: the table that makes e-mails and other names unique.
IDENTITY_TABLES = {"contacts_identity"}
# The same of a single key: a card belongs to one member.
IDENTITY_KEYS = {"loyalty_member_one_for_each_card"}
# What a source sent, whose ever it is: logs of the source, which stay beside it.
SOURCE_TABLES = {
    "integrations_heldevent",
    "integrations_mailreport",
    "integrations_receivedevent",
}
# A card pays once, whoever has it, and a letter leaves once: one ledger and one outbox for all. A
# passage is known by its number alone to letters, links and whoever tells of them; it stays its own
# when its contact becomes another's.
LEDGER_TABLES = {
    "integrations_delivery",
    "integrations_pushsubscription",
    "integrations_suppression",
    "journeys_entrance",
    "journeys_message",
    "journeys_participant",
    "journeys_refusal",
    "loyalty_claim",
    "loyalty_distributiontask",
    "loyalty_publication",
    "loyalty_redemption",
    "loyalty_voucherlock",
}

pytestmark = pytest.mark.django_db


def _tables_of_contacts() -> set[str]:
    """Tables of ours with a `contact_id`; partitions are their parent's affair."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'contact_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
            " AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace"
        )
        return {row[0] for row in cursor.fetchall()}


def test_every_unique_key_contains_the_contact() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, i.indexrelid::regclass::text,"
            " array_agg(a.attname::text) FILTER (WHERE a.attname IS NOT NULL)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)"
            " WHERE i.indisunique GROUP BY 1, 2"
        )
        keys = cursor.fetchall()
    wrong = {
        name
        for table, name, columns in keys
        if table in _tables_of_contacts() - IDENTITY_TABLES - SOURCE_TABLES - LEDGER_TABLES
        and "contact_id" not in columns
    }
    assert wrong - IDENTITY_KEYS == set()


def test_foreign_keys_go_to_the_contact_or_to_small_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.conrelid::regclass::text, k.confrelid::regclass::text"
            " FROM pg_constraint k WHERE k.contype = 'f'"
        )
        wrong = {
            f"{table} → {target}"
            for table, target in cursor.fetchall()
            if table in _tables_of_contacts() - SOURCE_TABLES - LEDGER_TABLES
            and target not in SMALL
        }
    assert wrong == set()


def test_the_rule_is_about_the_tables_that_it_means() -> None:
    assert {
        "contacts_contacttag",
        "contacts_contactcategory",
        "contacts_consententry",
        "contacts_consentstate",
        "contacts_event",
        "contacts_eventstatistic",
        "loyalty_challengeprogress",
        "loyalty_pointsposting",
        "segments_membership",
        "segments_membershipchange",
    } <= _tables_of_contacts()
