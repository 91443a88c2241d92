"""The activity that gives gift cards: one to each, whose code later messages may say.

The cards are given in the transaction that moves the participants, under a source id of their own:
whoever is asked again gives the same card again.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from journeys.drawing.kinds import ERROR, NEXT
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Lane
from loyalty.gift_cards import publications
from loyalty.gift_cards.publications import Published, Wish
from loyalty.models import Campaign
from loyalty.money import money, to_decimal

KIND = "voucher"
CHANNEL = "journey"


def give_vouchers(cohort: Cohort) -> Acted:
    """Give each a card of the campaign; by "error" leaves who gets none, with the reason.

    Who has a card of a campaign that one may join once leaves by "error" too, with that card.
    """
    node = cohort.node
    campaign = Campaign.objects.filter(key=node.config["campaign"]).first()
    if campaign is None:
        message = _("There is no campaign “%(key)s” any more.") % {"key": node.config["campaign"]}
        problem = {"problem": "campaign_unknown", "message": message}
        return Acted([ERROR] * len(cohort.ids), data=[problem] * len(cohort.ids))
    wishes = [
        Wish(contact_id, source_id(participant_id, node.id), _metadata(cohort))
        for participant_id, contact_id in zip(cohort.ids, cohort.contact_ids, strict=True)
    ]
    answers = publications.publish_many(campaign, wishes, channel=CHANNEL, at=cohort.at)
    return Acted(
        [ERROR if answer.problem else NEXT for answer in answers],
        data=[_told(answer) for answer in answers],
        context=[
            {KIND: {node.id: card(campaign, answer)}} if answer.code else None for answer in answers
        ],
    )


def source_id(participant_id: int, node_id: str) -> str:
    """By which the publication of a participant at an activity is known."""
    return f"journey:{participant_id}:{node_id}"


def card(campaign: Campaign, answer: Published) -> dict[str, Any]:
    """What templates may say of a card, as distributions do."""
    return {
        "code": answer.code,
        "amount": str(to_decimal(answer.amount_minor, campaign.currency)),
        "currency": campaign.currency,
        "worth": money(answer.amount_minor, campaign.currency),
        "expires_at": answer.expires_at.isoformat() if answer.expires_at else "",
    }


def register() -> None:
    """Have the engine do these activities so. May be called again."""
    register_act(KIND, give_vouchers)


def _metadata(cohort: Cohort) -> Mapping[str, Any]:
    told: dict[str, Any] = {"journey": cohort.version.journey.key, "node": cohort.node.id}
    return {**told, "test": True} if cohort.version.lane == Lane.TEST else told


def _told(answer: Published) -> Mapping[str, Any]:
    told: dict[str, Any] = {}
    if answer.publication_id is not None:
        told["publication"] = answer.publication_id
    if answer.problem:
        told |= {"problem": answer.problem, "message": answer.message}
    return told
