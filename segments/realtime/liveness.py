"""Whether a segment that is to follow its contacts does, and why not, in words."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments.errors import CriteriaRefused
from segments.facts import criteria_of
from segments.models import Segment
from segments.realtime import state

# Time is looked at each second, and that it was is written down at least so often.
_SILENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether a segment's members are right at any time, since when it was looked at, and why not.

    `until` is missing where it does not follow at all.
    """

    is_live: bool
    sentence: str
    until: datetime | None


def is_followed(segment: Segment, *, at: datetime) -> bool:
    """Whether its members are right now; no query where `following` was read with the segment."""
    following = getattr(segment, "following", None)
    if following is None or not state.is_live(segment):
        return False
    return bool(at - following.followed_until <= _SILENCE)


def liveness(segment: Segment, *, at: datetime) -> Liveness | None:
    """How a segment in real time follows its contacts; None for one that is not to."""
    if not state.may_follow(segment):
        return None
    found = getattr(segment, "following", None)
    if found is None:
        return Liveness(False, _why_not(segment), None)
    if found.stale_since is not None:
        message = _("It goes on to follow its contacts, and waits for a full refresh besides.")
        return Liveness(False, message, found.followed_until)
    if not is_followed(segment, at=at):
        message = _(
            "Nobody has looked for minutes: the process that follows contacts does not run."
        )
        return Liveness(False, message, found.followed_until)
    seconds = max(int((at - found.followed_until).total_seconds()), 1)
    message = ngettext(
        "It follows its contacts: last looked at %(count)d second ago.",
        "It follows its contacts: last looked at %(count)d seconds ago.",
        seconds,
    )
    return Liveness(True, message % {"count": seconds}, found.followed_until)


def _why_not(segment: Segment) -> str:
    if segment.calculated_at is None or segment.refresh_requested_at is not None:
        return _("It follows its contacts from its next calculation on.")
    try:
        if not state.can_follow(criteria_of(segment)):
            return _(
                "It is refreshed every 10 minutes, because it asks for times among the properties"
                " of events: such a window may turn anybody at any moment."
            )
    except CriteriaRefused:
        pass
    return _("It is refreshed every 10 minutes, until a refresh succeeds.")
