"""What an action would do, said before it is done: whom it changes, when, what to beware of."""

from collections.abc import Callable, Mapping
from datetime import datetime

from django.db import OperationalError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import action_undo, action_writes, actions
from segments.action_writes import CONSENTS, LABELS
from segments.models import Segment, SegmentAction
from segments.realtime import state
from segments.schedule import next_refresh_at
from workspace import sql
from workspace.admin.pictures import number

Kind, Timing = SegmentAction.Kind, SegmentAction.Timing
_LOOK_LIMIT = {"statement_timeout": "3s"}
_SKIPPED: Mapping[str, Callable[[int], str]] = {
    action_writes.WITHDRAWN: lambda count: ngettext(
        "%(count)s withdrew it and stays so", "%(count)s withdrew it and stay so", count
    ),
    action_writes.NEWER: lambda count: ngettext(
        "%(count)s has a newer entry, which stands",
        "%(count)s have a newer entry, which stands",
        count,
    ),
    action_writes.ERASED: lambda count: ngettext(
        "%(count)s was erased", "%(count)s were erased", count
    ),
}


def foreseen(plan: actions.Plan, segment: Segment, *, at: datetime) -> tuple[list[str], list[str]]:
    """What an action would do, in sentences, and what to beware of."""
    sentences, warnings = [_effect(plan, segment, at=at)], []
    if not plan.is_defined:
        sentences.append(_("“%(key)s” does not exist yet: it is made.") % {"key": plan.key})
    is_ready = segment.calculation_state(at=at) == Segment.CalculationState.READY
    if plan.timing == Timing.AFTER_REFRESH:
        sentences.append(_("It is done after each refresh, from the next one on."))
        if segment.refresh_every is None and segment.refresh_mode != "realtime":
            warnings.append(
                _("This segment is not refreshed by the clock: it runs when somebody refreshes it.")
            )
    elif plan.planned_for is not None:
        moment = date_format(timezone.localtime(plan.planned_for), "DATETIME_FORMAT")
        sentences.append(
            _("It is done on %(time)s, with whoever is in the segment then.") % {"time": moment}
        )
        warnings += _expiry_warning(segment, plan.planned_for)
    elif not is_ready:
        sentences.append(_("It waits until the segment has been calculated."))
    else:
        sentences.append(_("It begins at once."))
    if plan.kind in CONSENTS:
        sentences.append(_("Lines of a ledger are never deleted: this cannot be undone."))
    elif plan.kind in LABELS:
        sentences.append(
            _("It can be undone for %(days)d days.") % {"days": action_undo.UNDO_KEPT_FOR.days}
        )
    return sentences, warnings


def _effect(plan: actions.Plan, segment: Segment, *, at: datetime) -> str:
    """Whom it changes as things stand, as “12,340 contacts get the tag “vip””."""
    if plan.kind == Kind.EXPORT:
        count = segment.member_count
        told = ngettext(
            "%(count)s contact is written to a file.",
            "%(count)s contacts are written to a file.",
            count,
        )
        return told % {"count": number(count)}
    counts = _foresee(plan, segment, at=at)
    if counts is None:
        return _("How many contacts this changes could not be counted in time.")
    sentences = {
        Kind.ADD_TAG: ngettext(
            "%(count)s contact gets the tag “%(key)s”.",
            "%(count)s contacts get the tag “%(key)s”.",
            counts.changed,
        ),
        Kind.REMOVE_TAG: ngettext(
            "%(count)s contact loses the tag “%(key)s”.",
            "%(count)s contacts lose the tag “%(key)s”.",
            counts.changed,
        ),
        Kind.ADD_CATEGORY: ngettext(
            "%(count)s contact gets the category “%(key)s”.",
            "%(count)s contacts get the category “%(key)s”.",
            counts.changed,
        ),
        Kind.REMOVE_CATEGORY: ngettext(
            "%(count)s contact loses the category “%(key)s”.",
            "%(count)s contacts lose the category “%(key)s”.",
            counts.changed,
        ),
        Kind.ADD_CONSENT: ngettext(
            "For %(count)s contact the consent “%(key)s” is recorded as granted.",
            "For %(count)s contacts the consent “%(key)s” is recorded as granted.",
            counts.changed,
        ),
        Kind.REMOVE_CONSENT: ngettext(
            "For %(count)s contact the consent “%(key)s” is recorded as withdrawn.",
            "For %(count)s contacts the consent “%(key)s” is recorded as withdrawn.",
            counts.changed,
        ),
    }
    told = sentences[Kind(plan.kind)] % {"count": number(counts.changed), "key": plan.key}
    others = skipped_parts(counts.skipped)
    if counts.unchanged:
        so = ngettext("%(count)s is so already", "%(count)s are so already", counts.unchanged)
        others.insert(0, so % {"count": number(counts.unchanged)})
    return f"{told} {'; '.join(others)}." if others else told


def _foresee(plan: actions.Plan, segment: Segment, *, at: datetime) -> action_writes.Counts | None:
    definition = action_writes.definition_id(SegmentAction(kind=plan.kind, key=plan.key))
    try:
        with sql.local_settings(_LOOK_LIMIT):
            return action_writes.foresee(segment.pk, kind=plan.kind, definition=definition, at=at)
    except OperationalError:
        # It took longer than a page may.
        return None


def skipped_parts(skipped: Mapping[str, int]) -> list[str]:
    """How many were passed over, by reason, in words."""
    return [
        text(skipped[reason]) % {"count": number(skipped[reason])}
        for reason, text in _SKIPPED.items()
        if skipped.get(reason)
    ]


def _expiry_warning(segment: Segment, planned_for: datetime) -> list[str]:
    until = segment.ready_until
    if until is None or planned_for < until:
        return []
    refreshed = next_refresh_at(segment)
    if state.is_live(segment) or (refreshed is not None and refreshed <= planned_for):
        return []
    moment = date_format(timezone.localtime(until), "DATETIME_FORMAT")
    return [
        _("The calculation expires before, on %(time)s: refresh it in time, or it is refused.")
        % {"time": moment}
    ]
