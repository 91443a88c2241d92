"""Time zones in SQL: whose clocks count, and that it is one that the database knows.

A name may be known here and unknown there: the lists of Python and of the database server are of
different years. What either does not know is not gone by; the next one counts, which the step
tells (`UNKNOWN`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings

from journeys.drawing.forms import CONTACT, JOURNEY
from workspace import sql

# Under what a step keeps the name that nobody knows.
UNKNOWN = "unknown_zone"


@dataclass(frozen=True, slots=True)
class Zone:
    """The name of a time zone as an SQL expression, and its parameters.

    `unknown` is the expression of the name that was wanted and is not known; NULL where there is
    none.
    """

    text: str
    unknown: str
    params: dict[str, Any] = field(default_factory=dict)


def zone_of(said: str | None, journey: ZoneInfo, n: str, *, unknown: str = "") -> Zone:
    """Whose clocks count; the names of the parameters begin with `n`.

    `said` is "contact", "journey" (or nothing), or the name of one. That of the contact `c` is the
    journey's where `c` has none, or one that nobody knows: it may be any text. `unknown` is the
    name that the journey has, where nobody knows it and `journey` is another.
    """
    is_named = said not in (None, "", CONTACT, JOURNEY)
    if is_named and is_known(said):
        return Zone(f"%({n}zone)s::text", "NULL::text", {f"{n}zone": said})
    params: dict[str, Any] = {
        f"{n}zone": journey.key,
        f"{n}unknown": (said if is_named else unknown) or None,
    }
    text, missed = f"%({n}zone)s::text", f"%({n}unknown)s::text"
    if said == CONTACT:
        knows = f"c.time_zone = ANY(%({n}zones)s)"
        text = f"CASE WHEN {knows} THEN c.time_zone ELSE {text} END"
        missed = f"CASE WHEN {knows} THEN NULL ELSE coalesce(nullif(c.time_zone, ''), {missed}) END"
        params[f"{n}zones"] = sorted(known_zones())
    return Zone(text, missed, params)


def zone_of_journey(document: Mapping[str, Any]) -> tuple[ZoneInfo, str]:
    """The time zone of a journey by its settings: its own, else that of the workspace, else UTC.

    With the name that is not gone by because nobody knows it, or "".
    """
    own = document.get("time_zone") or ""
    if not own:
        # That of the workspace counts everywhere: an operator hears of it from `doctor`.
        return ZoneInfo(settings.TIME_ZONE), ""
    if isinstance(own, str) and is_known(own):
        return ZoneInfo(own), ""
    return ZoneInfo(settings.TIME_ZONE), str(own)


def is_known(name: Any) -> bool:
    """Whether the database and we know a time zone of this name."""
    return isinstance(name, str) and name in known_zones()


@cache
def known_zones() -> frozenset[str]:
    """The time zones that both know."""
    found = sql.lists("SELECT name FROM pg_timezone_names")
    return frozenset(name for (name,) in found) & available_timezones()
