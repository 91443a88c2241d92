"""Gift-card campaigns on the screen."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from loyalty.models import Campaign, Publication, Voucher
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.loyalty.gift_cards import make_campaign
from workspace import jobs
from workspace.models import AuditEntry, Job

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Review gift cards",
    "amount": "25.00",
    "currency": "usd",
    "pattern": "REV-########",
    "charset": "unambiguous",
    "vouchers_count": "5",
    "refill_below": "100",
    "refill_count": "1000",
    "join_once": "on",
    "weekdays": ["1", "2"],
    "starts_at": "2026-01-01T10:00",
    "valid_after_publication": "p24d",
    "metadata": '{"team": "x"}',
}


def at(name: str, *args: Any) -> str:
    return reverse(f"admin:loyalty_campaign_{name}", args=args)


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode())


def test_a_campaign_is_made_by_the_form(admin: Client) -> None:
    assert "How the codes look" in text(admin.get(at("add")))
    answer: Any = admin.post(at("add"), FORM)
    campaign = Campaign.objects.get()
    assert answer.url == at("change", campaign.pk)
    assert (campaign.amount_minor, campaign.currency) == (2500, "USD")
    assert (campaign.weekdays, campaign.valid_after_publication) == ([1, 2], "P24D")
    assert campaign.code_config["pattern"] == "REV-########"
    assert campaign.metadata == {"team": "x"}
    assert campaign.job is not None
    jobs.run(campaign.job.pk)
    page = text(admin.get(at("change", campaign.pk)))
    assert "REV-########" in page
    assert Voucher.objects.count() == 5


def test_the_form_says_what_is_wrong_where_it_is(admin: Client) -> None:
    wrong = {**FORM, "amount": "much", "pattern": "####", "vouchers_count": "9000", "metadata": "{"}
    page = text(admin.post(at("add"), wrong))
    assert "Write an amount as 25.00" in page
    assert "This is no JSON" in page
    wrong = {**FORM, "pattern": "####", "vouchers_count": "9000"}
    assert "for guessing not to pay" in text(admin.post(at("add"), wrong))
    assert not Campaign.objects.exists()


def test_settings_are_changed(admin: Client) -> None:
    campaign = make_campaign(count=1)
    assert "keep their value" in text(admin.get(at("settings", campaign.pk)))
    body = {**FORM, "amount": "9.99", "currency": "USD"}
    del body["vouchers_count"]
    admin.post(at("settings", campaign.pk), body)
    campaign.refresh_from_db()
    assert campaign.amount_minor == 999
    assert campaign.join_once


def test_codes_to_come_are_shown_while_the_pattern_is_written(admin: Client) -> None:
    found = admin.post(at("example"), {"pattern": "A-########", "check_digit": "on"}).json()
    assert all(code.startswith("A-") for code in found["examples"])
    assert "34,359,738,368" in found["text"]
    assert admin.post(at("example"), {"pattern": "A"}).json()["problem"]


def test_codes_are_made_read_and_written(admin: Client, settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS_ROOT = tmp_path / "uploads"
    campaign = make_campaign()
    admin.post(at("fill", campaign.pk), {"count": "3"})
    jobs.run(Job.objects.get().pk)
    file = SimpleUploadedFile("codes.csv", b"code\nSHOP-0001\n")
    admin.post(at("fill", campaign.pk), {"file": file})
    job = Job.objects.order_by("-pk")[0]
    jobs.run(job.pk)
    assert "Last time" in text(admin.get(at("fill", campaign.pk)))
    assert "SHOP-0001" in text(admin.get(at("codes", campaign.pk) + "?q=shop-"))
    assert "No code begins so" in text(admin.get(at("codes", campaign.pk) + "?q=nothing"))
    export: Any = admin.get(at("export", campaign.pk))
    assert len(b"".join(export.streaming_content).splitlines()) == 5


def test_a_card_is_given_from_the_campaign_and_from_the_profile(admin: Client) -> None:
    campaign = make_campaign(count=2)
    contact = make_contact(email="pam@example.com")
    admin.post(at("action", campaign.pk, "give"), {"contact": "pam@example.com"})
    given = Publication.objects.get()
    assert (given.contact_id, given.channel) == (contact.pk, "hand")
    assert AuditEntry.objects.filter(action="publication.created").exists()
    profile = reverse("admin:contacts_contact_change", args=[contact.pk])
    assert at("give_to", contact.pk) in text(admin.get(profile))
    answer = admin.post(at("give_to", contact.pk), {"campaign": campaign.pk}, follow=True)
    assert "has the code" in text(answer)
    assert given.voucher is not None
    assert given.voucher.code in text(admin.get(at("publications", campaign.pk)))
    nobody = admin.post(at("action", campaign.pk, "give"), {"contact": "nobody"}, follow=True)
    assert "is nobody" in text(nobody)


def test_a_campaign_is_switched_and_deleted(admin: Client) -> None:
    campaign = make_campaign(count=2)
    admin.post(at("action", campaign.pk, "disable"))
    campaign.refresh_from_db()
    assert campaign.status == "disabled"
    admin.post(at("action", campaign.pk, "activate"))
    assert "2 codes worth 50.00" in text(admin.get(at("change", campaign.pk)))
    admin.post(at("action", campaign.pk, "delete_campaign"))
    assert not Campaign.objects.exists()


def test_who_may_only_look_is_offered_nothing_else(make_person: MakePerson) -> None:
    campaign = make_campaign(count=1)
    person = make_person("loyalty.view_campaign")
    page = text(person.get(at("change", campaign.pk)))
    assert "Add codes" not in page
    for name in ("codes", "publications", "fill", "export"):
        assert person.get(at(name, campaign.pk)).status_code == 403, name
    assert person.post(at("settings", campaign.pk), FORM).status_code == 403
    assert person.post(at("example"), {}).status_code == 403
    assert person.post(at("give_to", make_contact().pk), {}).status_code == 403


def test_the_list_shows_what_is_left(admin: Client) -> None:
    make_campaign(count=3)
    page = text(admin.get(at("changelist")))
    assert "0 given away, 3 left" in page
