"""A segment's settings and criteria, to read only."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import facts
from segments.admin.badges import status_badge
from segments.models import Segment
from workspace import access
from workspace.access import actor_of


def settings_context(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    """Facts by name, and the sentence."""
    actor = actor_of(request)
    groups = access.choosable_groups(actor).filter(segments=segment)
    return {
        "status_badge": status_badge(segment),
        "facts": [
            (_("Name"), segment.name),
            (_("Key"), segment.key),
            (_("Description"), segment.description or "–"),
            (_("Owner"), segment.owner or "–"),
            (_("User groups"), ", ".join(group.name for group in groups) or "–"),
            (_("Source"), segment.get_source_display()),
            (_("Refresh"), _refresh(segment)),
            (_("Ready for"), _readiness(segment)),
            (_("Loyalty members only"), _("yes") if segment.members_only else _("no")),
        ],
        "sentence": facts.describe_criteria(segment, actor=actor),
    }


def _refresh(segment: Segment) -> str:
    if segment.refresh_mode != Segment.RefreshMode.INTERVAL:
        return str(segment.get_refresh_mode_display())
    amount = segment.refresh_amount or 1
    if segment.refresh_unit == Segment.Unit.DAY:
        text = ngettext("every day", "every %(count)d days", amount)
    else:
        text = ngettext("every hour", "every %(count)d hours", amount)
    return text % {"count": amount}


def _readiness(segment: Segment) -> str:
    hours = segment.readiness_hours
    if hours is None:
        return _("until the next calculation")
    text = ngettext(
        "%(count)d hour after each calculation", "%(count)d hours after each calculation", hours
    )
    return text % {"count": hours}
