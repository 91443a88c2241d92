"""A list of twenty costs what a list of one costs."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts.models import Contact
from integrations.models import Source, VendorConnection
from journeys.models import Journey, Lane, Participant
from loyalty.models import Distribution, Mechanism
from tests.admin.journey_workspace import furnish_journey
from tests.admin.workspace import furnish, some_segment

LISTS = (
    "contacts_contact",
    "contacts_attributedefinition",
    "contacts_tag",
    "contacts_category",
    "contacts_consentdefinition",
    "contacts_metricdefinition",
    "contacts_eventdefinition",
    "segments_segment",
    "segments_segmentaction",
    "segments_savedcriteria",
    "segments_ruleevent",
    "segments_export",
    "segments_exportschedule",
    "journeys_testprofile",
    "journeys_journey",
    "journeys_message",
    "loyalty_mechanism",
    "loyalty_member",
    "loyalty_earnrule",
    "integrations_source",
    "integrations_heldevent",
    "integrations_webhook",
    "integrations_delivery",
    "integrations_template",
    "integrations_pushconnection",
    "integrations_pushsubscription",
    "integrations_suppression",
    "integrations_mailreport",
    "integrations_vendorconnection",
    "workspace_website",
    "loyalty_clientkey",
    "loyalty_suspicion",
    "loyalty_distribution",
    "workspace_job",
    "workspace_user",
    "workspace_apiuser",
    "workspace_auditentry",
    "django_celery_beat_periodictask",
    "auth_group",
)


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200, address
    return len(captured)


# One of each room, and those with the most in a row.
_SOME = (
    *("contacts_contact", "segments_segment", "segments_export", "journeys_journey"),
    *("loyalty_mechanism", "integrations_source", "workspace_job"),
)


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param(_SOME, id="some"),
        pytest.param(LISTS, id="all", marks=pytest.mark.walk),
    ],
)
def test_lists_cost_the_same_with_twenty_rows_as_with_one(
    admin: Client, lists: tuple[str, ...]
) -> None:
    addresses = [reverse(f"admin:{name}_changelist") for name in lists] + [reverse("admin:index")]
    furnish(1)
    for address in addresses:
        # What is remembered after the first look is no part of the comparison.
        _queries(admin, address)
    few = {address: _queries(admin, address) for address in addresses}
    furnish(19, prefix="b")
    many = {address: _queries(admin, address) for address in addresses}
    assert many == few


@pytest.mark.walk
def test_pages_of_a_thing_cost_the_same_however_much_there_is(admin: Client) -> None:
    furnish(1)
    contact = Contact.objects.earliest("pk")
    segment, source = some_segment(), Source.objects.earliest("pk")
    mechanism = Mechanism.objects.earliest("pk")
    distribution = Distribution.objects.earliest("pk")
    authorized = VendorConnection.objects.earliest("pk")
    addresses = [
        reverse("admin:contacts_contact_change", args=[contact.pk]),
        reverse("admin:loyalty_member_change", args=[contact.pk]),
        reverse("admin:loyalty_points"),
        reverse("admin:loyalty_programme"),
        *(
            reverse(f"admin:loyalty_mechanism_{page}", args=[mechanism.pk])
            for page in ("change", "claims", "settings")
        ),
        *(
            reverse(f"admin:segments_segment_{page}", args=[segment.pk])
            for page in ("change", "members", "history", "changes", "versions", "actions", "export")
        ),
        *(
            reverse(f"admin:integrations_source_{page}", args=[source.pk])
            for page in ("change", "setup", "debugger", "held", "traits", "settings", "rows")
        ),
        *(
            reverse(f"admin:integrations_vendorconnection_{page}", args=[authorized.pk])
            for page in ("change", "syncs", "calls", "events")
        ),
        *(
            reverse(f"admin:loyalty_distribution_{page}", args=[distribution.pk])
            for page in ("change", "contacts", "settings")
        ),
    ]
    for address in addresses:
        _queries(admin, address)
    few = {address: _queries(admin, address) for address in addresses}
    furnish(19, prefix="b")
    many = {address: _queries(admin, address) for address in addresses}
    assert many == few


def test_pages_of_a_journey_cost_the_same_however_many_are_on_it(admin: Client) -> None:
    def add(count: int) -> Journey:
        people = Contact.objects.bulk_create(Contact(first_name="Ola") for _n in range(count))
        return furnish_journey(people)

    journey = add(2)
    pages = ("change", "draft", "versions", "statistics", "test", "rehearsal", "participants")
    addresses = [reverse(f"admin:journeys_journey_{page}", args=[journey.pk]) for page in pages]
    counts, log = reverse("admin:journeys_journey_counts", args=[journey.pk]), addresses[4]
    addresses += [counts, f"{counts}?test", f"{log}?part=log"]
    participant = Participant.objects.filter(lane=Lane.LIVE).earliest("pk")
    addresses += [
        reverse("admin:journeys_journey_participant", args=[journey.pk, participant.pk]),
        reverse("admin:contacts_contact_change", args=[participant.contact_id]),
    ]
    for address in addresses:
        _queries(admin, address)
    few = {address: _queries(admin, address) for address in addresses}
    add(9)
    many = {address: _queries(admin, address) for address in addresses}
    assert many == few


@pytest.mark.parametrize("query", ["", "?q=Nowak", "?tag=a0", "?segment=a0", "?country=PL"])
def test_the_list_of_contacts_counts_no_further_than_it_must(admin: Client, query: str) -> None:
    furnish(1)
    with CaptureQueriesContext(connection) as captured:
        admin.get(reverse("admin:contacts_contact_changelist") + query)
    counts = [q["sql"] for q in captured if "COUNT(" in q["sql"] and "contacts_contact" in q["sql"]]
    assert counts
    assert all("LIMIT" in statement for statement in counts), counts
