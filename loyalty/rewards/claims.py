"""Claims: a member takes a reward or is given an offer, uses it, or it is taken back.

A claim is decided while the contact is held, so that no two of one member are decided at a time;
points are spent by the ledger, and the stock is taken last of all, by comparing and setting: where
another was quicker all is undone. One cause counts once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from contacts.profiles import lock_contact
from loyalty.errors import (
    ClaimExpired,
    ClaimRevoked,
    ClaimUnknown,
    MechanismUnknown,
    NotClaimable,
    NotEligible,
    OutOfStock,
)
from loyalty.models import Claim, Mechanism, PointsPosting
from loyalty.programme import points
from loyalty.rewards.claim_notices import announce_claim, announce_revoked
from loyalty.rewards.eligibility import facts_of, judged
from loyalty.rewards.mechanisms import known_mechanisms
from loyalty.rewards.restrictions import WORDS, Reason, Terms, terms_of, with_restrictions
from workspace import access, audit
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem

CAUSE_LIMIT = 200
REASON_LIMIT = 300
Kind, State = Mechanism.Kind, Claim.State
# A tier is earned, a challenge reached, and a category only holds rewards.
NOT_CLAIMABLE = frozenset({Kind.TIER, Kind.CHALLENGE, Kind.REWARD_CATEGORY})


def known_claims(actor: Actor) -> "QuerySet[Claim]":
    """The claims of mechanisms that the actor may know of."""
    if actor.is_admin:
        return Claim.objects.all()
    known = known_mechanisms(actor).order_by()
    return Claim.objects.filter(mechanism_id__in=known.values("pk"))


def find_claim(claim_id: int, *, actor: Actor) -> Claim:
    """The one of this number. Raises ClaimUnknown, also where the actor may not know of it."""
    found = known_claims(actor).select_related("mechanism").filter(pk=claim_id).first()
    if found is None:
        raise ClaimUnknown(claim_id)
    return found


@transaction.atomic
def claim(
    mechanism: Mechanism,
    *,
    contact_id: int,
    cause: str,
    actor: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> Claim:
    """Let a member have a reward, or give him an offer; again by the same cause changes nothing.

    It can be used until `expires_at`; where that is not given an offer says for how many days, and
    nothing lasts longer than the mechanism. Raises ContactUnknown, MechanismUnknown, NotClaimable,
    NotEligible with the reason, PointsMissing, OutOfStock.
    """
    access.require(actor, "loyalty.claim_mechanism")
    _check_text(cause, "cause", CAUSE_LIMIT, is_required=True)
    contact = lock_contact(contact_id)
    mechanism = _read(mechanism, actor)
    if mechanism.kind in NOT_CLAIMABLE:
        message = _("“%(name)s” is of the kind “%(kind)s”, which nobody claims.")
        words = {"name": mechanism.name, "kind": mechanism.get_kind_display()}
        raise NotClaimable(message % words)
    known = Claim.objects.filter(contact_id=contact.pk, mechanism=mechanism, cause=cause).first()
    if known is not None:
        return known
    terms = terms_of(mechanism, at=at)
    _refuse_ineligible(terms, contact.pk, at=at)
    made = Claim.objects.create(
        contact_id=contact.pk,
        mechanism=mechanism,
        cause=cause,
        cost_points=mechanism.cost_points,
        expires_at=_end(mechanism, at=at, wanted=expires_at),
        at=at,
        actor_label=actor.label[:200],
    )
    if made.cost_points:
        points.spend_points(
            contact_id=contact.pk,
            points=made.cost_points,
            cause=points_cause(made),
            reason=mechanism.name,
            actor=actor,
            at=at,
        )
    _take_one(mechanism)
    _record("claimed", made, mechanism, {"cost_points": [None, made.cost_points]}, actor, at)
    announce_claim(made, at=at)
    return made


@transaction.atomic
def use(claim: Claim, *, actor: Actor, at: datetime) -> Claim:
    """Note that the member used what he has; again without effect.

    Raises ClaimRevoked, ClaimExpired.
    """
    held, mechanism = _hold(claim, actor)
    if held.state == State.USED:
        return held
    if held.state == State.REVOKED:
        raise ClaimRevoked(_("It was taken back, so that it cannot be used."))
    if held.expires_at is not None and at >= held.expires_at:
        raise ClaimExpired(_("It could be used until %(at)s.") % {"at": held.expires_at})
    held.state, held.used_at = State.USED, at
    held.save(update_fields=["state", "used_at"])
    _record("used", held, mechanism, {}, actor, at)
    return held


@transaction.atomic
def revoke(claim: Claim, *, reason: str, actor: Actor, at: datetime) -> Claim:
    """Take a claim back, once: its points go back, a bonus is taken, and the stock has one more.

    A bonus goes also where it is spent already: the member owes it then.
    """
    _check_text(reason, "reason", REASON_LIMIT)
    held, mechanism = _hold(claim, actor)
    if held.state == State.REVOKED:
        return held
    for posting in _postings(held):
        points.take_back(
            contact_id=posting.contact_id,
            posting_id=posting.id,
            reason=reason.strip() or mechanism.name,
            actor=actor,
            at=at,
            cause=f"{points_cause(held)}:revoked",
        )
    held.state, held.revoked_at = State.REVOKED, at
    held.reason = reason.strip()
    held.save(update_fields=["state", "revoked_at", "reason"])
    Mechanism.objects.filter(pk=mechanism.pk).update(claimed_count=F("claimed_count") - 1)
    _record("revoked", held, mechanism, {}, actor, at)
    announce_revoked(held, at=at)
    return held


def points_cause(claim: Claim) -> str:
    """By what the ledger of points knows what a claim cost, or brought."""
    return f"claim:{claim.pk}"


def holdings_of(
    contact_id: int, *, actor: Actor, at: datetime, kinds: Sequence[str] = ()
) -> "QuerySet[Claim]":
    """What a contact has and can still use, of mechanisms that the actor may know of."""
    held = known_claims(actor).filter(contact_id=contact_id, state=State.CLAIMED)
    if kinds:
        held = held.filter(mechanism__kind__in=kinds)
    return held.filter(Q(expires_at=None) | Q(expires_at__gt=at)).select_related("mechanism")


def _refuse_ineligible(terms: Terms, contact_id: int, *, at: datetime) -> None:
    # An offer that is only given, is given here.
    if terms.needs_assignment:
        terms = replace(terms, needs_assignment=False)
    found = judged(terms, facts_of(contact_id, [terms], at=at))
    if not found.eligible:
        raise NotEligible(found.message, reason=found.reason)


def _take_one(mechanism: Mechanism) -> None:
    """Take one of the stock. Raises OutOfStock where another took the last one meanwhile."""
    left = Q(stock=None) | Q(claimed_count__lt=F("stock"))
    there = Mechanism.objects.filter(left, pk=mechanism.pk, status=Mechanism.Status.ACTIVE)
    if not there.update(claimed_count=F("claimed_count") + 1):
        raise OutOfStock(str(WORDS[Reason.OUT_OF_STOCK]))


def _end(mechanism: Mechanism, *, at: datetime, wanted: datetime | None) -> datetime | None:
    """Until when it can be used."""
    if wanted is not None and wanted <= at:
        message = _("It would be over before it begins: “expires_at” is not later than now.")
        problem = Problem("expires_at", "too_early", message)
        raise InputInvalid(message, problems=[problem])
    days = mechanism.settings.get("valid_days") if mechanism.kind == Kind.OFFER else None
    own = wanted or (at + timedelta(days=days) if days else None)
    ends = mechanism.ends_at if mechanism.kind == Kind.OFFER else None
    return min((end for end in (own, ends) if end is not None), default=None)


def _postings(claim: Claim) -> list[PointsPosting]:
    """What the ledger has of a claim; the lines of a contact that was merged went over, too."""
    lines = PointsPosting.objects.filter(contact_id=claim.contact_id, reverses_id=None)
    return list(lines.filter(cause=points_cause(claim)))


def _read(mechanism: Mechanism, actor: Actor) -> Mechanism:
    """The mechanism as it is now."""
    found = with_restrictions(Mechanism.objects.filter(pk=mechanism.pk)).first()
    if found is None or not access.is_visible(found, actor):
        raise MechanismUnknown(mechanism.key)
    return found


def _hold(claim: Claim, actor: Actor) -> tuple[Claim, Mechanism]:
    """The claim as it is now and its mechanism; it is held with its contact."""
    access.require(actor, "loyalty.claim_mechanism")
    seen = find_claim(claim.pk, actor=actor)
    lock_contact(seen.contact_id)
    held = Claim.objects.select_for_update().get(pk=seen.pk)
    return held, seen.mechanism


def _check_text(text: str, path: str, limit: int, *, is_required: bool = False) -> None:
    text = text.strip()
    message = ""
    if is_required and not text:
        message = _("Say what it is for: one cause counts once.")
    elif len(text) > limit:
        message = _("At most %(limit)d characters.") % {"limit": limit}
    elif "\0" in text:
        message = _("The text holds a character that cannot be kept.")
    if message:
        raise InputInvalid(message, problems=[Problem(path, "invalid", message)])


def _record(
    verb: str,
    claim: Claim,
    mechanism: Mechanism,
    changes: Mapping[str, Any],
    actor: Actor,
    at: datetime,
) -> None:
    # Under the mechanism, so that who may not know of it finds nothing.
    audit.record(
        actor=actor,
        action=f"claim.{verb}",
        subject=mechanism,
        changes={"claim": [None, claim.pk], "contact": [None, claim.contact_id], **changes},
        at=at,
    )
