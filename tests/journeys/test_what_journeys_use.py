"""A campaign whose cards a journey gives, a webhook that it calls, is not taken from it unasked."""

import pytest
from django.contrib.auth.models import Group

from integrations.errors import WebhookInUse
from integrations.webhooks import create_webhook, delete_webhook
from journeys.announcements import PUBLISHED
from journeys.models import Journey, JourneyVersion
from loyalty.errors import CampaignInUse
from loyalty.gift_cards import campaign_uses, campaigns
from loyalty.models import Campaign
from tests.factories import NOW
from tests.journeys.drawn import make_version, node
from tests.loyalty.gift_cards import make_campaign
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def gives(campaign: Campaign) -> JourneyVersion:
    return make_version(node("gift", "voucher", campaign=campaign.key))


def test_it_is_not_deleted_while_a_journey_gives_its_cards() -> None:
    campaign = make_campaign()
    version = gives(campaign)
    with pytest.raises(CampaignInUse, match="“Welcome”"):
        campaigns.delete_campaign(campaign, actor=SYSTEM, at=NOW)
    # Over, and never to be published again.
    JourneyVersion.objects.filter(pk=version.pk).update(is_open=False, ended_at=NOW)
    Journey.objects.update(state=Journey.State.FINISHED)
    campaigns.delete_campaign(campaign, actor=SYSTEM, at=NOW)
    assert not Campaign.objects.exists()


def test_a_draft_that_names_it_counts_too() -> None:
    campaign = make_campaign()
    version = gives(campaign)
    Journey.objects.update(state=Journey.State.DRAFT)
    JourneyVersion.objects.filter(pk=version.pk).delete()
    assert campaign_uses.uses_of(campaign) == ["Welcome"]


def test_who_switches_it_off_is_told_what_gives_none_meanwhile() -> None:
    campaign = make_campaign()
    assert "These give" not in campaign_uses.consequence_of_disabling(campaign)
    version = gives(campaign)
    assert "“Welcome”" in campaign_uses.consequence_of_disabling(campaign)
    version.journey.groups.add(Group.objects.create(name="Norway"))
    told = campaign_uses.consequence_of_disabling(campaign)
    assert "Welcome" not in told
    assert "of another group" in told


def test_a_webhook_is_not_deleted_while_a_journey_calls_it() -> None:
    called, _secret = create_webhook(
        url="https://example.com/hook", types=[PUBLISHED], actor=SYSTEM, at=NOW
    )
    version = make_version(node("call", "webhook", connection=called.pk))
    with pytest.raises(WebhookInUse, match="Welcome"):
        delete_webhook(called.pk, actor=SYSTEM, at=NOW)
    version.journey.groups.add(Group.objects.create(name="Norway"))
    with pytest.raises(WebhookInUse, match="a journey of another group"):
        delete_webhook(called.pk, actor=SYSTEM, at=NOW)
    JourneyVersion.objects.filter(pk=version.pk).update(is_open=False, ended_at=NOW)
    Journey.objects.update(state=Journey.State.FINISHED)
    assert delete_webhook(called.pk, actor=SYSTEM, at=NOW) == 0
