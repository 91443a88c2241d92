"""What Emarsys answers, read into what we mean; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from integrations.errors import MalformedAnswer, ThingMissing

EMAIL_FIELD = "3"


@dataclass(frozen=True, slots=True)
class Named:
    """A segment or a combined segment in a list; `definition` where the list has it, too."""

    id: str
    name: str
    definition: "Definition | None" = None


@dataclass(frozen=True, slots=True)
class Run:
    """How far the run of a segment is: waiting, running, done or error; where its contacts are.

    `contact_list_id` is "" until it is told, which may be later than that the run is done.
    """

    id: str
    status: str
    contact_list_id: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """What a combined segment is made of: ids of segments and of contact lists, how they join."""

    include: "Part"
    exclude: "Part"


@dataclass(frozen=True, slots=True)
class Part:
    """One side of a combined segment."""

    is_any: bool = True
    segment_ids: tuple[str, ...] = ()
    list_ids: tuple[str, ...] = ()


def read_named(data: Any) -> list[Named]:
    """The entries of a list of segments. Raises MalformedAnswer."""
    found = []
    for one in _entries(_unwrapped(data)):
        if not isinstance(one, dict) or one.get("id") is None:
            raise _malformed("a segment without id")
        definition = read_definition(one) if isinstance(one.get("definition"), dict) else None
        found.append(Named(str(one["id"]), str(one.get("name") or one["id"]), definition))
    return found


def read_begun(data: Any) -> Run:
    """A run that was begun, whatever it says of its state: its list is told when it is asked for.

    Raises MalformedAnswer.
    """
    if not isinstance(data, dict) or not data.get("run_id"):
        raise _malformed("a run without run_id")
    return Run(str(data["run_id"]), "waiting")


def read_run(data: Any) -> Run:
    """A run as it stands. Raises MalformedAnswer."""
    if not isinstance(data, dict) or not data.get("run_id") or not data.get("status"):
        raise _malformed("a run without run_id or status")
    result = data.get("result")
    if not isinstance(result, dict):
        result = {}
    status = str(data["status"])
    list_id = result.get("contact_list_id")
    return Run(
        str(data["run_id"]), status, str(list_id or ""), _number(result.get("user_count") or 0)
    )


def read_definition(data: Any) -> Definition:
    """What a combined segment is made of. Raises MalformedAnswer."""
    definition = data.get("definition") if isinstance(data, dict) else None
    if not isinstance(definition, dict):
        raise _malformed("a combined segment without definition")
    return Definition(_part(definition.get("include")), _part(definition.get("exclude")))


def read_ids(data: Any) -> list[int]:
    """The numbers of contacts. Raises MalformedAnswer."""
    return [_number(one) for one in _entries(data)]


def read_keys(data: Any, field: str) -> list[str]:
    """The value of a field of each contact of a page; "" where one has none.

    An object by the contacts' numbers, or an array; where nobody is on the page it is empty or
    false. Raises MalformedAnswer.
    """
    return [
        _key(one.get("fields") if isinstance(one, dict) else None, field) for one in _entries(data)
    ]


def read_found(data: Any, field: str) -> list[str]:
    """The same of an answer to `contact/getdata`, whose `result` is false where nobody is found."""
    result = data.get("result") if isinstance(data, dict) else None
    if result is None:
        raise _malformed("an answer without result")
    return [_key(one, field) for one in _entries(result)]


def read_fields(data: Any) -> dict[str, str]:
    """The names of the fields by their numbers. Raises MalformedAnswer."""
    return {
        str(one["id"]): str(one.get("name", ""))
        for one in _entries(data)
        if isinstance(one, dict) and one.get("id") is not None
    }


def read_changed(data: Any) -> str:
    """The number of the one contact that was changed.

    Raises ThingMissing where the envelope said OK and the contact was refused, MalformedAnswer.
    """
    if not isinstance(data, dict):
        raise _malformed("a change without what came of it")
    if ids := _entries(data.get("ids")):
        return str(ids[0])
    if isinstance(errors := data.get("errors"), dict) and errors:
        reasons = next(iter(errors.values()))
        told = "; ".join(f"{text} ({code})" for code, text in dict(reasons).items())
        words = _("Emarsys did not change the contact: %(told)s")
        raise ThingMissing(words % {"told": told[:300]})
    if data.get("id"):
        return str(data["id"])
    raise _malformed("a change without the number of the contact")


def read_code(value: Any) -> int | None:
    """A code of the envelope, also one that is written as text; None for all else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_count(data: Any) -> int:
    """How many. Raises MalformedAnswer."""
    return _number(data)


def _part(given: Any) -> Part:
    if not isinstance(given, dict):
        return Part()
    return Part(
        str(given.get("relation", "OR")).upper() != "AND",
        tuple(str(one) for one in _entries(given.get("segment_ids") or [])),
        tuple(str(one) for one in _entries(given.get("contact_list_ids") or [])),
    )


def _unwrapped(data: Any) -> Any:
    """A list that stands alone in an object, under whatever name."""
    if isinstance(data, Mapping) and len(data) == 1:
        (inner,) = data.values()
        return inner if isinstance(inner, list) else data
    return data


def _entries(data: Any) -> Sequence[Any]:
    # Nothing is an empty array, false, or "" there.
    if not data:
        return []
    if isinstance(data, Mapping):
        return list(data.values())
    if not isinstance(data, list):
        raise _malformed("something else than an array")
    return data


def _key(fields: Any, field: str) -> str:
    if not isinstance(fields, Mapping):
        raise _malformed("a contact without fields")
    value = fields.get(field)
    return "" if value is None else str(value)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _malformed("something else than a number") from None


def _malformed(what: str) -> MalformedAnswer:
    words = _("Emarsys answered something that its documentation does not know: %(what)s.")
    return MalformedAnswer(words % {"what": what})
