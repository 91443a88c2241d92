"""The fields of activities and settings: what kind of value each takes, and its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from journeys.drawing.faults import Translate


class FieldType(StrEnum):
    """What stands in a field. The canvas has an input for each, `values` a check."""

    TEXT = "text"
    LIQUID = "liquid"
    URL = "url"
    BOOLEAN = "boolean"
    NUMBER = "number"
    CHOICE = "choice"
    DURATION = "duration"
    """{"amount": 1, "unit": "day"}"""
    UNTIL = "until"
    """{"time": "09:00", "zone": "contact" or "journey"}; or, in the place of the time, of an
    attribute that holds a date: {"attribute": "attribute.<key>"}"""
    SCHEDULE = "schedule"
    """{"at": ISO time} or {"every": duration}, or both: from then on, every"""
    SAME = "same"
    """{"properties.order_id": "entry.properties.order_id"}"""
    SEGMENT = "segment"
    EMAIL_TEMPLATE = "template:email"
    PUSH_TEMPLATE = "template:push"
    CAMPAIGN = "campaign"
    JOURNEY = "journey"
    EVENT = "event"
    CONNECTION = "connection"
    VENDOR = "vendor"
    """The number of an account at a vendor's system that takes changes of contacts."""
    VENDOR_FIELDS = "vendor_fields"
    """{"FIRSTNAME": "{{ contact.first_name }}"}: the vendor's fields, and texts in Liquid"""
    CONSENT = "consent"
    TAG = "tag"
    CATEGORY = "category"
    CONSENT_CHANGE = "consent_change"
    """{"key": "newsletter", "state": "granted" or "withdrawn"}"""
    ATTRIBUTE_CHANGE = "attribute_change"
    """{"key": "favourite", "value": …}; null takes the value away"""
    MESSAGE = "message"
    """The id of an activity that sends a message, before this one."""
    CRITERIA = "criteria"
    WHERE = "where"
    """A group of conditions on the event that stands beside it."""
    CRITERIA_PATHS = "paths:criteria"
    """[{"name": "vip", "criteria": {…}}]; in the place of criteria one of
    "time": {"from": "09:00", "to": "17:00", "days": ["mon"], "zone": …},
    "date": {"from": "2026-12-01", "to": "2026-12-24", "zone": …},
    "cap": {"limit": 1000, "per": "journey" or "day"}; a zone is "contact", "journey", or a name"""
    PERCENT_PATHS = "paths:percent"
    """[{"name": "a", "percent": 50}, …]"""
    # Of settings.
    RE_ENTRY = "re_entry"
    """"never", "always" or {"after": duration}"""
    HAPPENING = "happening"
    """{"criteria": {…}} or {"event": name, "where": {…}}"""
    CAPS = "caps"
    """{"messages": 2, "per": duration}"""
    QUIET_HOURS = "quiet_hours"
    """{"from": "21:00", "to": "08:00", "zone": "contact" or "journey"}"""
    INSTANT = "instant"
    """A time in ISO 8601; without an offset it is of the journey's time zone."""
    ZONE = "time_zone"


# What belongs to user groups: its key is hidden from others.
OF_GROUPS = frozenset({FieldType.SEGMENT, FieldType.CAMPAIGN, FieldType.JOURNEY})


@dataclass(frozen=True, slots=True)
class Field:
    """One key of `config`, or of the settings. `label`, `help` and choices are to be translated.

    `only_with` names another field without which this one means nothing.
    """

    name: str
    type: FieldType
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    choices: Sequence[tuple[str, str]] = ()
    least: int | None = None
    most: int | None = None
    only_with: str = ""

    def as_json(self, translate: Translate) -> Mapping[str, Any]:
        """The field as the canvas reads it; what does not apply is left out."""
        told: dict[str, Any] = {
            "name": self.name,
            "type": self.type.value,
            "label": translate(self.label),
        }
        if self.help:
            told["help"] = translate(self.help)
        if self.required:
            told["required"] = True
        if self.default is not None:
            told["default"] = self.default
        if self.choices:
            told["choices"] = [
                {"value": value, "label": translate(label)} for value, label in self.choices
            ]
        for name in ("least", "most"):
            if (limit := getattr(self, name)) is not None:
                told[name] = limit
        if self.only_with:
            told["only_with"] = self.only_with
        return told
