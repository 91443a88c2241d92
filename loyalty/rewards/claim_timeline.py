"""What claims tell on the timeline of a contact: claimed, given, reached, used, taken back.

Only of mechanisms that the one who looks may know of.
"""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from loyalty.models import Claim, Mechanism
from loyalty.rewards.claims import known_claims
from workspace.admin.pictures import number

KIND = "claim"
# Of one contact; who has had more is shown the newest.
_SHOWN = 1000
_ICONS = {
    Mechanism.Kind.OFFER: "local_offer",
    Mechanism.Kind.CHALLENGE: "flag",
}


def load(ask: Ask) -> list[Item]:
    """What the contact claimed, was given and reached, and what became of it."""
    claims = known_claims(ask.actor).filter(contact_id=ask.contact_id)
    newest = claims.select_related("mechanism").order_by("-pk")[:_SHOWN]
    return ask.chosen(item for claim in newest for item in _items(claim))


def register() -> None:
    """Show it on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Rewards and challenges"),
            "redeem",
            load,
            permission="loyalty.view_mechanism",
            place=32,
        )
    )


def _items(claim: Claim) -> Iterator[Item]:
    kind = Mechanism.Kind(claim.mechanism.kind)
    begun = {
        Mechanism.Kind.OFFER: _("Was given “%(name)s”"),
        Mechanism.Kind.CHALLENGE: _("Reached the goal of “%(name)s”"),
    }.get(kind, _("Claimed “%(name)s”"))
    told = ""
    if claim.cost_points:
        told = _("for %(points)s points") % {"points": number(claim.cost_points)}
    elif claim.bonus_points:
        told = _("%(points)s bonus points") % {"points": number(claim.bonus_points)}
    actor = claim.actor_label
    icon = _ICONS.get(kind, "redeem")
    yield _item(claim, "claimed", claim.at, begun, icon, "good", text=told, actor=actor)
    if claim.used_at is not None:
        yield _item(claim, "used", claim.used_at, _("Used “%(name)s”"), icon, "info")
    if claim.revoked_at is not None:
        title = _("“%(name)s” was taken back")
        yield _item(claim, "revoked", claim.revoked_at, title, "undo", "warning", text=claim.reason)


def _item(
    claim: Claim,
    what: str,
    at: datetime,
    title: str,
    icon: str,
    tone: str,
    *,
    text: str = "",
    actor: str = "",
) -> Item:
    mechanism = claim.mechanism
    return Item(
        kind=KIND,
        key=f"{claim.pk:019d}:{what}",
        at=at,
        title=title % {"name": mechanism.name},
        text=text,
        icon=icon,
        tone=tone,
        actor=actor,
        url=reverse("admin:loyalty_mechanism_change", args=[mechanism.pk]),
        data={"claim": claim.pk, "mechanism": mechanism.key, "kind": mechanism.kind, "what": what},
    )
