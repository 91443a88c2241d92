"""Whether paths are what they have to be: those of conditions, each with its form, of splits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from journeys.drawing.checks import (
    check_clock,
    check_criteria,
    is_missing,
    is_whole,
    read_date,
)
from journeys.drawing.faults import Place, gettext_noop
from journeys.drawing.forms import (
    CAP,
    CONTACT,
    CRITERIA,
    DATE,
    DAYS,
    FORMS,
    JOURNEY,
    PERIODS,
    TIME,
    forms_of,
)
from journeys.drawing.kinds import ELSE, ERROR, NEXT, TIMEOUT
from journeys.drawing.known import Known

PATH_NAME_LIMIT = 63
PATH_LIMIT = 20
CAP_MOST = 1_000_000_000
_RESERVED = frozenset({NEXT, ERROR, TIMEOUT, ELSE})


@dataclass(frozen=True, slots=True)
class _Form:
    """What one path is told in one form, at its place: what may be in it, who notes faults."""

    told: Any
    path: str
    place: Place
    known: Known

    def add(self, code: str, message: str, *, at: str = "", **words: Any) -> None:
        self.place.add(f"{self.path}{at}", code, message, **words)

    def is_object(self, keys: Collection[str], message: str) -> bool:
        """Whether it is an object; keys that mean nothing in it are noted."""
        if not isinstance(self.told, Mapping):
            self.add("wrong_type", message)
            return False
        for key in self.told:
            if key not in keys:
                unknown = gettext_noop("“{key}” means nothing here; there are: {keys}.")
                self.add("unknown_key", unknown, key=str(key)[:63], keys=", ".join(keys))
        return True

    def check_zone(self) -> None:
        """Whose clocks: those of the contact, of the journey, or of a place that is named."""
        zone = self.told.get("zone")
        is_told = isinstance(zone, str) and (zone in (CONTACT, JOURNEY) or self.known.is_zone(zone))
        if not is_missing(zone) and not is_told:
            message = gettext_noop(
                "The time zone is that of the “contact” or of the “journey”, or one that is named,"
                " as Europe/Warsaw."
            )
            self.add("wrong_type", message, at=".zone")


def check_condition_paths(value: Any, at: str, place: Place, known: Known) -> None:
    """Note what is wrong with the paths of a condition."""
    for path, index in _paths(value, at, place):
        forms = forms_of(path)
        if not forms:
            message = gettext_noop("Say who goes this way.")
            place.add(f"{at}{index}.{CRITERIA}", "missing_value", message)
        for form in forms[1:]:
            message = gettext_noop("A path is of one of these, and not of several: {forms}.")
            place.add(f"{at}{index}.{form}", "wrong_type", message, forms=", ".join(FORMS))
        for form in forms[:1]:
            _CHECKS[form](_Form(path[form], f"{at}{index}.{form}", place, known))


def _criteria(form: _Form) -> None:
    check_criteria(form.told, form.path, form.place, form.known)


def _time(form: _Form) -> None:
    wanted = gettext_noop("Say from when to when, or on which days.")
    if not form.is_object(("from", "to", "days", "zone"), wanted):
        return
    begin, end, days = (form.told.get(name) for name in ("from", "to", "days"))
    if all(is_missing(one) for one in (begin, end, days)):
        form.add("missing_value", wanted)
    for name, clock in (("from", begin), ("to", end)):
        if not is_missing(clock):
            check_clock(clock, f"{form.path}.{name}", form.place)
    if not is_missing(end) and (begin or "00:00") == end:
        message = gettext_noop("It ends at another time than it begins.")
        form.add("wrong_type", message, at=".to")
    if not is_missing(days) and not _are_days(days):
        message = gettext_noop("Days are a list of these, each once: {days}.")
        form.add("wrong_type", message, at=".days", days=", ".join(DAYS))
    form.check_zone()


def _are_days(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(day, str) for day in value):
        return False
    return len(set(value)) == len(value) and set(value) <= set(DAYS)


def _date(form: _Form) -> None:
    wanted = gettext_noop("Say from which day, until which day, or both.")
    if not form.is_object(("from", "to", "zone"), wanted):
        return
    begin, end = (form.told.get(name) for name in ("from", "to"))
    if is_missing(begin) and is_missing(end):
        form.add("missing_value", wanted)
    for name, day in (("from", begin), ("to", end)):
        if not is_missing(day) and read_date(day) is None:
            message = gettext_noop("A day is wanted, as 2026-12-24.")
            form.add("wrong_type", message, at=f".{name}")
    first, last = read_date(begin), read_date(end)
    if first is not None and last is not None and last < first:
        form.add("wrong_type", gettext_noop("It ends before it begins."), at=".to")
    form.check_zone()


def _cap(form: _Form) -> None:
    wanted = gettext_noop("Say how many at most.")
    if not form.is_object(("limit", "per"), wanted):
        return
    limit, per = form.told.get("limit"), form.told.get("per")
    if not is_whole(limit) or not 1 <= limit <= CAP_MOST:
        message = gettext_noop("A whole number from {least} to {most} is wanted here.")
        form.add("wrong_type", message, at=".limit", least=1, most=CAP_MOST)
    if not is_missing(per) and (not isinstance(per, str) or per not in PERIODS):
        message = gettext_noop("It counts for the whole “journey”, or for each “day”.")
        form.add("wrong_type", message, at=".per")


_CHECKS: Mapping[str, Callable[[_Form], None]] = {
    CRITERIA: _criteria,
    TIME: _time,
    DATE: _date,
    CAP: _cap,
}


def check_percent_paths(value: Any, at: str, place: Place) -> None:
    """Note what is wrong with the paths of a split."""
    total, is_sound = Decimal(0), True
    for path, index in _paths(value, at, place):
        percent = path.get("percent")
        if is_percent(percent):
            total += Decimal(str(percent))
        else:
            is_sound = False
            message = gettext_noop("A percentage above 0, at most 100, is wanted here.")
            place.add(f"{at}{index}.percent", "wrong_type", message)
    if is_sound and isinstance(value, list) and total != 100:
        message = gettext_noop("Together the paths have to make 100 %; they make {total} %.")
        place.add(at, "wrong_type", message, total=total.normalize().__format__("f"))


def is_percent(value: Any) -> bool:
    """Whether it is a share: more than nothing, at most 100, hundredths at the finest."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    exact = Decimal(str(value))
    return exact.is_finite() and 0 < exact <= 100 and exact == round(exact, 2)


def _paths(value: Any, at: str, place: Place) -> Sequence[tuple[Mapping[str, Any], str]]:
    """The paths that are objects, with where they stand; faults of their names are noted."""
    if not isinstance(value, list):
        place.add(at, "wrong_type", gettext_noop("A list of paths is wanted here."))
        return []
    if len(value) > PATH_LIMIT:
        message = gettext_noop("There are at most {limit} paths.")
        place.add(at, "wrong_type", message, limit=PATH_LIMIT)
    found, names = [], set[str]()
    for index, path in enumerate(value[:PATH_LIMIT]):
        if not isinstance(path, Mapping):
            place.add(f"{at}[{index}]", "wrong_type", gettext_noop("A path is an object."))
            continue
        found.append((path, f"[{index}]"))
        _check_name(path.get("name"), f"{at}[{index}].name", place, names)
    return found


def _check_name(name: Any, at: str, place: Place, names: set[str]) -> None:
    if is_missing(name):
        place.add(at, "missing_value", gettext_noop("Give the path a name."))
    elif not isinstance(name, str) or len(name) > PATH_NAME_LIMIT or name != name.strip():
        message = gettext_noop("The name of a path is a text of at most {limit} characters.")
        place.add(at, "wrong_type", message, limit=PATH_NAME_LIMIT)
    elif name in names or name in _RESERVED:
        message = gettext_noop("Another path has the name “{name}”, or it means something else.")
        place.add(at, "wrong_type", message, name=name)
    else:
        names.add(name)
