"""What webhooks hear of claims: taken, given, reached, taken back."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy

from integrations.announcements import Fact, announce, register_type
from loyalty.models import Claim, Mechanism

CLAIMED, REVOKED = "customer.reward.claimed", "customer.reward.revoked"
ASSIGNED, REACHED = "customer.offer.assigned", "customer.challenge.reached"


def register() -> None:
    """Let webhooks ask for them. May be called again."""
    register_type(CLAIMED, gettext_lazy("A member claimed a reward"))
    register_type(REVOKED, gettext_lazy("What a member had was taken back"))
    register_type(ASSIGNED, gettext_lazy("An offer was given to a member"))
    register_type(REACHED, gettext_lazy("A member reached the goal of a challenge"))


def announce_claim(claim: Claim, *, at: datetime) -> None:
    """Tell that a member has something now."""
    is_offer = claim.mechanism.kind == Mechanism.Kind.OFFER
    announce(ASSIGNED if is_offer else CLAIMED, [_fact(claim)], at=at)


def announce_revoked(claim: Claim, *, at: datetime) -> None:
    """Tell that it was taken back."""
    announce(REVOKED, [_fact(claim)], at=at)


def announce_reached(claims: Sequence[Claim], *, bonus: int, at: datetime) -> None:
    """Tell who reached the goal of a challenge, and what he got for it."""
    announce(REACHED, [_fact(claim, bonus_points=bonus) for claim in claims], at=at)


def _fact(claim: Claim, **more: object) -> Fact:
    data = {
        "claim": claim.pk,
        "contact": claim.contact_id,
        "mechanism": claim.mechanism.key,
        "kind": claim.mechanism.kind,
        **more,
    }
    return Fact(str(claim.pk), data, claim.contact_id)
