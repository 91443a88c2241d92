"""What the criteria builder asks while somebody writes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from segments.admin.building import count_text, share_text
from segments.clause_counts import ClauseCount
from segments.preview import Preview
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, lives_in, make_contacts, make_segment


def post(client: Client, name: str, criteria: Any, **others: Any) -> Any:
    text = criteria if isinstance(criteria, str) else json.dumps(criteria)
    return client.post(reverse(f"admin:segments_{name}"), {"criteria": text, **others})


def test_the_preview_tells_the_share_and_raw_numbers(admin: Client) -> None:
    make_contacts(*["Oslo"] * 3, "Rome")
    found = post(admin, "preview", lives_in("Rome")).json()
    assert (found["count_number"], found["total"], found["share"]) == (1, "4", "25.0 %")


def test_counts_stand_at_their_paths(admin: Client) -> None:
    make_contacts("Oslo", "Rome")
    found = post(admin, "counts", lives_in("Rome")).json()
    one = {"count": 1, "exact": True, "text": "1"}
    assert found == {"counts": {"": one, "rules[0]": one}}
    assert post(admin, "counts", "{").json() == {"counts": {}}


def test_values_and_events(admin: Client) -> None:
    [contact_id] = make_contacts("Oslo")
    at = timezone.now() - timedelta(hours=1)
    record_events([IncomingEvent(contact_id, "purchase", at, {"amount": 5})], received_at=at)
    values = admin.get(reverse("admin:segments_values"), {"field": "contact.city", "q": "os"})
    assert [one["value"] for one in values.json()["values"]] == ["Oslo"]
    event = admin.get(reverse("admin:segments_event"), {"name": "purchase"}).json()
    assert event["properties"] == [{"name": "amount", "type": "number", "types": ["number"]}]
    assert event["count_text"] == "1 event"
    assert event["last_seen"]
    unseen = admin.get(reverse("admin:segments_event"), {"name": "never seen"}).json()
    assert (unseen["properties"], unseen["last_seen"]) == ([], "")


@pytest.mark.parametrize("name", ["preview", "counts", "values", "event"])
def test_nothing_is_answered_without_a_look_at_segments(make_person: MakePerson, name: str) -> None:
    person = make_person("contacts.view_contact")
    method = person.post if name in {"preview", "counts"} else person.get
    assert method(reverse(f"admin:segments_{name}"), {"criteria": "{}"}).status_code == 403


@pytest.mark.parametrize("name", ["preview", "counts", "values"])
def test_a_segment_of_others_is_not_found(
    make_person: MakePerson, scoped_group: Group, name: str
) -> None:
    theirs = make_segment("secret", groups=["Poland"])
    person = make_person("segments.view_segment")
    method = person.get if name == "values" else person.post
    for segment in (theirs.pk, theirs.pk + 1000, "x"):
        asked = {"criteria": json.dumps(lives_in("Rome")), "segment": segment}
        assert method(reverse(f"admin:segments_{name}"), asked).status_code == 404


def test_what_only_asks_is_not_got_and_not_posted(admin: Client) -> None:
    assert admin.get(reverse("admin:segments_counts")).status_code == 405
    assert admin.post(reverse("admin:segments_values")).status_code == 405


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 3, "33.3 %"),
        (1, 1_000_000, "less than 0.1 %"),
        (999_999, 1_000_000, "more than 99.9 %"),
    ],
)
def test_shares_are_honest_at_both_ends(count: int, total: int, text: str) -> None:
    assert share_text(Preview(count, True, (), NOW, 1.0, "", total)) == text


def test_counts_are_told_in_words() -> None:
    assert count_text(ClauseCount(1234, exact=True)) == "1,234"
    assert count_text(ClauseCount(1234, exact=False)) == "at least 1,234"
    assert count_text(ClauseCount(None, exact=False)) == "not counted in time"


def test_erased_contacts_are_no_part_of_the_whole(admin: Client) -> None:
    make_contacts("Oslo", "Rome")
    Contact.objects.filter(city="Rome").update(erased_at=NOW)
    assert post(admin, "preview", lives_in("Oslo")).json()["share"] == "100 %"
