"""Time zones in SQL: whose clocks count, and that it is one that the database knows."""

from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from journeys.drawing.forms import CONTACT, JOURNEY
from workspace import sql


def zone_of(said: str | None, journey: ZoneInfo, n: str) -> tuple[str, dict[str, Any]]:
    """The name of a time zone: an expression, and its parameters, whose names begin with `n`.

    `said` is "contact", "journey" (or nothing), or the name of one. That of the contact `c` is the
    journey's where `c` has none, or one that nobody knows: it may be any text.
    """
    is_named = said not in (None, "", CONTACT, JOURNEY)
    params: dict[str, Any] = {f"{n}zone": said if is_named else journey.key}
    text = f"%({n}zone)s::text"
    if said == CONTACT:
        text = f"CASE WHEN c.time_zone = ANY(%({n}zones)s) THEN c.time_zone ELSE {text} END"
        params[f"{n}zones"] = _known_zones()
    return text, params


@cache
def _known_zones() -> list[str]:
    """The time zones that the database knows."""
    return [name for (name,) in sql.lists("SELECT name FROM pg_timezone_names ORDER BY name")]
