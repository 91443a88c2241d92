"""The settings of a version as the engine goes by them, read from a document without faults."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from journeys.drawing.durations import length_of
from journeys.engine.zones import zone_of_journey


@dataclass(frozen=True, slots=True)
class Happening:
    """What ends a passage early, or is its goal: criteria that hold, or an event that happens."""

    criteria: Mapping[str, Any] | None = None
    event: str = ""
    where: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> "Happening | None":
        """That of `{"criteria": …}` or `{"event": …, "where": …}`; None where none is set."""
        if not document:
            return None
        if document.get("criteria"):
            return cls(criteria=document["criteria"])
        return cls(event=document["event"], where=document.get("where") or None)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may come again, how long it lasts at most, what ends it, what it is for.

    `again_after` is how long somebody has to be out before he enters again: none, where he never
    may; nothing, where he may at once. `unknown_zone` is the zone that it names and nobody knows.
    """

    again_after: timedelta | None
    timeout: timedelta
    exit: Happening | None
    goal: Happening | None
    starts_at: datetime | None
    ends_at: datetime | None
    zone: ZoneInfo
    unknown_zone: str = ""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Terms":
        """Those of `JourneyVersion.settings`; what is not set is as the workspace has it."""
        timeout = document.get("timeout")
        zone, unknown = zone_of_journey(document)
        return cls(
            again_after=_again_after(document.get("re_entry")),
            timeout=length_of(timeout) if timeout else settings.JOURNEY_TIMEOUT,
            exit=Happening.read(document.get("exit")),
            goal=Happening.read(document.get("goal")),
            starts_at=_instant(document.get("starts_at"), zone),
            ends_at=_instant(document.get("ends_at"), zone),
            zone=zone,
            unknown_zone=unknown,
        )


def _again_after(re_entry: Any) -> timedelta | None:
    if re_entry in (None, "always"):
        return timedelta(0)
    if re_entry == "never":
        return None
    return length_of(re_entry["after"])


def _instant(text: str | None, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=zone)
