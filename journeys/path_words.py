"""Who goes a path of a condition, in a few words: “Mon, Tue, 09:00–17:00”, “at most 1000 a day”."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from journeys.drawing.forms import CAP, CONTACT, DATE, DAYS, JOURNEY, TIME
from journeys.drawing.syntax import Node


def words_of(path: Any) -> str:
    """The words of a path with a time, dates or a cap; nothing for others, whatever it is.

    A draft may be unfinished: what cannot be read is left out.
    """
    if not isinstance(path, Mapping):
        return ""
    for form, words in ((TIME, _of_time), (DATE, _of_date), (CAP, _of_cap)):
        if isinstance(told := path.get(form), Mapping):
            return ", ".join(word for word in words(told) if word)
    return ""


def why_decided(node: Node, outcome: str, data: Mapping[str, Any]) -> str:
    """Why somebody left a condition by this way, by what was noted then.

    What it notes is in `journeys.engine.conditions`.
    """
    path = next((path for path in node.config["paths"] if path.get("name") == outcome), None)
    full = ", ".join(f"“{name}”" for name in data.get("full", ()))
    reasons = [
        _("no path was open") if path is None else _why_open(path, data),
        _("%(paths)s was full") % {"paths": full} if full else "",
    ]
    return "; ".join(reason for reason in reasons if reason)


def _why_open(path: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    if CAP in path and "number" in data:
        return _("number %(number)d of at most %(limit)d") % data
    if "local" in data:
        local = datetime.fromisoformat(data["local"])
        words = {
            "day": WEEKDAYS[local.weekday()],
            "local": date_format(local, "DATETIME_FORMAT"),
            "zone": data["zone"],
            "when": words_of(path),
        }
        return _("it was %(day)s, %(local)s (%(zone)s), and it is open %(when)s") % words
    return _("its criteria held")


def _of_time(told: Mapping[str, Any]) -> list[str]:
    listed = told.get("days")
    chosen = [
        str(WEEKDAYS_ABBR[number])
        for number, day in enumerate(DAYS)
        if isinstance(listed, list) and day in listed
    ]
    begin, end = (_text(told, name) for name in ("from", "to"))
    return [*chosen, _span(begin, end), _whose(told)]


def _of_date(told: Mapping[str, Any]) -> list[str]:
    begin, end = (_day(_text(told, name)) for name in ("from", "to"))
    return [_span(begin, end, " – "), _whose(told)]


def _of_cap(told: Mapping[str, Any]) -> list[str]:
    words = {"limit": told.get("limit", "?")}
    if told.get("per") == "day":
        return [_("at most %(limit)s a day") % words]
    return [_("at most %(limit)s") % words]


def _span(begin: str, end: str, dash: str = "–") -> str:
    if begin and end:
        return f"{begin}{dash}{end}"
    if begin:
        return _("from %(begin)s") % {"begin": begin}
    return _("until %(end)s") % {"end": end} if end else ""


def _whose(told: Mapping[str, Any]) -> str:
    zone = _text(told, "zone")
    if zone == CONTACT:
        return _("by the contact's clock")
    return "" if zone == JOURNEY else zone


def _day(text: str) -> str:
    try:
        return date_format(date.fromisoformat(text))
    except ValueError:
        return text


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    return found[:63] if isinstance(found, str) else ""
