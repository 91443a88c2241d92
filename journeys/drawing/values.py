"""Whether a value may stand in a field: one check for each type of field."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from journeys.drawing.durations import read_duration
from journeys.drawing.faults import Place, gettext_noop
from journeys.drawing.fields import Field, FieldType
from journeys.drawing.kinds import ELSE, ERROR, NEXT, TIMEOUT
from journeys.drawing.known import Known

TEXT_LIMIT = 10_000
URL_LIMIT = 2000
PATH_NAME_LIMIT = 63
PATH_LIMIT = 20
ACTIVE = "active"
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ENTRY, _PROPERTIES, _ATTRIBUTE = "entry.properties.", "properties.", "attribute."
_RESERVED = frozenset({NEXT, ERROR, TIMEOUT, ELSE})
_UNKNOWN = {
    FieldType.SEGMENT: gettext_noop("There is no such segment, or you may not use it."),
    FieldType.EMAIL_TEMPLATE: gettext_noop("There is no e-mail template “{key}”."),
    FieldType.PUSH_TEMPLATE: gettext_noop("There is no template “{key}” of a push message."),
    FieldType.CAMPAIGN: gettext_noop("There is no such campaign, or you may not use it."),
    FieldType.JOURNEY: gettext_noop("There is no such journey, or you may not use it."),
    FieldType.EVENT: gettext_noop(
        "Nobody knows of an event “{key}”: none came yet, and none is defined."
    ),
    FieldType.CONSENT: gettext_noop("There is no consent “{key}”."),
    FieldType.TAG: gettext_noop("There is no tag “{key}”."),
    FieldType.CATEGORY: gettext_noop("There is no category “{key}”."),
}
_TEXT_WANTED = gettext_noop("A text is wanted here.")


@dataclass(frozen=True, slots=True)
class Asked:
    """A value at its place: what it is checked against, and where faults are noted."""

    value: Any
    path: str
    field: Field
    known: Known
    place: Place

    def add(self, code: str, message: str, *, at: str = "", **given: Any) -> None:
        """Note a fault of the value, or of what stands in it `at` some place."""
        self.place.add(f"{self.path}{at}", code, message, **given)


def check(asked: Asked) -> None:
    """Note what is wrong with a value that is there."""
    _CHECKS[asked.field.type](asked)


def is_missing(value: Any) -> bool:
    """Whether nothing stands in a field: no key, null, an empty text, or nothing in it."""
    return value is None or value in ("", [], {})


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a text of a length that people write, which can be kept."""
    return isinstance(value, str) and len(value) <= TEXT_LIMIT


def _text(asked: Asked) -> None:
    if not is_text(asked.value):
        asked.add("wrong_type", _TEXT_WANTED)


def _liquid(asked: Asked) -> None:
    if not is_text(asked.value):
        asked.add("wrong_type", _TEXT_WANTED)
        return
    for problem in asked.known.check_liquid(asked.value):
        asked.add("wrong_type", gettext_noop("{reason}"), reason=problem.message)


def _url(asked: Asked) -> None:
    try:
        parts = urlsplit(asked.value) if isinstance(asked.value, str) else None
        host = parts.hostname if parts else None
    except ValueError:
        parts = host = None
    if not parts or parts.scheme not in {"http", "https"} or not host:
        message = gettext_noop("An address is wanted, as https://shop.example/hook.")
        asked.add("wrong_type", message)
    elif len(asked.value) > URL_LIMIT:
        asked.add("wrong_type", gettext_noop("The address is too long."))


def _boolean(asked: Asked) -> None:
    if not isinstance(asked.value, bool):
        asked.add("wrong_type", gettext_noop("True or false is wanted here."))


def _number(asked: Asked) -> None:
    least, most = asked.field.least or 0, asked.field.most or 10**9
    if not is_whole(asked.value) or not least <= asked.value <= most:
        message = gettext_noop("A whole number from {least} to {most} is wanted here.")
        asked.add("wrong_type", message, least=least, most=most)


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number, whichever type JSON gave it."""
    if isinstance(value, bool):
        return False
    if isinstance(value, Decimal | float):
        exact = Decimal(value)
        return exact.is_finite() and abs(exact) < 10**18 and exact == int(exact)
    return isinstance(value, int)


def _choice(asked: Asked) -> None:
    values = [value for value, _label in asked.field.choices]
    if not isinstance(asked.value, str) or asked.value not in values:
        message = gettext_noop("One of these is wanted: {values}.")
        asked.add("wrong_type", message, values=", ".join(values))


def check_duration(value: Any, path: str, place: Place) -> None:
    """Note where a value is no duration."""
    if read_duration(value) is None:
        message = gettext_noop(
            "A duration is a whole amount from 1 and a unit: second, minute, hour, day or week."
        )
        place.add(path, "bad_duration", message)


def _duration(asked: Asked) -> None:
    check_duration(asked.value, asked.path, asked.place)


def _until(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or ("time" in value) == ("attribute" in value):
        message = gettext_noop("A time of day is wanted, or an attribute with a date.")
        asked.add("wrong_type", message)
    elif "time" in value:
        check_clock(value["time"], f"{asked.path}.time", asked.place)
        check_of_whom(value.get("zone"), f"{asked.path}.zone", asked.place)
    else:
        _date_attribute(asked, value["attribute"])


def _date_attribute(asked: Asked, name: Any) -> None:
    if not isinstance(name, str) or not name.startswith(_ATTRIBUTE):
        message = gettext_noop("Name the attribute as “attribute.renewal”.")
        asked.add("wrong_type", message, at=".attribute")
        return
    type_ = asked.known.attributes.get(name.removeprefix(_ATTRIBUTE))
    if type_ is None:
        message = gettext_noop("There is no attribute “{key}”.")
        key = name.removeprefix(_ATTRIBUTE)[:PATH_NAME_LIMIT]
        asked.add("unknown_key", message, at=".attribute", key=key)
    elif type_ not in {"date", "datetime"}:
        message = gettext_noop("The attribute holds no date.")
        asked.add("wrong_type", message, at=".attribute")


def check_clock(value: Any, path: str, place: Place) -> None:
    """Note where a value is no time of day, as "09:00"."""
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        place.add(path, "wrong_type", gettext_noop("A time of day is wanted, as 09:00."))


def check_of_whom(value: Any, path: str, place: Place) -> None:
    """Note where it is not said whose time zone counts: "contact", or "journey" by default."""
    if value is not None and (not isinstance(value, str) or value not in {"contact", "journey"}):
        message = gettext_noop("The time zone is that of the “contact” or of the “journey”.")
        place.add(path, "wrong_type", message)


def check_instant(value: Any, path: str, place: Place) -> None:
    """Note where a value is no time in ISO 8601."""
    if read_instant(value) is None:
        message = gettext_noop("A date and time are wanted, as 2026-05-01T09:00:00+02:00.")
        place.add(path, "wrong_type", message)


def read_instant(value: Any) -> datetime | None:
    """A time in ISO 8601, without a zone where it names none; None where it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        # Such as cannot be told in another zone.
        return found if 2 <= found.year <= 9998 else None
    except ValueError:
        return None


def _schedule(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or not {"at", "every"} & value.keys():
        asked.add("wrong_type", gettext_noop("A time is wanted, or how often."))
        return
    if value.get("at") is not None:
        check_instant(value["at"], f"{asked.path}.at", asked.place)
    if value.get("every") is not None:
        check_duration(value["every"], f"{asked.path}.every", asked.place)


def _same(asked: Asked) -> None:
    pairs = asked.value.items() if isinstance(asked.value, Mapping) else [("", "")]
    for ours, theirs in pairs:
        if not (
            _is_path(ours, _PROPERTIES) and isinstance(theirs, str) and _is_path(theirs, _ENTRY)
        ):
            message = gettext_noop(
                "Say which property equals which of the entry, as"
                " “properties.order_id” and “entry.properties.order_id”."
            )
            asked.add("wrong_type", message)
            return


def _is_path(text: Any, prefix: str) -> bool:
    return isinstance(text, str) and text.startswith(prefix) and prefix != text and is_text(text)


def _named(keys: Callable[[Known], Collection[str]]) -> Callable[[Asked], None]:
    """The check of a key that must be among those that are known."""

    def check_key(asked: Asked) -> None:
        if not is_text(asked.value):
            asked.add("wrong_type", _TEXT_WANTED)
        elif asked.value not in keys(asked.known):
            key = asked.value[:PATH_NAME_LIMIT]
            asked.add("unknown_key", _UNKNOWN[asked.field.type], key=key)

    return check_key


def _segment(asked: Asked) -> None:
    _named(lambda known: known.segments)(asked)
    if is_text(asked.value) and asked.known.segments.get(asked.value, ACTIVE) != ACTIVE:
        message = gettext_noop("The segment is not active: set it active first.")
        asked.add("segment_not_active", message)


def _campaign(asked: Asked) -> None:
    _named(lambda known: known.campaigns)(asked)
    if is_text(asked.value) and asked.known.campaigns.get(asked.value, ACTIVE) != ACTIVE:
        message = gettext_noop("The campaign gives no cards now: it is not active.")
        asked.add("campaign_not_active", message, severity="warning")


def _connection(asked: Asked) -> None:
    if not is_whole(asked.value):
        asked.add("wrong_type", gettext_noop("The number of a webhook is wanted here."))
    elif asked.value not in asked.known.connections:
        asked.add("unknown_key", gettext_noop("There is no such webhook."))
    elif not asked.known.connections[asked.value]:
        message = gettext_noop("The webhook is disabled.")
        asked.add("connection_disabled", message, severity="warning")


def _consent_change(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or not is_text(value.get("key")):
        asked.add("wrong_type", gettext_noop("Say which consent, and its state."))
        return
    if value["key"] not in asked.known.consents:
        key = value["key"][:PATH_NAME_LIMIT]
        asked.add("unknown_key", _UNKNOWN[FieldType.CONSENT], at=".key", key=key)
    if value.get("state") not in ("granted", "withdrawn"):
        message = gettext_noop("The state of a consent is granted or withdrawn.")
        asked.add("wrong_type", message, at=".state")


def _attribute_change(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or not is_text(value.get("key")) or "value" not in value:
        asked.add("wrong_type", gettext_noop("Say which attribute, and its value."))
    elif value["key"] not in asked.known.attributes:
        message = gettext_noop("There is no attribute “{key}”.")
        asked.add("unknown_key", message, at=".key", key=value["key"][:PATH_NAME_LIMIT])
    elif value["value"] is not None:
        for problem in asked.known.check_attribute(value["value"], value["key"]):
            message = gettext_noop("{reason}")
            asked.add("wrong_type", message, at=".value", reason=problem.message)


def _message(asked: Asked) -> None:
    # Whether there is one, and before this activity, is told by the ways of the drawing.
    _text(asked)


def check_criteria(value: Any, path: str, place: Place, known: Known) -> None:
    """Note what is wrong with a criteria document: one fault, with all of theirs in it."""
    if problems := known.check_criteria(value, f"{place.node}:{path}"):
        message = gettext_noop("{reason}")
        place.add(path, "criteria", message, criteria=problems, reason=problems[0].message)


def check_where(value: Any, path: str, place: Place, known: Known) -> None:
    """Note what is wrong with the conditions on an event."""
    if problems := known.check_where(value):
        message = gettext_noop("{reason}")
        place.add(path, "criteria", message, criteria=problems, reason=problems[0].message)


def _criteria(asked: Asked) -> None:
    check_criteria(asked.value, asked.path, asked.place, asked.known)


def _where(asked: Asked) -> None:
    check_where(asked.value, asked.path, asked.place, asked.known)


def _criteria_paths(asked: Asked) -> None:
    for path, at in _paths(asked):
        criteria = path.get("criteria")
        if is_missing(criteria):
            message = gettext_noop("Say who goes this way.")
            asked.add("missing_value", message, at=f"{at}.criteria")
        else:
            place = f"{asked.path}{at}.criteria"
            check_criteria(criteria, place, asked.place, asked.known)


def _percent_paths(asked: Asked) -> None:
    total, is_sound = Decimal(0), True
    for path, at in _paths(asked):
        percent = path.get("percent")
        if is_percent(percent):
            total += Decimal(str(percent))
        else:
            is_sound = False
            message = gettext_noop("A percentage above 0, at most 100, is wanted here.")
            asked.add("wrong_type", message, at=f"{at}.percent")
    if is_sound and isinstance(asked.value, list) and total != 100:
        message = gettext_noop("Together the paths have to make 100 %; they make {total} %.")
        asked.add("wrong_type", message, total=total.normalize().__format__("f"))


def is_percent(value: Any) -> bool:
    """Whether it is a share: more than nothing, at most 100, hundredths at the finest."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    exact = Decimal(str(value))
    return exact.is_finite() and 0 < exact <= 100 and exact == round(exact, 2)


def _paths(asked: Asked) -> list[tuple[Mapping[str, Any], str]]:
    """The paths that are objects, with where they stand; faults of their names are noted."""
    if not isinstance(asked.value, list):
        asked.add("wrong_type", gettext_noop("A list of paths is wanted here."))
        return []
    if len(asked.value) > PATH_LIMIT:
        message = gettext_noop("There are at most {limit} paths.")
        asked.add("wrong_type", message, limit=PATH_LIMIT)
    found, names = [], set[str]()
    for index, path in enumerate(asked.value[:PATH_LIMIT]):
        if not isinstance(path, Mapping):
            asked.add("wrong_type", gettext_noop("A path is an object."), at=f"[{index}]")
            continue
        found.append((path, f"[{index}]"))
        _path_name(asked, path.get("name"), f"[{index}].name", names)
    return found


def _path_name(asked: Asked, name: Any, at: str, names: set[str]) -> None:
    if is_missing(name):
        asked.add("missing_value", gettext_noop("Give the path a name."), at=at)
    elif not isinstance(name, str) or len(name) > PATH_NAME_LIMIT or name != name.strip():
        message = gettext_noop("The name of a path is a text of at most {limit} characters.")
        asked.add("wrong_type", message, at=at, limit=PATH_NAME_LIMIT)
    elif name in names or name in _RESERVED:
        message = gettext_noop("Another path has the name “{name}”, or it means something else.")
        asked.add("wrong_type", message, at=at, name=name)
    else:
        names.add(name)


_CHECKS: Mapping[FieldType, Callable[[Asked], None]] = {
    FieldType.TEXT: _text,
    FieldType.LIQUID: _liquid,
    FieldType.URL: _url,
    FieldType.BOOLEAN: _boolean,
    FieldType.NUMBER: _number,
    FieldType.CHOICE: _choice,
    FieldType.DURATION: _duration,
    FieldType.UNTIL: _until,
    FieldType.SCHEDULE: _schedule,
    FieldType.SAME: _same,
    FieldType.SEGMENT: _segment,
    FieldType.EMAIL_TEMPLATE: _named(lambda known: known.email_templates),
    FieldType.PUSH_TEMPLATE: _named(lambda known: known.push_templates),
    FieldType.CAMPAIGN: _campaign,
    FieldType.JOURNEY: _named(lambda known: known.journeys),
    FieldType.EVENT: _named(lambda known: known.events),
    FieldType.CONNECTION: _connection,
    FieldType.CONSENT: _named(lambda known: known.consents),
    FieldType.TAG: _named(lambda known: known.tags),
    FieldType.CATEGORY: _named(lambda known: known.categories),
    FieldType.CONSENT_CHANGE: _consent_change,
    FieldType.ATTRIBUTE_CHANGE: _attribute_change,
    FieldType.MESSAGE: _message,
    FieldType.CRITERIA: _criteria,
    FieldType.WHERE: _where,
    FieldType.CRITERIA_PATHS: _criteria_paths,
    FieldType.PERCENT_PATHS: _percent_paths,
}
