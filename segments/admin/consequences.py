"""What a button does besides to the segment: said in its dialog before anything happens."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments.members import shared_counts
from segments.models import Segment
from segments.uses import Use, uses_of
from workspace.access import Actor
from workspace.admin import Affected, Affects
from workspace.admin.pictures import number


def of_inactivating(actor: Actor, segment: Segment) -> Affects:
    """What uses it goes on with the last members, or says what it will do without them."""
    uses = uses_of(segment, actor=actor)
    if not uses:
        return Affects(_("Nothing uses it."))
    if any(use.needs_active for use in uses):
        text = ngettext(
            "%(count)s thing uses it, for which its last members no longer count:",
            "%(count)s things use it. They go on with its last members where nothing else is said:",
            _total(uses),
        )
    else:
        text = ngettext(
            "%(count)s thing uses it, and goes on with its last members:",
            "%(count)s things use it, and go on with its last members:",
            _total(uses),
        )
    lines = [_line(use, use.effect if use.needs_active else use.state) for use in uses]
    return Affects(text % {"count": number(_total(uses))}, lines)


def of_archiving(actor: Actor, segment: Segment) -> Affects:
    """What uses it finds nobody there any more; how many that concerns."""
    uses = uses_of(segment, actor=actor)
    if not uses:
        return Affects(_("Nothing uses it."))
    text = ngettext(
        "%(count)s thing uses it, and finds nobody in it from then on:",
        "%(count)s things use it, and find nobody in it from then on:",
        _total(uses),
    )
    shared = shared_counts(segment, [use.key for use in uses if use.kind == "segment"])
    return Affects(
        text % {"count": number(_total(uses))}, [_line(use, _loss(use, shared)) for use in uses]
    )


def _loss(use: Use, shared: dict[str, int]) -> str:
    """How many contacts lose what, where one can say so."""
    if use.kind != "segment" or use.is_hidden:
        return str(use.effect or use.state)
    count = shared.get(use.key, 0)
    text = ngettext(
        "%(count)s contact is in both, and may leave it at its next refresh",
        "%(count)s contacts are in both, and may leave it at its next refresh",
        count,
    )
    return text % {"count": number(count)}


def _line(use: Use, note: str) -> Affected:
    return Affected(use.label, use.name, use.url, "" if use.is_hidden else note)


def _total(uses: Sequence[Use]) -> int:
    return sum(use.count for use in uses)
