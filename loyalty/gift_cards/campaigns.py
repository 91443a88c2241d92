"""Gift-card campaigns: made, changed, switched on and off, deleted, found."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from loyalty.errors import CampaignInUse, CampaignNameTaken, CampaignPublished, CampaignUnknown
from loyalty.gift_cards import campaign_settings as rules_of_settings
from loyalty.gift_cards import campaign_uses, card_expiry, codes
from loyalty.models import (
    Campaign,
    CodeBatch,
    Holdout,
    Publication,
    Redemption,
    RuleAssignment,
    Voucher,
    VoucherLock,
)
from loyalty.money import money
from workspace import access, audit, locks, sql
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem

_LOCK = "loyalty campaigns"
_REFILL_COUNT: int = Campaign._meta.get_field("refill_count").get_default()
# What holds for codes that are there already, so that nobody's card changes its worth.
_FIXED_WITH_CODES = ("currency",)


def known_campaigns(actor: Actor) -> "QuerySet[Campaign]":
    """Those that the actor may know of."""
    return access.visible(Campaign.objects.all(), actor)


def find_campaign(named: str | int, *, actor: Actor) -> Campaign:
    """The campaign of this key, name or id.

    The key comes first, then the name. Raises CampaignUnknown, also where the actor may not know
    of it.
    """
    known = known_campaigns(actor)
    text = str(named)
    found = known.filter(key=text).first() or known.filter(name=text).first()
    if found is None and text.isascii() and text.isdigit() and len(text) < 10:
        found = known.filter(pk=int(text)).first()
    if found is None:
        raise CampaignUnknown(named)
    return found


def find_by_key(key: str, *, actor: Actor) -> Campaign:
    """The campaign of exactly this key. Raises CampaignUnknown as above."""
    found = known_campaigns(actor).filter(key=key).first()
    if found is None:
        raise CampaignUnknown(key)
    return found


@transaction.atomic
def create_campaign(
    *,
    actor: Actor,
    at: datetime,
    name: str = "",
    amount_minor: int | None = None,
    key: str = "",
    groups: Iterable[str] = (),
    vouchers_count: int = 0,
    status: str = Campaign.Status.ACTIVE,
    is_demo: bool = False,
    **settings: Any,
) -> Campaign:
    """Make a campaign and, where `vouchers_count` says so, have a worker make its codes.

    `groups` are names of user groups; without a key one is made of the name. `settings` are those
    of `campaign_settings.SETTINGS`. Raises InputInvalid with all faults, CampaignNameTaken.
    """
    access.require(actor, "loyalty.add_campaign")
    _refuse_unknown(settings)
    problems: list[Problem] = []
    given = {"name": name, "amount_minor": amount_minor, **settings}
    given.setdefault("code_config", {})
    kept = rules_of_settings.check_settings(given, problems)
    if key:
        rules_of_settings.check_key(key, problems)
    chosen = rules_of_settings.check_groups(groups, actor, problems)
    if status not in Campaign.Status.values:
        message = _("A campaign is “draft”, “active” or “disabled”.")
        problems.append(Problem("status", "invalid_choice", message))
    _check_count(vouchers_count, problems)
    refilled = kept.get("refill_count", _REFILL_COUNT) if kept.get("refill") else 0
    wanted = max(vouchers_count, refilled, 1)
    pattern = rules_of_settings.check_codes(_mapping(kept["code_config"]), wanted, problems)
    _refuse(problems)
    if pattern is not None:
        kept["code_config"] = pattern.document()
    locks.lock(_LOCK)
    _refuse_taken(kept["name"])
    campaign = Campaign.objects.create(
        key=key or rules_of_settings.free_key(kept["name"], chosen, actor),
        status=status,
        created_at=at,
        is_demo=is_demo,
        **kept,
    )
    campaign.groups.set(chosen)
    told = audit.difference({}, _told(campaign, chosen))
    audit.record(actor=actor, action="campaign.created", subject=campaign, changes=told, at=at)
    if vouchers_count:
        # Who may make a campaign may say how many codes it has from the beginning.
        codes.request_generation(campaign, vouchers_count, actor=actor, at=at)
        campaign.refresh_from_db()
    return campaign


@transaction.atomic
def update_campaign(campaign: Campaign, *, actor: Actor, at: datetime, **changes: Any) -> Campaign:
    """Change what is named; the key stays for ever, and the currency once there are codes.

    Codes that are there keep their worth, their pattern and the time until which they are valid.
    Raises CampaignUnknown, CampaignNameTaken, and InputInvalid with all faults.
    """
    campaign = hold(campaign, actor=actor, permission="loyalty.change_campaign")
    _refuse_unknown({name: value for name, value in changes.items() if name != "groups"})
    problems: list[Problem] = []
    groups = list(campaign.groups.all())
    before = _told(campaign, groups)
    kept = rules_of_settings.check_settings(changes, problems, campaign=campaign)
    if "groups" in changes:
        groups = rules_of_settings.check_groups(
            changes["groups"], actor, problems, campaign=campaign
        )
    if "code_config" in kept:
        pattern = rules_of_settings.check_codes(
            _mapping(kept["code_config"]), max(campaign.voucher_count, 1), problems
        )
        if pattern is not None:
            kept["code_config"] = pattern.document()
    for name in _FIXED_WITH_CODES:
        if campaign.voucher_count and kept.get(name, getattr(campaign, name)) != getattr(
            campaign, name
        ):
            message = _("There are codes already: this cannot be changed any more.")
            problems.append(Problem(name, "fixed", message))
    _refuse(problems)
    if kept.get("name", campaign.name) != campaign.name:
        locks.lock(_LOCK)
        _refuse_taken(kept["name"], but=campaign)
    for name, value in kept.items():
        setattr(campaign, name, value)
    difference = audit.difference(before, _told(campaign, groups))
    if difference:
        campaign.save(update_fields=[*kept, "updated_at"])
        campaign.groups.set(groups)
        audit.record(
            actor=actor, action="campaign.updated", subject=campaign, changes=difference, at=at
        )
        codes.wake_refill()
    if "ends_at" in difference:
        card_expiry.reinstate_cards(campaign.pk, actor_label=actor.label, at=at)
    return campaign


def activate_campaign(campaign: Campaign, *, actor: Actor, at: datetime) -> Campaign:
    """Let the campaign give codes, and its cards pay again. Raises CampaignUnknown."""
    return _switch(campaign, Campaign.Status.ACTIVE, "activated", actor=actor, at=at)


def disable_campaign(campaign: Campaign, *, actor: Actor, at: datetime) -> Campaign:
    """Let the campaign give no codes, and none of its cards pay. Raises CampaignUnknown."""
    return _switch(campaign, Campaign.Status.DISABLED, "disabled", actor=actor, at=at)


def consequence_of_deletion(campaign: Campaign) -> str:
    """What is destroyed with a campaign, in one sentence."""
    worth = sql.one(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM loyalty_codebatch"
        " WHERE campaign_id = %s",
        [campaign.pk],
    )
    return _(
        "The campaign “%(name)s” is destroyed with its %(codes)s codes worth %(worth)s, none of"
        " which was given to anybody. This cannot be undone."
    ) % {
        "name": campaign.name,
        "codes": f"{campaign.voucher_count:,}",
        "worth": money(worth, campaign.currency),
    }


def is_used(campaign: Campaign) -> bool:
    """Whether a code of it was ever given to a contact, held by a session or used."""
    return bool(
        Publication.objects.filter(campaign=campaign).exists()
        or Voucher.objects.filter(campaign=campaign, published_at__isnull=False).exists()
        or Redemption.objects.filter(voucher__campaign=campaign).exists()
        or VoucherLock.objects.filter(voucher__campaign=campaign).exists()
        or sql.one(
            "SELECT true FROM loyalty_cardposting WHERE campaign_id = %s AND kind <> 'issue'"
            " LIMIT 1",
            [campaign.pk],
        )
    )


@transaction.atomic
def delete_campaign(campaign: Campaign, *, actor: Actor, at: datetime) -> None:
    """Destroy a campaign none of whose codes was ever given to a contact or used.

    Its codes and their postings go with it. Raises CampaignUnknown, CampaignPublished,
    CampaignInUse, and CampaignBusy while codes are being made.
    """
    campaign = hold(campaign, actor=actor, permission="loyalty.delete_campaign")
    codes.refuse_while_busy(campaign)
    if is_used(campaign):
        message = _(
            "Codes of “%(name)s” were given to contacts or used: disable it instead. What happened"
            " with its money stays on record."
        )
        raise CampaignPublished(message % {"name": campaign.name})
    if names := campaign_uses.uses_of(campaign):
        message = _("Codes of “%(name)s” are given by %(uses)s: change or delete that first.")
        uses = ", ".join(f"“{name}”" for name in names)
        raise CampaignInUse(message % {"name": campaign.name, "uses": uses})
    told = audit.difference(_told(campaign, list(campaign.groups.all())), {})
    told["codes"] = [campaign.voucher_count, None]
    audit.record(actor=actor, action="campaign.deleted", subject=campaign, changes=told, at=at)
    Holdout.objects.filter(campaign=campaign).delete()
    RuleAssignment.objects.filter(voucher__campaign=campaign).delete()
    sql.execute("DELETE FROM loyalty_cardposting WHERE campaign_id = %s", [campaign.pk])
    sql.execute("DELETE FROM loyalty_voucher WHERE campaign_id = %s", [campaign.pk])
    CodeBatch.objects.filter(campaign=campaign).delete()
    campaign.delete()


def hold(campaign: Campaign, *, actor: Actor, permission: str) -> Campaign:
    """The campaign as it is now, locked until the transaction ends. Raises CampaignUnknown."""
    access.require(actor, permission)
    held = Campaign.objects.select_for_update().filter(pk=campaign.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise CampaignUnknown(campaign.key)
    return held


@transaction.atomic
def _switch(
    campaign: Campaign, status: Campaign.Status, verb: str, *, actor: Actor, at: datetime
) -> Campaign:
    campaign = hold(campaign, actor=actor, permission="loyalty.change_campaign")
    if campaign.status == status:
        return campaign
    changes = {"status": [campaign.status, status.value]}
    campaign.status = status
    campaign.save(update_fields=["status", "updated_at"])
    audit.record(actor=actor, action=f"campaign.{verb}", subject=campaign, changes=changes, at=at)
    if status == Campaign.Status.ACTIVE:
        codes.wake_refill()
    return campaign


def _told(campaign: Campaign, groups: Iterable[Group]) -> dict[str, Any]:
    """What the audit trail tells of it."""
    told = {name: getattr(campaign, name) for name in rules_of_settings.SETTINGS}
    return {**told, "status": campaign.status, "groups": sorted(group.name for group in groups)}


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    if unknown := settings.keys() - set(rules_of_settings.SETTINGS):
        raise TypeError(f"A campaign has no {', '.join(sorted(unknown))} to be set.")


def _refuse_taken(name: str, *, but: Campaign | None = None) -> None:
    others = Campaign.objects.filter(name=name)
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise CampaignNameTaken(_("This name cannot be used. Choose another one."), name=name)


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)


def _check_count(count: Any, problems: list[Problem]) -> None:
    limit = rules_of_settings.CODES_LIMIT
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= limit:
        message = _("It is a whole number from 0 to %(limit)d.") % {"limit": limit}
        problems.append(Problem("vouchers_count", "out_of_range", message))


def _mapping(value: Any) -> Mapping[str, Any]:
    """`value`, where it is an object; what is none has every key wrong."""
    return value if isinstance(value, Mapping) else {"code_config": value}
