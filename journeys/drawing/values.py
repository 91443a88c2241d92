"""Whether a value may stand in a field: one check for each type of field."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from journeys.drawing.checks import (
    check_clock,
    check_criteria,
    check_duration,
    check_instant,
    check_of_whom,
    check_where,
    is_text,
    is_whole,
)
from journeys.drawing.faults import Place, gettext_noop
from journeys.drawing.fields import Field, FieldType
from journeys.drawing.known import Known
from journeys.drawing.paths import check_condition_paths, check_percent_paths

URL_LIMIT = 2000
KEY_SHOWN = 63
VENDOR_FIELDS_LIMIT = 100
ACTIVE = "active"
_ENTRY, _PROPERTIES, _ATTRIBUTE = "entry.properties.", "properties.", "attribute."
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


def _choice(asked: Asked) -> None:
    values = [value for value, _label in asked.field.choices]
    if not isinstance(asked.value, str) or asked.value not in values:
        message = gettext_noop("One of these is wanted: {values}.")
        asked.add("wrong_type", message, values=", ".join(values))


def _duration(asked: Asked) -> None:
    check_duration(asked.value, asked.path, asked.place)


def _until(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or ("time" in value) == ("attribute" in value):
        message = gettext_noop("A time of day is wanted, or an attribute with a date.")
        asked.add("wrong_type", message)
        return
    if "time" in value:
        check_clock(value["time"], f"{asked.path}.time", asked.place)
    else:
        _date_attribute(asked, value["attribute"])
    check_of_whom(value.get("zone"), f"{asked.path}.zone", asked.place)


def _date_attribute(asked: Asked, name: Any) -> None:
    if not isinstance(name, str) or not name.startswith(_ATTRIBUTE):
        message = gettext_noop("Name the attribute as “attribute.renewal”.")
        asked.add("wrong_type", message, at=".attribute")
        return
    type_ = asked.known.attributes.get(name.removeprefix(_ATTRIBUTE))
    if type_ is None:
        message = gettext_noop("There is no attribute “{key}”.")
        key = name.removeprefix(_ATTRIBUTE)[:KEY_SHOWN]
        asked.add("unknown_key", message, at=".attribute", key=key)
    elif type_ not in {"date", "datetime"}:
        message = gettext_noop("The attribute holds no date.")
        asked.add("wrong_type", message, at=".attribute")


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
            key = asked.value[:KEY_SHOWN]
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


def _vendor(asked: Asked) -> None:
    if not is_whole(asked.value):
        asked.add("wrong_type", gettext_noop("The number of an account is wanted here."))
    elif asked.value not in asked.known.vendors:
        asked.add("unknown_key", gettext_noop("There is no such account that takes changes."))
    elif not asked.known.vendors[asked.value]:
        message = gettext_noop("The account is paused, or its credentials were refused.")
        asked.add("connection_disabled", message, severity="warning")


def _vendor_fields(asked: Asked) -> None:
    given = asked.value
    if not isinstance(given, Mapping) or not 1 <= len(given) <= VENDOR_FIELDS_LIMIT:
        asked.add("wrong_type", gettext_noop("Name one to a hundred fields, each with a text."))
        return
    for name, text in given.items():
        if not is_text(name) or len(name) > KEY_SHOWN or not isinstance(text, str):
            message = gettext_noop("Each field has a name, and a text that it is set to.")
            asked.add("wrong_type", message)
            return
        for problem in asked.known.check_liquid(text):
            message = gettext_noop("{reason}")
            asked.add("wrong_type", message, at=f".{name}", reason=problem.message)


def _consent_change(asked: Asked) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or not is_text(value.get("key")):
        asked.add("wrong_type", gettext_noop("Say which consent, and its state."))
        return
    if value["key"] not in asked.known.consents:
        key = value["key"][:KEY_SHOWN]
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
        asked.add("unknown_key", message, at=".key", key=value["key"][:KEY_SHOWN])
    elif value["value"] is not None:
        for problem in asked.known.check_attribute(value["value"], value["key"]):
            message = gettext_noop("{reason}")
            asked.add("wrong_type", message, at=".value", reason=problem.message)


def _message(asked: Asked) -> None:
    # Whether there is one, and before this activity, is told by the ways of the drawing.
    _text(asked)


def _criteria(asked: Asked) -> None:
    check_criteria(asked.value, asked.path, asked.place, asked.known)


def _where(asked: Asked) -> None:
    check_where(asked.value, asked.path, asked.place, asked.known)


def _condition_paths(asked: Asked) -> None:
    check_condition_paths(asked.value, asked.path, asked.place, asked.known)


def _percent_paths(asked: Asked) -> None:
    check_percent_paths(asked.value, asked.path, asked.place)


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
    FieldType.VENDOR: _vendor,
    FieldType.VENDOR_FIELDS: _vendor_fields,
    FieldType.CONSENT: _named(lambda known: known.consents),
    FieldType.TAG: _named(lambda known: known.tags),
    FieldType.CATEGORY: _named(lambda known: known.categories),
    FieldType.CONSENT_CHANGE: _consent_change,
    FieldType.ATTRIBUTE_CHANGE: _attribute_change,
    FieldType.MESSAGE: _message,
    FieldType.CRITERIA: _criteria,
    FieldType.WHERE: _where,
    FieldType.CRITERIA_PATHS: _condition_paths,
    FieldType.PERCENT_PATHS: _percent_paths,
}
