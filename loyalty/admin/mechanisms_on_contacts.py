"""What mechanisms add to the profile of a contact: what he has, may have, and how far he is."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from loyalty.admin.mechanism_badges import kind_icon
from loyalty.admin.mechanism_pages import progress_row
from loyalty.models import Mechanism, Member
from loyalty.rewards.challenges import progress_of
from loyalty.rewards.claims import NOT_CLAIMABLE, holdings_of
from loyalty.rewards.eligibility import eligibility
from loyalty.rewards.restrictions import ABOUT_WHOM
from workspace.access import actor_of

_SHOWN = 50


def _panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor, now = actor_of(request), timezone.now()
    if not actor.may("loyalty.view_mechanism"):
        return None
    if not Member.objects.filter(contact_id=contact.pk, left_at=None).exists():
        return None
    held = holdings_of(contact.pk, actor=actor, at=now).exclude(
        mechanism__kind=Mechanism.Kind.CHALLENGE
    )
    every = eligibility(contact.pk, actor=actor, at=now, with_hidden=True)
    challenges = [
        one.mechanism
        for one in every
        if one.kind == Mechanism.Kind.CHALLENGE and one.reason not in ABOUT_WHOM
    ]
    others = [(one, kind_icon(one.kind)) for one in every if one.kind not in NOT_CLAIMABLE]
    return {
        "held": [(claim, kind_icon(claim.mechanism.kind)) for claim in held[:_SHOWN]],
        "challenges": [
            progress_row(one) for one in progress_of(contact.pk, challenges, at=now)[:_SHOWN]
        ],
        "may": [pair for pair in others if pair[0].eligible][:_SHOWN],
        "may_not": [pair for pair in others if not pair[0].eligible][:_SHOWN],
    }


register_panel(
    Panel("mechanisms", _("Rewards and challenges"), "loyalty/mechanisms_panel.html", _panel, 22)
)
