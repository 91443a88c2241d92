"""The wallet: what a contact holds, by program, on the profile and on a page without a login."""

import re
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from contacts.erasure import erase_contact
from contacts.errors import ContactUnknown
from contacts.merging import merge_contacts
from contacts.models import Contact
from loyalty.gift_cards.code_pictures import barcode_svg, qr_svg
from loyalty.models import Voucher
from loyalty.wallets import wallet
from tests.admin.conftest import MakePerson, admin, as_in_development, make_person  # noqa: F401
from tests.api.conftest import Program, assert_problem, make_program, program  # noqa: F401
from tests.factories import DAY, NOW, make_contact
from tests.loyalty.rule_cases import make_campaign, make_voucher
from workspace.access import SYSTEM
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


def path_of(contact: Contact) -> str:
    return "/" + wallet.wallet_url(contact.pk).split("/", 3)[3]


def opened(contact: Contact) -> Any:
    cache.clear()
    return Client().get(path_of(contact))


def test_the_wallet_holds_what_can_be_used_first() -> None:
    contact = make_contact()
    campaign = make_campaign("Reviews")
    late = make_voucher(campaign, holder=contact, expires_at=NOW + 9 * DAY, code="LATE")
    soon = make_voucher(campaign, holder=contact, expires_at=NOW + DAY, code="SOON")
    over = make_voucher(campaign, holder=contact, expires_at=NOW - DAY, code="OVER")
    make_voucher(campaign)
    cards = wallet.wallet_of(contact.pk, actor=SYSTEM, at=NOW)
    assert [card.code for card in cards] == [soon.code, late.code, over.code]
    assert [card.state for card in cards] == ["published", "published", "expired"]
    with pytest.raises(NotAllowed):
        wallet.wallet_of(contact.pk, actor=_nobody(), at=NOW)


def _nobody() -> Any:
    from workspace.access import Actor

    return Actor(AuditEntry.ActorKind.USER, 7, "Nobody")


def test_a_program_reads_the_wallet(program: Program) -> None:  # noqa: F811
    contact = make_contact()
    campaign = make_campaign("Reviews")
    make_voucher(campaign, holder=contact, code="AB12")
    assert program.get(f"/api/contacts/{contact.pk}/wallet/").json() == [
        {
            "code": "AB12",
            "campaign": campaign.key,
            "campaign_name": "Reviews",
            "balance": 2500,
            "initial": 2500,
            "currency": "USD",
            "expires_at": None,
            "state": "published",
        }
    ]
    assert_problem(program.get("/api/contacts/999999/wallet/"), 404)


def test_the_page_needs_no_login_and_says_no_more_than_it_must() -> None:
    contact = make_contact(first_name="Ala", last_name="Nowak", email="ala@example.com")
    make_voucher(make_campaign("Reviews"), holder=contact, code="REV-AB12")
    answer = opened(contact)
    page = answer.content.decode()
    assert answer.status_code == 200
    for part in ("Hello Ala", "Reviews", "25.00", "REV-AB12", "without an end", "<svg"):
        assert part in page
    for part in ("Nowak", "ala@example.com", "<style", "style=", "onclick"):
        assert part not in page
    assert answer["Cache-Control"] == "no-store"
    assert "noindex" in answer["X-Robots-Tag"]
    assert answer["Referrer-Policy"] == "no-referrer"
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_names_and_codes_cannot_break_the_page() -> None:
    contact = make_contact(first_name="<script>x</script>")
    make_voucher(make_campaign("<b>Cards"), holder=contact, code="A<B&C")
    page = opened(contact).content.decode()
    assert "<script>x" not in page
    assert "<b>" not in page
    assert "A&lt;B&amp;C" in page


def test_an_empty_wallet_is_kind() -> None:
    answer = opened(make_contact())
    assert answer.status_code == 200
    assert "no card here" in answer.content.decode()


def test_a_link_that_was_withdrawn_or_made_up_leads_nowhere() -> None:
    contact = make_contact()
    old = path_of(contact)
    assert Client().get(old).status_code == 200
    wallet.withdraw_links(contact.pk, actor=SYSTEM, at=NOW)
    wallet.withdraw_links(contact.pk, actor=SYSTEM, at=NOW)
    assert AuditEntry.objects.filter(action="wallet.links_withdrawn").count() == 2
    cache.clear()
    answer = Client().get(old)
    assert answer.status_code == 404
    assert "not valid" in answer.content.decode()
    assert opened(contact).status_code == 200
    for wrong in ("/wallet/x/", old[:-2] + "/", old.replace("/wallet/", "/wallet/x")):
        assert Client().get(wrong).status_code == 404


def test_a_link_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    contact = make_contact()
    token = path_of(contact).split("/")[2]
    monkeypatch.setattr(wallet, "VALID_FOR", -DAY)
    with pytest.raises(ContactUnknown):
        wallet.open_wallet(token, at=NOW)


def test_the_link_of_a_merged_contact_leads_to_the_one_who_is_left() -> None:
    survivor, loser = make_contact(first_name="Ala"), make_contact(first_name="Ola")
    make_voucher(holder=survivor, code="MINE")
    link = path_of(loser)
    merge_contacts(survivor.pk, loser.pk, cause="by_hand", actor=SYSTEM, at=NOW)
    cache.clear()
    page = Client().get(link).content.decode()
    assert "Hello Ala" in page
    assert "MINE" in page
    wallet.withdraw_links(survivor.pk, actor=SYSTEM, at=NOW)
    assert Client().get(link).status_code == 404


def test_the_link_of_an_erased_contact_leads_to_a_kind_page() -> None:
    contact = make_contact(first_name="Ala")
    wallet.withdraw_links(contact.pk, actor=SYSTEM, at=NOW)
    link = path_of(contact)
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    answer = Client().get(link)
    assert answer.status_code == 404
    assert "Ala" not in answer.content.decode()


def test_whoever_opens_it_too_often_waits() -> None:
    contact, cached = make_contact(), Client()
    cache.clear()
    statuses = [cached.get(path_of(contact)).status_code for _ in range(40)]
    assert statuses.count(200) == 30
    answer = cached.get(path_of(contact))
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (429, True)


def test_the_profile_shows_the_wallet_and_withdraws_its_links(
    admin: Client,  # noqa: F811
    make_person: MakePerson,  # noqa: F811
) -> None:
    contact = make_contact()
    make_voucher(make_campaign("Reviews"), holder=contact, code="AB12")
    profile = f"/admin/contacts/contact/{contact.pk}/change/"
    page = admin.get(profile).content.decode()
    assert "AB12" in page
    assert "Withdraw links" in page
    withdraw = f"/admin/loyalty/wallet/{contact.pk}/withdraw/"
    assert make_person("contacts.view_contact").post(withdraw).status_code in (302, 403)
    assert not AuditEntry.objects.filter(action="wallet.links_withdrawn").exists()
    assert admin.get(withdraw).status_code == 405
    assert admin.post(withdraw).headers["Location"] == profile
    assert AuditEntry.objects.filter(action="wallet.links_withdrawn").exists()


def test_codes_are_drawn_as_tills_read_them() -> None:
    drawn = str(qr_svg("AB12", label="QR"))
    assert drawn.startswith("<svg")
    assert 'viewBox="0 0 29 29"' in drawn
    bars = str(barcode_svg("AB12", label="Bars"))
    # Start, four characters, the check character: 11 modules each; the end has 13.
    width = re.findall(r'viewBox="0 0 (\d+) 40"', bars)
    assert width == [str(6 * 11 + 13 + 2 * 10)]
    assert barcode_svg("ŻÓŁĆ", label="Bars") is None
    assert Voucher.objects.count() == 0
