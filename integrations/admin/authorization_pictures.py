"""Badges, counts in words, limits and small charts of external authorizations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models import ConnectionWebsite, VendorConnection, VendorSync
from integrations.vendors import connections
from workspace.admin.pictures import badge, chart, number

State = VendorConnection.State
_TONES = {
    State.AUTHORIZED: ("good", "check"),
    State.FIRST_DATA: ("info", "hourglass_top"),
    State.PAUSED: ("warning", "pause"),
    State.ERROR: ("bad", "error"),
    State.REVOKING: ("warning", "hourglass_top"),
    State.REVOKED: ("neutral", "block"),
}
# Which of several states is that of a system: the one somebody should know of first.
_WORST = (
    *(State.ERROR, State.REVOKING, State.FIRST_DATA, State.AUTHORIZED, State.PAUSED),
    State.REVOKED,
)
_SYNC_TONES = {
    VendorSync.State.RUNNING: ("info", "sync"),
    VendorSync.State.SUCCEEDED: ("good", "check"),
    VendorSync.State.FAILED: ("bad", "error"),
    VendorSync.State.CANCELLED: ("warning", "block"),
}
_ORDER = (
    *("wanted", "segments", "audiences", "sent", "matched", "added", "removed", "unchanged"),
    *("refused", "unknown_contacts", "deleted", "skipped_non_members", "missing", "failed"),
)
_SERIES = 4
_LOW = 0.1


def connection_state(connection: VendorConnection) -> SafeString:
    """How it stands, in a word or few."""
    state = State(connection.state)
    if state == State.FIRST_DATA:
        by = connection.authorized_at + connections.FIRST_DATA_WITHIN
        return badge(_("first data until %(time)s") % {"time": instant(by)}, *_TONES[state])
    return badge(state.label, *_TONES[state])


def system_state(found: Sequence[VendorConnection]) -> SafeString:
    """How a system stands that has these connections."""
    states = {connection.state: connection for connection in reversed(found)}
    worst = next((state for state in _WORST if state in states), None)
    if worst is None:
        return badge(_("not connected"), "neutral", "link_off")
    if worst == State.AUTHORIZED:
        # As people are told to look for it (behaviour AT-07).
        return badge(_("Authorized"), *_TONES[State.AUTHORIZED])
    return connection_state(states[worst])


def sync_badge(sync: VendorSync) -> SafeString:
    """What came of a synchronization."""
    state = VendorSync.State(sync.state)
    return badge(state.label, *_SYNC_TONES[state])


def website_badge(row: ConnectionWebsite) -> SafeString:
    """Whether it is one of the connection's, or its data are being deleted."""
    if row.state == ConnectionWebsite.State.LEAVING:
        return badge(row.get_state_display(), "warning", "hourglass_top")
    if row.state == ConnectionWebsite.State.LEFT:
        return badge(row.get_state_display(), "neutral", "delete")
    return badge(row.get_state_display(), "good", "check")


def instant(at: datetime) -> str:
    """A moment as people say it, in the workspace's time zone."""
    return date_format(timezone.localtime(at), "j M Y, H:i")


def counts_in_words(sync: VendorSync) -> str:
    """What a synchronization counted, as "1,200 sent · 3 skipped without email"."""
    if sync.state == VendorSync.State.RUNNING:
        return _("under way")
    counted = [
        (name, value)
        for name, value in sync.counts.items()
        if value and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    counted.sort(key=lambda one: (_place(one[0]), one[0]))
    said = [f"{number(value)} {_readable(name, int(value))}" for name, value in counted]
    return " · ".join(said) or _("there was nothing to do")


def sync_chart(syncs: Sequence[VendorSync]) -> dict[str, Any] | None:
    """What the last synchronizations counted, the oldest at the left; None with nothing to draw.

    Of several kinds that is the one that counted most: next to it the others would be flat.
    """
    ended = [one for one in reversed(syncs) if one.finished_at is not None]
    sums: dict[str, float] = {}
    for sync in ended:
        sums[sync.name] = sums.get(sync.name, 0) + sum(_count(sync, name) for name in sync.counts)
    most = max(sums, key=lambda name: sums[name], default="")
    ended = [one for one in ended if one.name == most]
    names: dict[str, float] = {}
    for sync in ended:
        for name, value in sync.counts.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                names[name] = names.get(name, 0) + value
    shown = sorted((name for name in names if names[name]), key=lambda name: (_place(name), name))
    if len(ended) < 2 or not shown:
        return None
    series = [
        (
            _readable(name).capitalize(),
            [_count(sync, name) for sync in ended],
            _tone(name, is_first=place == 0),
        )
        for place, name in enumerate(shown[:_SERIES])
    ]
    labels = [
        date_format(timezone.localtime(one.finished_at), "j M H:i")
        for one in ended
        if one.finished_at is not None
    ]
    # Beside each other: what was refused was wanted, too.
    return chart(labels, series, kind="bar")


def limits(connection: VendorConnection) -> list[dict[str, Any]]:
    """What the vendor said last of each of its limits."""
    found = []
    for scope, said in sorted(connection.rate_limits.items()):
        limit, remaining = said.get("limit"), said.get("remaining")
        share = round(100 * remaining / limit) if limit and remaining is not None else None
        reset_at = parse_datetime(said["reset_at"]) if said.get("reset_at") else None
        found.append(
            {
                "scope": scope.replace("_", " "),
                "text": _limit_in_words(limit, remaining),
                "share": share,
                "is_low": share is not None and share <= _LOW * 100,
                "reset": instant(reset_at) if reset_at else "",
                "at": instant(parse_datetime(said["at"]) or timezone.now()) if "at" in said else "",
            }
        )
    return found


def records_in_words(count: int | None) -> str:
    """How many records are at the vendor."""
    if count is None:
        return _("what was uploaded of it")
    return ngettext("%(n)s record", "%(n)s records", count) % {"n": number(count)}


def muted(text: str) -> SafeString:
    """Words that say that there is nothing."""
    return format_html('<span class="rg-faint">{}</span>', text)


def _limit_in_words(limit: int | None, remaining: int | None) -> str:
    if limit is None and remaining is None:
        return _("it said nothing of numbers")
    if limit is None or remaining is None:
        return number(limit if remaining is None else remaining)
    return _("%(left)s of %(limit)s left") % {"left": number(remaining), "limit": number(limit)}


def _readable(name: str, count: int = 2) -> str:
    """A count as people call it; what a connector counts besides in its own words."""
    words = {
        "wanted": _("wanted"),
        "sent": _("sent"),
        "unchanged": _("unchanged"),
        "refused": _("refused"),
        "unknown_contacts": ngettext("unknown contact", "unknown contacts", count),
        "deleted": _("deleted"),
        "segments": ngettext("segment", "segments", count),
        "matched": _("matched"),
        "skipped_non_members": _("left out"),
        "missing": _("missing there"),
        "audiences": ngettext("list", "lists", count),
        "added": _("added"),
        "removed": _("taken off"),
        "failed": _("failed"),
    }
    return words.get(name) or name.replace("_", " ")


def _place(name: str) -> int:
    """Where a count stands among others: what was to be done, what was, what was not."""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _count(sync: VendorSync, name: str) -> float:
    value = sync.counts.get(name, 0)
    return value if isinstance(value, int | float) else 0


def _tone(name: str, *, is_first: bool) -> str:
    if any(word in name for word in ("fail", "refus", "reject", "error")):
        return "bad"
    if any(word in name for word in ("skip", "unknown", "without", "missing")):
        return "warning"
    if name in {"wanted", "unchanged"}:
        return "neutral" if name == "unchanged" else "primary"
    return "primary" if is_first else "good"
