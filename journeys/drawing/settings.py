"""The settings of a journey, which stand beside its drawing: what they are, what may be in them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from journeys.drawing.checks import (
    check_clock,
    check_criteria,
    check_duration,
    check_instant,
    check_of_whom,
    check_where,
    is_missing,
    is_text,
    is_whole,
    read_instant,
)
from journeys.drawing.faults import Faults, Place, Translate, gettext_noop
from journeys.drawing.fields import Field, FieldType
from journeys.drawing.known import Known

CAP_LIMIT = 1000
SETTINGS: Sequence[Field] = (
    Field(
        "re_entry",
        FieldType.RE_ENTRY,
        gettext_noop("Who was inside may enter again"),
        default="always",
        choices=(
            ("never", gettext_noop("never")),
            ("after", gettext_noop("after some time")),
            ("always", gettext_noop("as soon as it is out")),
        ),
    ),
    Field(
        "timeout",
        FieldType.DURATION,
        gettext_noop("Everybody leaves after"),
        gettext_noop("Counted from the entry; 91 days where nothing is said."),
    ),
    Field(
        "exit",
        FieldType.HAPPENING,
        gettext_noop("Leaves at once who"),
        gettext_noop("Looked at before every step."),
    ),
    Field("goal", FieldType.HAPPENING, gettext_noop("The goal is reached by who")),
    Field(
        "caps",
        FieldType.CAPS,
        gettext_noop("At most so many messages"),
        gettext_noop("Messages of other journeys count, too."),
    ),
    Field("quiet_hours", FieldType.QUIET_HOURS, gettext_noop("Quiet hours")),
    Field("starts_at", FieldType.INSTANT, gettext_noop("Begins")),
    Field("ends_at", FieldType.INSTANT, gettext_noop("Nobody enters after")),
    Field(
        "time_zone",
        FieldType.ZONE,
        gettext_noop("Time zone"),
        gettext_noop("That of the workspace where nothing is said."),
    ),
    Field(
        "delivery",
        FieldType.CHOICE,
        gettext_noop("If it is unknown whether a message went out"),
        default="at_least_once",
        choices=(
            ("at_least_once", gettext_noop("send it again: perhaps twice, never not at all")),
            ("at_most_once", gettext_noop("leave it: perhaps not at all, never twice")),
        ),
    ),
)
NAMES = tuple(field.name for field in SETTINGS)


def check_settings(settings: Any, known: Known, faults: Faults) -> None:
    """Note what is wrong with the settings; what is not there is as by default."""
    if is_missing(settings):
        return
    if not isinstance(settings, Mapping):
        faults.add("", "settings", "wrong_type", gettext_noop("An object is wanted here."))
        return
    place = faults.at("")
    for field in SETTINGS:
        value = settings.get(field.name)
        if not is_missing(value):
            _CHECKS[field.type](value, field, known, place)
    for name in settings:
        if name not in NAMES:
            message = gettext_noop("There is no such setting.")
            place.add(str(name)[:63], "unknown_key", message)
    _check_order(settings, place)


def _re_entry(value: Any, field: Field, _known: Known, place: Place) -> None:
    if isinstance(value, Mapping) and set(value) == {"after"}:
        check_duration(value["after"], f"{field.name}.after", place)
    elif value not in ("never", "always"):
        message = gettext_noop("It is “never”, “always”, or “after” with a duration.")
        place.add(field.name, "wrong_type", message)


def _duration(value: Any, field: Field, _known: Known, place: Place) -> None:
    check_duration(value, field.name, place)


def _happening(value: Any, field: Field, known: Known, place: Place) -> None:
    if not isinstance(value, Mapping) or ("criteria" in value) == ("event" in value):
        message = gettext_noop("Criteria are wanted, or an event.")
        place.add(field.name, "wrong_type", message)
    elif "criteria" in value:
        criteria = value["criteria"]
        check_criteria(criteria, f"{field.name}.criteria", place, known)
        if isinstance(criteria, Mapping) and criteria.get("rules") == []:
            # They hold for everybody, who would be let out, or have reached the goal, at once.
            message = gettext_noop("Add criteria: without any they hold for everybody, at once.")
            place.add(f"{field.name}.criteria", "missing_value", message)
    else:
        _event(value, field.name, known, place)


def _event(value: Mapping[str, Any], name: str, known: Known, place: Place) -> None:
    event = value["event"]
    if not is_text(event) or not event:
        place.add(f"{name}.event", "missing_value", gettext_noop("Say which event."))
    elif event not in known.events:
        message = gettext_noop(
            "Nobody knows of an event “{key}”: none came yet, and none is defined."
        )
        place.add(f"{name}.event", "unknown_key", message, key=event[:63])
    if not is_missing(value.get("where")):
        check_where(value["where"], f"{name}.where", place, known)


def _caps(value: Any, field: Field, _known: Known, place: Place) -> None:
    if not isinstance(value, Mapping):
        message = gettext_noop("Say how many messages, and within which time.")
        place.add(field.name, "wrong_type", message)
        return
    messages = value.get("messages")
    if not is_whole(messages) or not 1 <= messages <= CAP_LIMIT:
        message = gettext_noop("A whole number from {least} to {most} is wanted here.")
        place.add(f"{field.name}.messages", "wrong_type", message, least=1, most=CAP_LIMIT)
    check_duration(value.get("per"), f"{field.name}.per", place)


def _quiet_hours(value: Any, field: Field, _known: Known, place: Place) -> None:
    if not isinstance(value, Mapping):
        message = gettext_noop("Say from when to when.")
        place.add(field.name, "wrong_type", message)
        return
    for name in ("from", "to"):
        check_clock(value.get(name), f"{field.name}.{name}", place)
    check_of_whom(value.get("zone"), f"{field.name}.zone", place)
    if isinstance(value.get("from"), str) and value.get("from") == value.get("to"):
        message = gettext_noop("Quiet hours end at another time than they begin.")
        place.add(f"{field.name}.to", "wrong_type", message)


def _instant(value: Any, field: Field, _known: Known, place: Place) -> None:
    check_instant(value, field.name, place)


def _zone(value: Any, field: Field, known: Known, place: Place) -> None:
    if not is_text(value) or not known.is_zone(value):
        message = gettext_noop("There is no such time zone: name it as Europe/Warsaw.")
        place.add(field.name, "unknown_key", message)


def _choice(value: Any, field: Field, _known: Known, place: Place) -> None:
    values = [name for name, _label in field.choices]
    if not isinstance(value, str) or value not in values:
        message = gettext_noop("One of these is wanted: {values}.")
        place.add(field.name, "wrong_type", message, values=", ".join(values))


def _check_order(settings: Mapping[str, Any], place: Place) -> None:
    begin, end = (read_instant(settings.get(name)) for name in ("starts_at", "ends_at"))
    if begin and end and (begin.tzinfo is None) == (end.tzinfo is None) and end <= begin:
        message = gettext_noop("It ends before it begins.")
        place.add("ends_at", "wrong_type", message)


def describe_settings(translate: Translate = str) -> list[Mapping[str, Any]]:
    """The settings as the page reads them, in words that `translate` gives."""
    return [field.as_json(translate) for field in SETTINGS]


_CHECKS: Mapping[FieldType, Callable[[Any, Field, Known, Place], None]] = {
    FieldType.RE_ENTRY: _re_entry,
    FieldType.DURATION: _duration,
    FieldType.HAPPENING: _happening,
    FieldType.CAPS: _caps,
    FieldType.QUIET_HOURS: _quiet_hours,
    FieldType.INSTANT: _instant,
    FieldType.ZONE: _zone,
    FieldType.CHOICE: _choice,
}
