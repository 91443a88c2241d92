"""Distributions: who does this gets a card of that campaign. Made, changed, switched on and off.

draft → active ⇄ paused. An active one leaves a task for each contact whom its trigger names
(`distribution_tasks`), a round gives the cards and queues the messages (`distributing`). A paused
one collects nothing; what waits is done once it is active again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts import followed_events
from loyalty.distribution import distribution_settings as rules_of_settings
from loyalty.distribution import distribution_tasks
from loyalty.distribution.distribution_settings import (
    EVENT_OF,
    FIXED,
    OF_SEGMENTS,
    SETTINGS,
    told_of,
)
from loyalty.errors import (
    DistributionInvalid,
    DistributionNotDraft,
    DistributionNotManual,
    DistributionNotReady,
    DistributionUnknown,
)
from loyalty.gift_cards.campaigns import known_campaigns
from loyalty.gift_cards.publishing import why_closed
from loyalty.models import Campaign, Distribution
from segments.definitions import Faults, check_key, free_key
from segments.lifecycle import require_usable
from segments.membership import take_turn_to_read
from workspace import access, audit, locks
from workspace.access import SYSTEM, Actor

FOLLOWER = "distributions"
FAILURES_AT_MOST = 12
_LOCK = "loyalty distributions"
# What is told of a setting, by its name.
_PARTS = {"campaign": ("campaign",), "trigger": ("trigger", "trigger_key", "segment")}
_REASON_LIMIT = 500
State, Trigger = Distribution.State, Distribution.Trigger


def known_distributions(actor: Actor) -> "QuerySet[Distribution]":
    """Those whose campaign the actor may know of."""
    return Distribution.objects.filter(campaign__in=known_campaigns(actor))


def find_distribution(key: str, *, actor: Actor) -> Distribution:
    """The one of this key. Raises DistributionUnknown, also where the actor may not know of it."""
    found = known_distributions(actor).select_related("campaign", "segment").filter(key=key)
    distribution = found.first()
    if distribution is None:
        raise DistributionUnknown(key)
    return distribution


@transaction.atomic
def create_distribution(
    *, actor: Actor, at: datetime, key: str = "", is_demo: bool = False, **given: Any
) -> Distribution:
    """A draft of what `distribution_settings.SETTINGS` names; without a key one is made.

    Raises DistributionInvalid with every fault.
    """
    access.require(actor, "loyalty.add_distribution")
    _refuse_unknown(given)
    faults = Faults()
    locks.lock(_LOCK)
    if key:
        check_key(key, faults, model=Distribution)
    distribution = Distribution(created_at=at, is_demo=is_demo)
    needed = {"name": "", "trigger": None, "campaign": "", "channel": distribution.channel}
    rules_of_settings.apply(distribution, {**needed, **given}, actor, faults)
    _refuse(faults)
    distribution.key = key or free_key(distribution.name, actor=actor, model=Distribution)
    distribution.save(force_insert=True)
    _record("created", distribution, actor, at, audit.difference({}, told_of(distribution)))
    return distribution


@transaction.atomic
def update_distribution(
    distribution: Distribution, *, actor: Actor, at: datetime, **changes: Any
) -> Distribution:
    """Change what is named. Once it was active, its trigger and its campaign stay.

    What waits is done as it is now. Raises DistributionInvalid with every fault.
    """
    distribution = _hold(distribution, actor=actor, permission="loyalty.change_distribution")
    _refuse_unknown(changes)
    before, faults = told_of(distribution), Faults()
    rules_of_settings.apply(distribution, changes, actor, faults)
    after = told_of(distribution) if not faults.problems else before
    if distribution.activated_at is not None:
        for name in sorted(FIXED & changes.keys()):
            if any(before[part] != after[part] for part in _PARTS[name]):
                message = _("It has been active: this stays. Make another distribution.")
                faults.add(name, "fixed", message)
    _refuse(faults)
    if difference := audit.difference(before, after):
        distribution.save()
        _record("changed", distribution, actor, at, difference)
    return distribution


@transaction.atomic
def delete_distribution(distribution: Distribution, *, actor: Actor, at: datetime) -> None:
    """Delete a draft. Raises DistributionNotDraft for one that was ever active."""
    distribution = _hold(distribution, actor=actor, permission="loyalty.delete_distribution")
    if distribution.state != State.DRAFT:
        message = _("“%(name)s” has been active, and what it gave names it. Pause it instead.")
        raise DistributionNotDraft(message % {"name": distribution.name})
    _record("deleted", distribution, actor, at, audit.difference(told_of(distribution), {}))
    distribution.delete()


@transaction.atomic
def activate(distribution: Distribution, *, actor: Actor, at: datetime) -> Distribution:
    """Let it follow its trigger from now on, and do what waits; an active one stays as it is.

    With `include_present` those who are in the segment now are reached, too, each who was never.
    Raises DistributionNotReady, and what `require_usable` raises of its segment.
    """
    if distribution.segment_id is not None:
        # Who enters in this moment is found here or told of later, and never both or neither.
        take_turn_to_read(distribution.segment_id)
    distribution = _hold(distribution, actor=actor, permission="loyalty.activate_distribution")
    if distribution.state == State.ACTIVE:
        return distribution
    if distribution.trigger in OF_SEGMENTS and distribution.segment is not None:
        require_usable(distribution.segment, actor=SYSTEM)
    _require_ready(distribution, at)
    before = distribution.state
    distribution.state = State.ACTIVE
    distribution.activated_at = distribution.activated_at or at
    distribution.paused_reason, distribution.failures_in_a_row = "", 0
    _forget_waiting(distribution)
    distribution.save()
    _record("activated", distribution, actor, at, {"state": [before, State.ACTIVE]})
    if distribution.include_present:
        distribution_tasks.add_present(distribution, at=at)
    _follow_events()
    distribution_tasks.wake()
    return distribution


@transaction.atomic
def pause(distribution: Distribution, *, actor: Actor, at: datetime) -> Distribution:
    """Let it collect nothing and give nothing; what waits is done when it is active again.

    What is just being given is given still. One that is not active stays as it is.
    """
    distribution = _hold(distribution, actor=actor, permission="loyalty.activate_distribution")
    if distribution.state == State.ACTIVE:
        _pause(distribution, reason="", actor=actor, at=at)
    return distribution


@transaction.atomic
def pause_by_itself(distribution_id: int, *, reason: str, at: datetime) -> bool:
    """Pause one that cannot go on, with the reason that people are shown.

    False where it was not active.
    """
    held = Distribution.objects.select_for_update(of=("self",)).filter(pk=distribution_id)
    distribution = held.filter(state=State.ACTIVE).first()
    if distribution is None:
        return False
    _pause(distribution, reason=reason[:_REASON_LIMIT], actor=SYSTEM, at=at)
    return True


@transaction.atomic
def send(
    distribution: Distribution,
    *,
    actor: Actor,
    at: datetime,
    contact_id: int | None = None,
) -> int:
    """Give a card to everybody who is in the segment of a manual one now, or to one contact.

    How many were left to do: the round does them. Each sending counts for itself; what the
    campaign says of joining once holds. Raises DistributionNotManual, DistributionNotReady.
    """
    if distribution.segment_id is not None:
        take_turn_to_read(distribution.segment_id)
    distribution = _hold(distribution, actor=actor, permission="loyalty.activate_distribution")
    if distribution.trigger != Trigger.MANUAL:
        message = _("“%(name)s” follows what happens by itself: it is activated, not sent.")
        raise DistributionNotManual(message % {"name": distribution.name})
    if distribution.segment is not None and contact_id is None:
        require_usable(distribution.segment, actor=SYSTEM)
    if distribution.state == State.PAUSED:
        message = _("“%(name)s” is paused: activate it first.") % {"name": distribution.name}
        raise DistributionNotReady(message)
    if distribution.state == State.DRAFT:
        activate(distribution, actor=actor, at=at)
        distribution.refresh_from_db()
    _require_ready(distribution, at)
    if contact_id is None:
        count = distribution_tasks.add_members(distribution, at=at)
    else:
        count = distribution_tasks.add_contact(distribution, contact_id, at=at)
    _record("sent", distribution, actor, at, {"contacts": [None, count]})
    return count


@transaction.atomic
def retry(
    distribution: Distribution, *, actor: Actor, at: datetime, task_ids: Sequence[int] | None = None
) -> int:
    """Do tasks again that failed or were refused, all or the named ones; how many.

    It does not wait for codes any longer, but looks for them at once.
    """
    distribution = _hold(distribution, actor=actor, permission="loyalty.activate_distribution")
    _forget_waiting(distribution)
    distribution.save(update_fields=["waits_until", "waits_in_a_row", "waiting_reason"])
    count = distribution_tasks.ask_again(distribution, at=at, task_ids=task_ids)
    _record("retried", distribution, actor, at, {"tasks": [None, count]})
    return count


def note_failures(distribution_id: int, count: int, *, reason: str, at: datetime) -> None:
    """Count what failed since something went well; after too many in a row it pauses by itself."""
    held = Distribution.objects.select_for_update(of=("self",)).filter(pk=distribution_id)
    distribution = held.first()
    if distribution is None:
        return
    distribution.failures_in_a_row += count
    distribution.save(update_fields=["failures_in_a_row"])
    if distribution.failures_in_a_row >= FAILURES_AT_MOST and distribution.state == State.ACTIVE:
        words = {"count": distribution.failures_in_a_row, "reason": reason}
        message = _("%(count)d failed in a row, at last so: %(reason)s") % words
        _pause(distribution, reason=message[:_REASON_LIMIT], actor=SYSTEM, at=at)


def note_success(distribution_id: int) -> None:
    """Something went well: whatever failed before is over."""
    Distribution.objects.filter(pk=distribution_id, failures_in_a_row__gt=0).update(
        failures_in_a_row=0
    )


def _require_ready(distribution: Distribution, at: datetime) -> None:
    campaign: Campaign = distribution.campaign
    begins_later = campaign.starts_at is not None and at < campaign.starts_at
    is_awaited = begins_later and campaign.status == Campaign.Status.ACTIVE
    if not is_awaited and (message := why_closed(campaign, at)):
        raise DistributionNotReady(message)
    connection = distribution.connection
    if connection is not None and not connection.is_enabled:
        message = _("The connection “%(name)s” is disabled: enable it first.")
        raise DistributionNotReady(message % {"name": connection.name})
    _require_end(distribution)


def _require_end(distribution: Distribution) -> None:
    """Refuse a chain of campaigns each of whose cards brings one of the next, round and round."""
    if distribution.trigger != Trigger.PUBLICATION:
        return
    following: dict[str, set[str]] = {}
    others = Distribution.objects.filter(state=State.ACTIVE, trigger=Trigger.PUBLICATION)
    for before, after in others.values_list("trigger_key", "campaign__key"):
        following.setdefault(before, set()).add(after)
    reached, ahead = set[str](), [distribution.campaign.key]
    while ahead:
        key = ahead.pop()
        if key == distribution.trigger_key:
            message = _(
                "Each card would bring the next one, for ever: other distributions already lead"
                " from “%(campaign)s” back to “%(trigger)s”."
            )
            words = {"campaign": distribution.campaign.key, "trigger": key}
            raise DistributionNotReady(message % words)
        if key not in reached:
            reached.add(key)
            ahead += following.get(key, ())


def _pause(distribution: Distribution, *, reason: str, actor: Actor, at: datetime) -> None:
    distribution.state, distribution.paused_reason = State.PAUSED, reason
    _forget_waiting(distribution)
    distribution.save()
    changes = {"state": [State.ACTIVE, State.PAUSED]} | (
        {"reason": [None, reason]} if reason else {}
    )
    _record("paused", distribution, actor, at, changes)
    _follow_events()


def _forget_waiting(distribution: Distribution) -> None:
    distribution.waits_until, distribution.waits_in_a_row = None, 0
    distribution.waiting_reason = ""


def _follow_events() -> None:
    """Hear from now on of the events for which some distribution waits, and of no others."""
    locks.lock(_LOCK)
    active = Distribution.objects.filter(state=State.ACTIVE)
    names = set(active.filter(trigger=Trigger.EVENT).values_list("trigger_key", flat=True))
    kinds = set(active.filter(trigger__in=EVENT_OF).values_list("trigger", flat=True))
    followed_events.watch(FOLLOWER, names | {EVENT_OF[kind] for kind in kinds})


def _hold(distribution: Distribution, *, actor: Actor, permission: str) -> Distribution:
    """It as it is now, locked until the transaction ends."""
    access.require(actor, permission)
    rows = known_distributions(actor).select_for_update(of=("self",))
    rows = rows.select_related("campaign", "segment", "connection", "template")
    held = rows.filter(pk=distribution.pk).first()
    if held is None:
        raise DistributionUnknown(distribution.key)
    return held


def _refuse_unknown(given: dict[str, Any]) -> None:
    if unknown := given.keys() - set(SETTINGS):
        raise TypeError(f"Not known of a distribution: {', '.join(sorted(unknown))}.")


def _refuse(faults: Faults) -> None:
    if faults.problems:
        raise DistributionInvalid(faults.problems[0].message, problems=faults.problems)


def _record(
    verb: str, distribution: Distribution, actor: Actor, at: datetime, changes: dict[str, Any]
) -> None:
    action = f"distribution.{verb}"
    audit.record(actor=actor, action=action, subject=distribution, changes=changes, at=at)
