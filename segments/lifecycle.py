"""The life of a segment: created, changed, copied, active, inactive, archived.

Status says whether a segment may be used: active ⇄ inactive → archived. Archiving takes all
members out and cannot be undone. Every verb asks for its permission, and to people who may not
know of a segment answers as if there was none.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from segments import actions, announcements, contact_lists, health, indexes, membership, schedule
from segments.definitions import (
    SETTINGS,
    Faults,
    check_groups,
    check_key,
    check_settings,
    free_key,
    groups_of_copy,
)
from segments.documents import named_attributes
from segments.errors import (
    CriteriaRefused,
    SegmentArchived,
    SegmentNotCalculated,
    SegmentNotInactive,
    SegmentUnknown,
)
from segments.facts import parse_criteria
from segments.masks import Mask, mask_criteria
from segments.models import ContactList, MembershipChange, Segment, SegmentVersion
from segments.realtime import heartbeat, state
from segments.usability import require_usable as require_usable  # for the floors above
from segments.usability import usable_segments as usable_segments
from workspace import access, audit, locks, partitions
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem
from workspace.models import AuditEntry, User

_REFRESH = ("refresh_mode", "refresh_amount", "refresh_unit")


def known_segments(actor: Actor) -> "QuerySet[Segment]":
    """The segments that the actor may know of."""
    return access.visible(Segment.objects.all(), actor)


def find_segment(key: str, *, actor: Actor) -> Segment:
    """The segment of this key. Raises SegmentUnknown, also where the actor may not know of it."""
    segment = known_segments(actor).filter(key=key).first()
    if segment is None:
        raise SegmentUnknown(key)
    return segment


@transaction.atomic
def create_segment(
    *,
    actor: Actor,
    at: datetime,
    name: str,
    criteria: Any,
    key: str = "",
    description: str = "",
    groups: Iterable[str] = (),
    owner: User | None = None,
    members_only: bool = False,
    refresh_mode: str | None = None,
    refresh_amount: int | None = None,
    refresh_unit: str = "",
    readiness_hours: int | None = None,
    mail_findings: bool = False,
    source: str = Segment.Source.CRITERIA,
    is_demo: bool = False,
) -> Segment:
    """Make an active segment and request its first calculation.

    One of another `source` than criteria waits for the list of whom it is chosen from, and is
    refreshed once where nothing else is said; one from criteria follows its contacts.

    `groups` are names of user groups. Without a key one is made of the name; without an owner the
    person who makes it is. Raises InputInvalid with all faults (CriteriaRefused where the
    criteria have some).
    """
    access.require(actor, "segments.add_segment")
    faults = Faults()
    if owner is None and actor.kind == AuditEntry.ActorKind.USER and actor.id is not None:
        owner = User.objects.filter(pk=actor.id).first()
    if refresh_mode is None:
        follows = source == Segment.Source.CRITERIA
        refresh_mode = Segment.RefreshMode.REALTIME if follows else Segment.RefreshMode.ONCE
    kept = check_settings(
        {
            "name": name,
            "description": description,
            "owner": owner,
            "members_only": members_only,
            "refresh_mode": refresh_mode,
            "refresh_amount": refresh_amount,
            "refresh_unit": refresh_unit,
            "readiness_hours": readiness_hours,
            "mail_findings": mail_findings,
        },
        faults,
    )
    # Two people who choose the same key, or name each other's segments, take turns.
    locks.lock("segments definitions")
    if key:
        check_key(key, faults)
    chosen = check_groups(groups, actor, faults)
    _check_criteria(criteria, actor, faults)
    segment = Segment.objects.create(
        key=key or free_key(kept["name"], groups=chosen, actor=actor),
        criteria=criteria,
        created_at=at,
        source=source,
        is_demo=is_demo,
        **kept,
    )
    segment.groups.set(chosen)
    _add_version(segment, actor=actor, at=at)
    schedule.follow(segment)
    if named_attributes(criteria):
        indexes.request()
    audit.record(
        actor=actor,
        action="segment.created",
        subject=segment,
        changes=audit.difference({}, _told(segment, chosen)),
        at=at,
    )
    health.check_contradiction(segment, at=at)
    if segment.is_calculable:
        membership.queue_refresh(segment, actor=actor, cause="created", at=at)
        segment.refresh_from_db()
    return segment


@transaction.atomic
def take_list(segment: Segment, found: ContactList, *, actor: Actor, at: datetime) -> Segment:
    """Let a list be whom the members of a segment are chosen from, from the next calculation on.

    Another list than before is a new version of the segment. Raises SegmentArchived. For the
    transaction that fills the list; who may do so was asked when it was requested.
    """
    held = Segment.objects.select_for_update().get(pk=segment.pk)
    _refuse_archived(held)
    before = held.contact_list
    held.contact_list = found
    if before is None:
        held.versions.filter(number=held.version_number).update(contact_list=found)
    else:
        held.version_number += 1
        _add_version(held, actor=actor, at=at)
    held.failure, held.failed_at = "", None
    held.save()
    audit.record(
        actor=actor,
        action="segment.list_taken",
        subject=held,
        changes={
            "list": [before and before.title, found.title],
            "rows": [before and before.row_count, found.row_count],
            "matched": [before and before.matched_count, found.matched_count],
        },
        at=at,
    )
    return held


def hold_to_change(segment: Segment, *, actor: Actor) -> Segment:
    """The segment as it is now, locked until the transaction ends, for who may change it.

    Raises NotAllowed, SegmentUnknown or SegmentArchived.
    """
    held = _hold(segment, actor=actor, permission="segments.change_segment")
    _refuse_archived(held)
    return held


@transaction.atomic
def update_segment(segment: Segment, *, actor: Actor, at: datetime, **changes: Any) -> Segment:
    """Change what is named in `changes`, as `create_segment` names it; the key stays for ever.

    Other criteria make a new version and request a calculation; what is equal to what was there
    changes nothing. Of the three settings of the refresh those not named stay. Raises
    SegmentArchived, or InputInvalid with all faults.
    """
    segment = _hold(segment, actor=actor, permission="segments.change_segment")
    _refuse_archived(segment)
    unknown = changes.keys() - {*SETTINGS, "criteria", "groups"}
    if unknown:
        raise TypeError(f"A segment's {', '.join(sorted(unknown))} cannot be changed.")
    faults = Faults()
    groups_before = list(segment.groups.all())
    before = _told(segment, groups_before)
    if any(name in changes for name in _REFRESH):
        changes = {**{name: getattr(segment, name) for name in _REFRESH}, **changes}
    kept = check_settings(changes, faults)
    groups = groups_before
    if "groups" in changes:
        groups = check_groups(changes["groups"], actor, faults, segment=segment)
    attributes_before = named_attributes(segment.criteria)
    mask, criteria = Mask(actor), changes.get("criteria")
    is_new_version = "criteria" in changes and not mask.is_unchanged(criteria, segment.criteria)
    if is_new_version:
        _refuse_other_source(segment)
        locks.lock("segments definitions")
        criteria = mask.lifted(criteria, segment.criteria)
        _check_criteria(criteria, actor, faults, segment=segment)
        segment.criteria = criteria
        segment.version_number += 1
    _refuse(faults)
    for name, value in kept.items():
        setattr(segment, name, value)
    after = _told(segment, groups)
    difference = audit.difference(before, after)
    if not difference:
        return segment
    segment.save()
    segment.groups.set(groups)
    if is_new_version:
        _add_version(segment, actor=actor, at=at)
    schedule.follow(segment)
    if named_attributes(segment.criteria) != attributes_before:
        indexes.request()
    audit.record(actor=actor, action="segment.updated", subject=segment, changes=difference, at=at)
    is_other = bool(difference.keys() & {"criteria", "members_only"})
    if is_other:
        health.check_contradiction(segment, at=at)
    if is_other or "refresh_mode" in difference:
        _stop_following(segment, at=at)
    # To follow its contacts a segment begins with a full refresh.
    is_due = is_other or ("refresh_mode" in difference and state.may_follow(segment))
    if is_due and _is_active(segment) and segment.is_calculable:
        membership.queue_refresh(segment, actor=actor, cause="criteria", at=at)
        segment.refresh_from_db()
    return segment


@transaction.atomic
def copy_segment(
    segment: Segment,
    *,
    actor: Actor,
    at: datetime,
    name: str = "",
    key: str = "",
    groups: Iterable[str] | None = None,
) -> Segment:
    """Make an active segment like this one, of any status, that belongs to the actor.

    Without `groups` it keeps those of its user groups that the actor may choose; where that is
    none and one is required, it gets the actor's own group if he has only one. Criteria that name
    a segment that the actor may not know of cannot be copied: raises CriteriaRefused. Actions are
    not copied.
    """
    segment = _hold(segment, actor=actor, permission="segments.view_segment")
    if not segment.is_calculable:
        message = _("Segment “%(name)s” cannot be copied before the list of its members is read.")
        raise SegmentNotCalculated(message % {"name": segment.name})
    copied = _("%(name)s (copy)") % {"name": segment.name[:190]}
    settings = {name: getattr(segment, name) for name in SETTINGS if name not in {"name", "owner"}}
    made = create_segment(
        actor=actor,
        at=at,
        name=name or copied,
        key=key,
        criteria=mask_criteria(segment.criteria, actor),
        groups=groups_of_copy(segment, actor) if groups is None else groups,
        source=segment.source,
        **settings,
    )
    if segment.contact_list is not None:
        found = contact_lists.copy_list(segment.contact_list, to=made, at=at)
        made = take_list(made, found, actor=actor, at=at)
        membership.queue_refresh(made, actor=actor, cause="created", at=at)
        made.refresh_from_db()
    return made


@transaction.atomic
def activate(segment: Segment, *, actor: Actor, at: datetime) -> Segment:
    """Let an inactive segment be used and refreshed again; an active one stays as it is.

    One that follows its contacts is refreshed at once, and follows them from then on.
    Raises SegmentArchived.
    """
    segment = _hold(segment, actor=actor, permission="segments.inactivate_segment")
    _refuse_archived(segment)
    if not _is_active(segment):
        _set_status(segment, Segment.Status.ACTIVE, actor=actor, action="activated", at=at)
        if state.may_follow(segment):
            membership.queue_refresh(segment, actor=actor, cause="activated", at=at)
            segment.refresh_from_db()
    return segment


@transaction.atomic
def inactivate(segment: Segment, *, actor: Actor, at: datetime) -> Segment:
    """Take a segment out of use: it keeps its members and is refreshed no more.

    A refresh that waits or runs is cancelled, and what is planned on it is refused. Raises
    SegmentArchived.
    """
    segment = _hold(segment, actor=actor, permission="segments.inactivate_segment")
    _refuse_archived(segment)
    if _is_active(segment):
        membership.cancel_refresh(segment, actor=actor, at=at)
        segment.refresh_requested_at = None
        _set_status(segment, Segment.Status.INACTIVE, actor=actor, action="inactivated", at=at)
        actions.refuse_planned(segment, reason=_("The segment was set inactive."), at=at)
    return segment


@transaction.atomic
def cancel_calculation(segment: Segment, *, actor: Actor, at: datetime) -> Segment:
    """End the calculation that waits or runs: who was in stays in, as of the last one.

    One that runs ends as soon as its worker notices. The clock begins it again only at its next
    moment. Where none waits or runs nothing happens.
    """
    segment = _hold(segment, actor=actor, permission="segments.refresh_segment")
    if segment.refresh_requested_at is None:
        return segment
    membership.cancel_refresh(segment, actor=actor, at=at)
    if not membership.is_running(segment):
        segment.refresh_requested_at = None
        segment.failed_at = at
        segment.save(update_fields=["refresh_requested_at", "failed_at", "updated_at"])
    return segment


@transaction.atomic
def archive(segment: Segment, *, actor: Actor, at: datetime) -> Segment:
    """Take an inactive segment away for ever: all members leave, the history stays.

    Raises SegmentNotInactive for an active one, SegmentArchived for an archived one, SegmentBusy
    while a refresh that was cancelled is still ending.
    """
    access.require(actor, "segments.archive_segment")
    _refuse_unarchivable(_seen(segment, actor=actor))
    membership.take_turn_to_remove(segment)
    segment = _hold(segment, actor=actor, permission="segments.archive_segment")
    _refuse_unarchivable(segment)
    partitions.ensure_months(MembershipChange._meta.db_table, [at])
    membership.remove_all(segment, at=at, cause="archived")
    contact_lists.forget(segment, at=at)
    segment.refresh_requested_at = None
    segment.member_count = 0
    _set_status(segment, Segment.Status.ARCHIVED, actor=actor, action="archived", at=at)
    actions.refuse_planned(segment, reason=_("The segment was archived."), at=at)
    announcements.tell_archived(segment, at=at)
    return segment


def _seen(segment: Segment, *, actor: Actor) -> Segment:
    """The segment as it is now, not locked."""
    seen = Segment.objects.filter(pk=segment.pk).first()
    if seen is None or not access.is_visible(seen, actor):
        raise SegmentUnknown(segment.key)
    return seen


def _hold(segment: Segment, *, actor: Actor, permission: str) -> Segment:
    """The segment as it is now, locked until the transaction ends."""
    access.require(actor, permission)
    held = Segment.objects.select_for_update().filter(pk=segment.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise SegmentUnknown(segment.key)
    return held


def _is_active(segment: Segment) -> bool:
    return segment.status == Segment.Status.ACTIVE


def _refuse_archived(segment: Segment) -> None:
    if segment.status == Segment.Status.ARCHIVED:
        raise SegmentArchived(
            _("Segment “%(name)s” is archived, and stays so.") % {"name": segment.name},
            key=segment.key,
        )


def _refuse_other_source(segment: Segment) -> None:
    if segment.source != Segment.Source.CRITERIA:
        message = _(
            "The members of segment “%(name)s” come from a list: its criteria stay empty. To narrow"
            " it, make a segment whose criteria name it."
        ) % {"name": segment.name}
        raise InputInvalid(message, problems=[Problem("criteria", "not_from_criteria", message)])


def _refuse_unarchivable(segment: Segment) -> None:
    _refuse_archived(segment)
    if _is_active(segment):
        raise SegmentNotInactive(
            _("Segment “%(name)s” is active. Inactivate it first.") % {"name": segment.name},
            key=segment.key,
        )


def _refuse(faults: Faults, refused: CriteriaRefused | None = None) -> None:
    if refused is not None:
        refused.problems = (*faults.problems, *refused.problems)
        raise refused
    if faults.problems:
        first: Problem = faults.problems[0]
        raise InputInvalid(first.message, problems=faults.problems)


def _check_criteria(
    criteria: Any, actor: Actor, faults: Faults, *, segment: Segment | None = None
) -> None:
    """Raise CriteriaRefused, or what else was found so far."""
    refused = None
    try:
        parse_criteria(criteria, actor, segment=segment)
    except CriteriaRefused as error:
        refused = error
    _refuse(faults, refused)


def _add_version(segment: Segment, *, actor: Actor, at: datetime) -> None:
    SegmentVersion.objects.create(
        segment=segment,
        number=segment.version_number,
        criteria=segment.criteria,
        contact_list=segment.contact_list,
        author=actor.label[:200],
        created_at=at,
    )


def _set_status(
    segment: Segment, status: Segment.Status, *, actor: Actor, action: str, at: datetime
) -> None:
    changes = {"status": [str(segment.status), str(status)]}
    if status != Segment.Status.ACTIVE:
        _stop_following(segment, at=at)
    segment.status = status
    segment.save()
    schedule.follow(segment)
    if named_attributes(segment.criteria):
        indexes.request()
    audit.record(actor=actor, action=f"segment.{action}", subject=segment, changes=changes, at=at)


def _stop_following(segment: Segment, *, at: datetime) -> None:
    heartbeat.record_pending(segment, at=at)
    state.stop([segment.pk])


def _told(segment: Segment, groups: Sequence[Group]) -> dict[str, Any]:
    """What the audit trail tells of a segment."""
    told: dict[str, Any] = {name: getattr(segment, name) for name in (*SETTINGS, "criteria")}
    told["owner"] = str(segment.owner) if segment.owner else None
    told["groups"] = sorted(group.name for group in groups)
    return told
