"""Gift-card campaigns: what they have to say, and what becomes of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from loyalty.errors import CampaignNameTaken, CampaignPublished, CampaignUnknown
from loyalty.gift_cards import campaigns, codes, publications
from loyalty.models import Campaign, Voucher
from tests.factories import make_contact
from tests.loyalty.gift_cards import NOW, make_campaign
from workspace.access import SYSTEM, Actor
from workspace.errors import InputInvalid
from workspace.models import AuditEntry, UserGroup

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"name": " "}, "name"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"currency": "dollar"}, "currency"),
        ({"valid_after_publication": "24 days"}, "valid_after_publication"),
        ({"validity_interval": "P2D"}, "validity_interval"),
        ({"validity_interval": "P2D", "validity_duration": "P1D"}, "starts_at"),
        ({"starts_at": NOW, "ends_at": NOW}, "ends_at"),
        ({"weekdays": [0]}, "weekdays"),
        ({"holdout_percent": 91}, "holdout_percent"),
        ({"redemption_limit": 0}, "redemption_limit"),
        ({"metadata": []}, "metadata"),
        ({"refill": True, "is_static": True}, "refill"),
        ({"vouchers_count": -1}, "vouchers_count"),
        ({"vouchers_count": 10**9}, "vouchers_count"),
        ({"code_config": {"length": 0}}, "code_config.length"),
        ({"code_config": {"length": 4}, "vouchers_count": 5000}, "code_config.pattern"),
        ({"code_config": {"length": 4}, "refill": True}, "code_config.pattern"),
        ({"key": "no key!"}, "key"),
        ({"status": "archived"}, "status"),
        ({"groups": ["nobody"]}, "groups[0]"),
    ],
)
def test_what_cannot_be_is_told_by_name(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(InputInvalid) as refused:
        make_campaign(**{"name": "New", **settings})
    assert path in {problem.path for problem in refused.value.problems}
    assert not Campaign.objects.exists()


def test_a_campaign_is_found_by_key_name_and_number() -> None:
    campaign = make_campaign("Frühling 2026")
    assert campaign.key == "fruhling-2026"
    for named in ("fruhling-2026", "Frühling 2026", campaign.pk):
        assert campaigns.find_campaign(named, actor=SYSTEM).pk == campaign.pk
    with pytest.raises(CampaignUnknown):
        campaigns.find_campaign("fruhling", actor=SYSTEM)


def test_names_and_keys_are_there_once() -> None:
    make_campaign("A")
    with pytest.raises(CampaignNameTaken):
        make_campaign("A")
    with pytest.raises(InputInvalid):
        make_campaign("B", key="a")


def test_people_of_other_groups_do_not_know_of_it() -> None:
    poland = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=poland, entities=[UserGroup.Entity.CAMPAIGN])
    with pytest.raises(InputInvalid):
        make_campaign()
    campaign = make_campaign(groups=["Poland"])
    permissions = frozenset({"loyalty:read", "loyalty:write"})
    stranger = Actor(AuditEntry.ActorKind.API, 1, "stranger", permissions=permissions)
    with pytest.raises(CampaignUnknown):
        campaigns.find_campaign(campaign.key, actor=stranger)
    with pytest.raises(CampaignUnknown):
        codes.generate_codes(campaign, 1, actor=stranger, at=NOW)
    with pytest.raises(CampaignUnknown):
        publications.publish(
            campaign=campaign, contact_id=make_contact().pk, actor=stranger, at=NOW
        )


def test_changes_are_written_down_and_codes_stay_as_they_are() -> None:
    campaign = make_campaign(count=1)
    changed = campaigns.update_campaign(
        campaign, actor=SYSTEM, at=NOW, amount_minor=5000, ends_at=NOW + timedelta(days=9)
    )
    assert changed.amount_minor == 5000
    assert Voucher.objects.get().initial_minor == 2500
    entry = AuditEntry.objects.get(action="campaign.updated")
    assert entry.changes["amount_minor"] == [2500, 5000]


def test_the_currency_stays_once_there_are_codes() -> None:
    campaign = make_campaign()
    campaigns.update_campaign(campaign, actor=SYSTEM, at=NOW, currency="eur")
    codes.create_voucher(campaign, actor=SYSTEM, at=NOW)
    with pytest.raises(InputInvalid):
        campaigns.update_campaign(campaign, actor=SYSTEM, at=NOW, currency="USD")


def test_an_unused_campaign_is_destroyed_with_its_codes() -> None:
    campaign = make_campaign(count=3)
    assert "3 codes worth 75.00" in campaigns.consequence_of_deletion(campaign)
    campaigns.delete_campaign(campaign, actor=SYSTEM, at=NOW)
    assert not Campaign.objects.exists()
    assert not Voucher.objects.exists()


def test_a_campaign_that_gave_a_code_stays() -> None:
    campaign = make_campaign(count=3)
    publications.publish(campaign=campaign, contact_id=make_contact().pk, actor=SYSTEM, at=NOW)
    with pytest.raises(CampaignPublished):
        campaigns.delete_campaign(campaign, actor=SYSTEM, at=NOW)
