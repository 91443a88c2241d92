"""What only one kind of mechanism has: its settings, checked with every fault at once.

    reward     {"type": "physical", "instructions": "Ask at the till."}
    offer      {"assigned_only": true, "valid_days": 30}
    challenge  {"event": "purchase", "measure": "sum", "property": "amount", "threshold": "250.00",
                "where": criteria on the event or null, "period": "month", "bonus_points": 100}
    tier       {"threshold": 1000}

The other kinds have none: they share the block of restrictions.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.event_definitions import NAME_LIMIT as EVENT_NAME_LIMIT
from loyalty.models import Mechanism
from segments.definitions import Faults
from segments.documents import is_same
from segments.errors import CriteriaRefused
from segments.facts import parse_conditions
from segments.models import everyone

Kind = Mechanism.Kind
NUMBER_LIMIT = 2**31 - 1
TEXT_LIMIT = 2000
PROPERTY_LIMIT = 200
DAYS_LIMIT = 3660
THRESHOLD_DIGITS = 4

REWARD_TYPES = {
    "physical": gettext_lazy("a thing to take away"),
    "virtual": gettext_lazy("something virtual"),
    "badge": gettext_lazy("a badge"),
    "content": gettext_lazy("content"),
    "download": gettext_lazy("a download"),
    "gift_card": gettext_lazy("a gift card"),
    "coupon": gettext_lazy("a coupon"),
    "bundle": gettext_lazy("a bundle"),
    "custom": gettext_lazy("something else"),
}
MEASURES = {
    "count": gettext_lazy("how many events"),
    "sum": gettext_lazy("the sum of a property"),
}


def check_kind_settings(
    kind: str, given: Any, faults: Faults, *, mechanism_id: int | None = None
) -> dict[str, Any]:
    """The settings of a kind as they are to be kept. Faults are told under `settings`.

    Raises CriteriaRefused, with the other faults, where the conditions of a challenge have some.
    """
    if not isinstance(given, Mapping):
        faults.add("settings", "invalid", _("The settings are an object."))
        return {}
    reader = _Reader(given, faults)
    checks: Mapping[str, Callable[[_Reader], dict[str, Any]]] = {
        Kind.REWARD: _reward,
        Kind.OFFER: _offer,
        Kind.CHALLENGE: _challenge,
        Kind.TIER: lambda reader: _tier(reader, mechanism_id),
    }
    check = checks.get(kind)
    kept = check(reader) if check else {}
    reader.refuse_others()
    return kept


class _Reader:
    """Takes settings out of what was given, and notes what is wrong with each."""

    def __init__(self, given: Mapping[str, Any], faults: Faults) -> None:
        self.given, self.faults = given, faults
        self.known: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.known.add(name)
        return self.given.get(name, default)

    def add(self, name: str, code: str, message: str) -> None:
        self.faults.add(f"settings.{name}", code, message)

    def whole(
        self, name: str, *, least: int, most: int = NUMBER_LIMIT, default: int | None = None
    ) -> int | None:
        """A whole number, `default` where none is given."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            message = _("A whole number from %(least)d to %(most)d.")
            self.add(name, "out_of_range", message % {"least": least, "most": most})
            return default
        return value

    def text(self, name: str, limit: int) -> str:
        """A text, trimmed; empty where none is given."""
        value = self.get(name, "")
        if not isinstance(value, str):
            self.add(name, "invalid", _("It is a text."))
            return ""
        value = value.strip()
        if len(value) > limit:
            self.add(name, "too_long", _("At most %(limit)d characters.") % {"limit": limit})
        if "\0" in value:
            message = _("The text holds a character that cannot be kept.")
            self.add(name, "invalid", message)
        return value

    def choice(self, name: str, choices: Mapping[str, Any], default: str) -> str:
        """One of a few words."""
        value = self.get(name, default)
        if value not in choices:
            message = _("It is one of: %(known)s.")
            known = ", ".join(word for word in choices if word)
            self.add(name, "invalid_choice", message % {"known": known})
            return default
        return str(value)

    def flag(self, name: str) -> bool:
        """True or false; false where it is not given."""
        value = self.get(name, False)
        if not isinstance(value, bool):
            self.add(name, "invalid", _("It is true or false."))
            return False
        return value

    def refuse_others(self) -> None:
        """Note what nobody asked for."""
        for name in self.given:
            if name not in self.known:
                message = _("There is no such setting of this kind. There are: %(known)s.")
                known = ", ".join(sorted(self.known)) or "–"
                self.add(str(name), "unknown_field", message % {"known": known})


def _reward(reader: _Reader) -> dict[str, Any]:
    return {
        "type": reader.choice("type", REWARD_TYPES, "custom"),
        "instructions": reader.text("instructions", TEXT_LIMIT),
    }


def _offer(reader: _Reader) -> dict[str, Any]:
    return {
        "assigned_only": reader.flag("assigned_only"),
        "valid_days": reader.whole("valid_days", least=1, most=DAYS_LIMIT),
    }


def _tier(reader: _Reader, mechanism_id: int | None) -> dict[str, Any]:
    threshold = reader.whole("threshold", least=0)
    if threshold is None:
        if reader.given.get("threshold") is None:
            reader.add("threshold", "required", _("Say from how many points on one has it."))
        return {}
    same = Mechanism.objects.filter(kind=Kind.TIER, settings__threshold=threshold)
    other = same.exclude(Q(pk=mechanism_id) | Q(status=Mechanism.Status.ARCHIVED)).first()
    if other is not None:
        message = _("Another tier begins with %(points)d points, too: which would count?")
        reader.add("threshold", "not_unique", message % {"points": threshold})
    return {"threshold": threshold}


def _challenge(reader: _Reader) -> dict[str, Any]:
    event = reader.text("event", EVENT_NAME_LIMIT)
    if not event and isinstance(reader.given.get("event", ""), str):
        reader.add("event", "required", _("Name the event that counts, such as “purchase”."))
    measure = reader.choice("measure", MEASURES, "count")
    name = reader.text("property", PROPERTY_LIMIT)
    if measure == "sum" and (not name or not all(name.split("."))):
        message = _("Name a property, such as “amount”, or “total.gross” for one inside another.")
        reader.add("property", "required", message)
    periods = {"": "", **dict(Mechanism.Period.choices)}
    return {
        "event": event,
        "measure": measure,
        "property": name if measure == "sum" else "",
        "threshold": _threshold(reader, is_whole=measure == "count"),
        "period": reader.choice("period", periods, ""),
        "bonus_points": reader.whole("bonus_points", least=0, default=0),
        "where": _where(reader),
    }


def _threshold(reader: _Reader, *, is_whole: bool) -> str:
    """How much is needed, as a decimal text, so that no digit is lost."""
    value = reader.get("threshold")
    if value is None or value == "":
        reader.add("threshold", "required", _("Say how much is needed."))
        return ""
    try:
        found = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    exponent = found.as_tuple().exponent
    is_number = found.is_finite() and isinstance(exponent, int)
    if not is_number or not 0 < found <= NUMBER_LIMIT:
        message = _("A number greater than 0, at most %(most)d.")
        reader.add("threshold", "out_of_range", message % {"most": NUMBER_LIMIT})
        return ""
    if is_whole and found != found.to_integral_value():
        reader.add("threshold", "invalid", _("Events are counted in whole numbers."))
    if round(found, THRESHOLD_DIGITS) != found:
        reader.add("threshold", "invalid", _("At most four digits after the point."))
    return format(found.normalize(), "f")


def _where(reader: _Reader) -> Any:
    """The conditions on the event; None for every event of the name."""
    document = reader.get("where")
    if document is None or is_same(document, everyone()):
        return None
    try:
        parse_conditions(document)
    except CriteriaRefused as refused:
        for problem in refused.criteria_problems:
            reader.add(f"where.{problem.path}".rstrip("."), problem.code, problem.message)
    return document
