"""Codes given to contacts: one code to one contact, whoever asks, however often and at once.

`publish` gives one and raises what stands against it; `publish_many` gives thousands in a few
statements, and says for each contact what became of it. Both write the contact's event, tell who
listens, and call who is registered, in one transaction.

A `source_id` counts once in the workspace: whoever repeats it gets the publication that there is,
as with Voucherify. Where the campaign may be joined once, so does the contact who has a code.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.events import share_recording
from contacts.profiles import get_contact
from loyalty.errors import (
    CustomerRulesViolated,
    NoVoucherSuitable,
    PublicationRefused,
    PublicationUnknown,
    VoucherAlreadyPublished,
    VoucherUnknown,
)
from loyalty.gift_cards import campaigns, codes, publishing
from loyalty.gift_cards.publishing import Published, Terms, Wish, why_closed
from loyalty.models import Campaign, Distribution, Publication, Voucher
from workspace import access, audit, locks
from workspace.access import SYSTEM, Actor
from workspace.errors import InputInvalid, Problem
from workspace.models import AuditEntry

__all__ = [
    "Published",
    "Wish",
    "find_publication",
    "known_publications",
    "note_failure",
    "publish",
    "publish_many",
    "register_consumer",
    "unregister_consumer",
    "why_closed",
]
TEXT_LIMITS = {"source_id": 200, "channel": 40, "tracking_id": 120}
# Voucherify's keys, and what raises them.
_ERRORS: Mapping[str, type[PublicationRefused]] = {
    error.code: error for error in (NoVoucherSuitable, VoucherAlreadyPublished)
}


def known_publications(actor: Actor) -> "QuerySet[Publication]":
    """Those of campaigns that the actor may know of."""
    return Publication.objects.filter(campaign__in=campaigns.known_campaigns(actor))


def find_publication(publication_id: int, *, actor: Actor) -> Publication:
    """One publication. Raises PublicationUnknown, also where the actor may not know of it."""
    found = known_publications(actor).select_related("campaign", "voucher", "contact")
    publication = found.filter(pk=publication_id).first()
    if publication is None:
        raise PublicationUnknown(publication_id)
    return publication


def publish(
    *,
    campaign: Campaign | str | int | None = None,
    contact_id: int,
    source_id: str | None = None,
    channel: str = "",
    metadata: Mapping[str, Any] | None = None,
    tracking_id: str = "",
    distribution: Distribution | None = None,
    voucher_code: str | None = None,
    join_once: bool | None = None,
    actor: Actor,
    at: datetime,
) -> Publication:
    """Give a contact a code of a campaign, or the code that is named.

    What there is already is returned: for a known `source_id`, and for who has a code of a campaign
    that may be joined once (or with `join_once`). Compare its `at` to see whether it is new.

    Raises CampaignUnknown, VoucherUnknown, ContactUnknown, InputInvalid; and PublicationRefused
    where the campaign gives none (NoVoucherSuitable), the code is somebody's
    (VoucherAlreadyPublished) or a rule says no (CustomerRulesViolated). Such a refusal is put on
    record; where the caller's transaction is rolled back, it has to call `note_failure` again.
    """
    access.require(actor, "loyalty.publish_campaign")
    wish = Wish(contact_id, source_id or None, dict(metadata or {}), tracking_id)
    _check_texts(wish, channel)
    terms = Terms(channel=channel, distribution=distribution, join_once=join_once, actor=actor)
    try:
        with transaction.atomic():
            return _publish(campaign, wish, terms, voucher_code, at=at)
    except PublicationRefused as refused:
        with transaction.atomic():
            note_failure(refused, at=at)
        raise


def publish_many(
    campaign: Campaign,
    wishes: Sequence[Wish],
    *,
    distribution: Distribution | None = None,
    channel: str = "",
    join_once: bool | None = None,
    with_holdout: bool = True,
    actor: Actor = SYSTEM,
    at: datetime,
) -> list[Published]:
    """Give many contacts a code each, in the caller's transaction; one answer for each wish.

    Nothing is raised for a contact that gets none: its answer has the `problem` (Voucherify's key,
    or `joined_already`, `held_out`, `contact_unknown`). A share of the contacts that the campaign
    sets aside gets nothing on purpose. The number of statements does not grow with the wishes.
    """
    if not wishes:
        return []
    terms = Terms(
        channel=channel,
        distribution=distribution,
        join_once=join_once,
        actor=actor,
        with_holdout=with_holdout,
        keeps_failures=True,
    )
    share_recording()
    campaign = Campaign.objects.get(pk=campaign.pk)
    return publishing.give(campaign, wishes, terms, at=at)


def note_failure(refused: PublicationRefused, *, at: datetime) -> Publication | None:
    """Put a refusal of `publish` on record, and tell who listens; None where nobody was found."""
    if refused.campaign_id is None or refused.contact_id is None:
        return None
    campaign = Campaign.objects.filter(pk=refused.campaign_id).first()
    wish, terms = refused.context["wish"], refused.context["terms"]
    if campaign is None:
        return None
    answer = Published(wish, refused.contact_id, problem=refused.code, message=str(refused))
    [publication_id] = publishing.keep_failures(campaign, [answer], terms, at=at)
    return Publication.objects.get(pk=publication_id)


def register_consumer(name: str, consume: publishing.Consume) -> None:
    """Have `consume` called with what was published, in the same transaction. May be called again.

    It gets the campaign, the answers that are new, and the instant.
    """
    publishing.consumers[name] = consume


def unregister_consumer(name: str) -> None:
    """Have it called no more."""
    publishing.consumers.pop(name, None)


def _publish(
    named: Campaign | str | int | None,
    wish: Wish,
    terms: Terms,
    voucher_code: str | None,
    *,
    at: datetime,
) -> Publication:
    actor = terms.actor
    # Whoever records events takes this first; later it could wait for an erasure that waits for us.
    share_recording()
    voucher = _voucher(voucher_code, actor) if voucher_code else None
    campaign = _campaign(named, voucher, actor)
    contact_id = get_contact(wish.contact_id).pk
    if wish.source_id:
        locks.lock(f"publication {wish.source_id}")
    [answer] = publishing.give(campaign, [wish], terms, at=at, voucher=voucher)
    if answer.publication_id is None:
        raise _refusal(answer, campaign, contact_id, terms)
    publication = Publication.objects.select_related("campaign", "voucher", "contact").get(
        pk=answer.publication_id
    )
    if not access.is_visible(publication.campaign, actor):
        message = _("The source id “%(source_id)s” was used for something else.")
        problem = Problem("source_id", "unavailable", message % {"source_id": wish.source_id})
        raise InputInvalid(problem.message, problems=[problem])
    if answer.is_new and actor.kind == AuditEntry.ActorKind.USER:
        audit.record(
            actor=actor,
            action="publication.created",
            subject=publication,
            label=f"{campaign.name} → {contact_id}",
            at=at,
        )
    return publication


def _voucher(code: str, actor: Actor) -> Voucher:
    normal = codes.normal_code(code)
    found = Voucher.objects.select_related("campaign").filter(code=normal).first()
    if found is None or not access.is_visible(found.campaign, actor):
        raise VoucherUnknown(code)
    return found


def _campaign(
    named: Campaign | str | int | None, voucher: Voucher | None, actor: Actor
) -> Campaign:
    if named is None:
        if voucher is None:
            message = _("Name a campaign, or the code of a voucher.")
            problem = Problem("campaign", "required", message)
            raise InputInvalid(message, problems=[problem])
        return voucher.campaign
    if isinstance(named, Campaign):
        campaign = campaigns.find_campaign(named.key, actor=actor)
    else:
        campaign = campaigns.find_campaign(named, actor=actor)
    if voucher is not None and voucher.campaign_id != campaign.pk:
        raise VoucherUnknown(voucher.code)
    return campaign


def _refusal(
    answer: Published, campaign: Campaign, contact_id: int, terms: Terms
) -> PublicationRefused:
    error = _ERRORS.get(answer.problem, CustomerRulesViolated)
    refused = error(answer.message, wish=answer.wish, terms=terms)
    # A rule may refuse for the order or the customer.
    refused.code = answer.problem
    refused.campaign_id, refused.contact_id = campaign.pk, contact_id
    return refused


def _check_texts(wish: Wish, channel: str) -> None:
    given = {"source_id": wish.source_id, "channel": channel, "tracking_id": wish.tracking_id}
    problems = []
    for name, limit in TEXT_LIMITS.items():
        if len(given[name] or "") > limit:
            message = _("At most %(limit)d characters.") % {"limit": limit}
            problems.append(Problem(name, "too_long", message))
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
