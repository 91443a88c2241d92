"""Random people and random documents: few names and few values, so that they meet.

Times are drawn from the edges of windows: the edge, one microsecond before it and one after.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.reference.criteria import Happening, Person, add_months, step
from tests.segments.criteria.people import (
    ATTRIBUTES,
    CATEGORIES,
    CONSENTS,
    EVENTS,
    JOURNEY_FACTS,
    JOURNEYS,
    LISTED_URLS,
    METRICS,
    NEW_YORK,
    SEGMENTS,
    TAGS,
    WARSAW,
)

TICK = timedelta(microseconds=1)
_DURATIONS: list[dict[str, Any]] = [
    {"amount": amount, "unit": unit}
    for amount, unit in (
        *((30, "minute"), (24, "hour"), (1, "day"), (2, "week")),
        *((1, "month"), (13, "month"), (1, "year"), (10000, "year")),
    )
]
_DATE_DURATIONS: list[dict[str, Any]] = [
    {"amount": amount, "unit": unit}
    for amount, unit in ((1, "day"), (7, "day"), (1, "week"), (1, "month"), (4, "year"))
]
_NOWS = (
    (datetime(2024, 3, 31, 10, 30, tzinfo=WARSAW), WARSAW),  # the clocks went forward at 2:00
    (datetime(2025, 10, 27, 9, 0, tzinfo=WARSAW), WARSAW),  # and back the night before
    (datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=WARSAW), WARSAW),
    (datetime(2025, 3, 31, 0, 0, tzinfo=WARSAW), WARSAW),
    (datetime(2025, 11, 2, 12, 0, tzinfo=NEW_YORK), NEW_YORK),
    (datetime(2025, 12, 31, 22, 0, tzinfo=NEW_YORK), NEW_YORK),
)
_TEXTS = ("Warszawa", "warszawa", "İzmir", "ΣΑΣ", "σας", "50%_\\x", "a'b", "", "{1}", "true", "1.0")
_PARTS = ("WAR", "wa", "i", "Σ", "%", "_", "\\", "'", "a", "1", "true", "x")
_NUMBERS = tuple(Decimal(n) for n in ("0", "1", "2", "3", "0.1", "0.3", "-2", "2.5", "100", "1E+3"))


@dataclass(frozen=True)
class Case:
    """People, documents, and when and where the documents are asked."""

    now: datetime
    zone: ZoneInfo
    people: tuple[Person, ...]
    documents: tuple[dict[str, Any], ...]


@cache
def cases() -> st.SearchStrategy[Case]:
    """Some people and some documents at one of a few moments."""
    return st.one_of([_cases_at(now.astimezone(UTC), zone) for now, zone in _NOWS])


def _cases_at(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[Case]:
    times, dates = _instants(now, zone), _dates(now, zone)
    return st.builds(
        Case,
        st.just(now),
        st.just(zone),
        st.lists(_people(times, dates), min_size=3, max_size=6).map(tuple),
        st.lists(_documents(times, dates), min_size=6, max_size=10).map(tuple),
    )


@cache
def documents_at(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[dict[str, Any]]:
    """Documents without people."""
    return _documents(_instants(now, zone), _dates(now, zone))


def conditions_at(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions on one event, as in `where`."""
    return _wheres(_instants(now, zone))


def happenings_at(now: datetime, zone: ZoneInfo) -> st.SearchStrategy[Happening]:
    """Events that such conditions tell apart."""
    return _events(_instants(now, zone), _dates(now, zone))


def _instants(now: datetime, zone: ZoneInfo) -> list[datetime]:
    """Now, the ends of the windows, and what is a tick away from them."""
    steps = [
        edge
        for sign in (-1, 1)
        for duration in _DURATIONS
        if (edge := step(now, duration, sign, zone)) is not None
    ]
    midnight = datetime.combine(now.astimezone(zone).date(), datetime.min.time(), zone)
    edges = [now, now, *steps, midnight.astimezone(UTC)]
    return [at for edge in edges for at in (edge - TICK, edge, edge + TICK)]


def _dates(now: datetime, zone: ZoneInfo) -> list[date]:
    today = now.astimezone(zone).date()
    edges = [today, today - timedelta(days=1), date(2000, 2, 29), date(1999, 2, 28)]
    for sign in (-1, 1):
        for duration in _DATE_DURATIONS:
            amount = sign * int(duration["amount"])
            if duration["unit"] in ("month", "year"):
                months = amount * (12 if duration["unit"] == "year" else 1)
                edges.append(add_months(today, months) or today)
            else:
                edges.append(today + timedelta(amount * (7 if duration["unit"] == "week" else 1)))
    days = [edge + timedelta(days=ahead) for edge in edges for ahead in (-1, 0, 1)]
    return days + [day.replace(year=1984, day=min(day.day, 28)) for day in days]


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# --- People -------------------------------------------------------------------------------------


def _people(times: list[datetime], dates: list[date]) -> st.SearchStrategy[Person]:
    text, number = st.sampled_from(_TEXTS), st.sampled_from(_NUMBERS)
    time, day = st.sampled_from(times), st.sampled_from(dates)
    stored_times = time.map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    fields = st.fixed_dictionaries(
        {"created_at": time, "updated_at": time},
        optional={
            "city": text,
            "last_name": text,
            "birth_date": day,
            "lead_score": number,
            "last_seen_at": time,
        },
    )
    attributes = st.fixed_dictionaries(
        {},
        optional={
            "text": text,
            "number": number,
            "flag": st.booleans(),
            "day": day.map(str),
            "at": stored_times.filter(lambda text: len(text) == 27),
            "sizes": st.lists(st.sampled_from(["s", "m", "l"]), min_size=1, unique=True),
        },
    )
    loyalty = st.fixed_dictionaries(
        {"points": st.integers(-1, 3), "tier": st.sampled_from(["", "gold"]), "joined_at": time}
    )
    return st.builds(
        Person,
        fields=fields,
        attributes=attributes,
        tags=_subset(TAGS),
        categories=_subset(CATEGORIES),
        consents=st.dictionaries(
            st.sampled_from(CONSENTS), st.sampled_from(["granted", "withdrawn"])
        ),
        segments=_subset(SEGMENTS),
        journeys=st.fixed_dictionaries(dict.fromkeys(JOURNEY_FACTS, _subset(JOURNEYS))),
        metrics=st.fixed_dictionaries(
            {}, optional={"orders": number, "last_order": day, "favourite": text}
        ),
        loyalty=st.none() | loyalty,
        events=st.lists(_events(times, dates), max_size=8).map(tuple),
        is_erased=st.sampled_from([False] * 9 + [True]),
    ).map(_forget)


def _forget(person: Person) -> Person:
    """Erased people have nothing in their own row; what is elsewhere must not bring them back."""
    if not person.is_erased:
        return person
    fields = {key: at for key, at in person.fields.items() if key.endswith("_at")}
    return Person(**{**vars(person), "fields": fields, "attributes": {}})


def _subset(keys: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(keys))


def _events(times: list[datetime], dates: list[date]) -> st.SearchStrategy[Happening]:
    # Most of what happened is past, and much of it within one window.
    happened = sorted(times)[: len(times) * 2 // 3]
    time, day = st.sampled_from([*happened, *happened[-15:], *times]), st.sampled_from(dates)
    written = st.one_of(
        time.map(_iso),
        day.map(str),
        day.map(lambda on: f"{on} 12:00"),
        time.map(lambda at: at.astimezone(NEW_YORK).isoformat()),
        st.sampled_from(["2023-02-29", "2024-02-30T10:00", "2024-01-01T24:00", "yesterday"]),
    )
    odd = st.sampled_from([None, "", True, False, {}, [], {"1": 2}, ["x", 1], [{"a": 1}]])
    number = st.one_of(st.sampled_from(_NUMBERS), st.sampled_from([1, Decimal("1.0"), Decimal(10)]))
    number_text = st.sampled_from(["1", "1.0", "12.5", "-0.3", "1e3", " 1", "0.1", "+1"])
    anything = st.one_of(number, number_text, odd, st.sampled_from(_TEXTS), written)
    properties = st.fixed_dictionaries(
        {},
        optional={
            "amount": st.one_of(number, number, number_text, odd),
            "url": st.one_of(st.sampled_from([*LISTED_URLS, "/sale?x=1", "/SALE"]), odd, number),
            "x": anything,
            "deep": st.one_of(
                st.fixed_dictionaries({}, optional={"x": anything, "0": number}), odd
            ),
        },
    )
    return st.builds(Happening, st.sampled_from(EVENTS), time, properties)


# --- Documents ----------------------------------------------------------------------------------


def _documents(times: list[datetime], dates: list[date]) -> st.SearchStrategy[dict[str, Any]]:
    """Half of them ask one thing only, so that it decides; of the rules most are of behaviour."""
    rule = _weighted(
        (3, _field_rules(times, dates)),
        (2, _key_rules()),
        (6, _event_rules(times)),
        (2, _sequences(times)),
    )
    alone = st.builds(
        lambda one, negated: {"combinator": "and", "rules": [one], "not": negated},
        rule,
        st.booleans(),
    )
    return _weighted((1, alone), (1, _groups(rule, max_size=4, depth=2)))


def _weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of the strategies, so many times as likely; `one_of` would flatten those in it."""
    wheel = [index for index, (weight, _) in enumerate(choices) for _ in range(weight)]
    return st.sampled_from(wheel).flatmap(lambda index: choices[index][1])


def _groups(
    rule: st.SearchStrategy[dict[str, Any]], *, max_size: int, depth: int, min_size: int = 0
) -> st.SearchStrategy[dict[str, Any]]:
    child = rule
    if depth:
        child = st.one_of(rule, rule, _groups(rule, max_size=3, depth=depth - 1))
    disabled = st.sampled_from([{}] * 7 + [{"disabled": True}])
    return st.builds(
        lambda combinator, rules, negated, flags: {
            "combinator": combinator,
            "rules": [
                {**one, **flag} for one, flag in zip(rules, [*flags, *[{}] * 9], strict=False)
            ],
            **negated,
        },
        st.sampled_from(["and", "or"]),
        st.lists(child, min_size=min_size, max_size=max_size),
        st.sampled_from([{}, {}, {"not": False}, {"not": True}]),
        st.lists(disabled, max_size=2),
    )


def _rule(
    field: str, tests: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    return tests.map(lambda test: {"field": field, **test})


def _field_rules(times: list[datetime], dates: list[date]) -> st.SearchStrategy[dict[str, Any]]:
    by_type = {
        "text": _text_tests(),
        "number": _number_tests(),
        "boolean": _boolean_tests(),
        "date": _date_tests(dates),
        "datetime": _time_tests(times),
        "list": _list_tests(["s", "m", "l", "xl"], presence=True),
    }
    fields = {
        "contact.city": "text",
        "contact.last_name": "text",
        "contact.birth_date": "date",
        "contact.lead_score": "number",
        "contact.created_at": "datetime",
        "contact.last_seen_at": "datetime",
        "loyalty.is_member": "boolean",
        "loyalty.points": "number",
        "loyalty.tier": "text",
        "loyalty.joined_at": "datetime",
        **{f"attribute.{key}": type_ for key, type_ in ATTRIBUTES.items()},
        **{f"metric.{key}": type_ for key, type_ in METRICS.items()},
    }
    return st.one_of([_rule(field, by_type[type_]) for field, type_ in fields.items()])


def _key_rules() -> st.SearchStrategy[dict[str, Any]]:
    states = st.sampled_from(["granted", "withdrawn", "unknown"])
    consents = st.one_of(
        _tests(["=", "!="], states), _tests(["in", "notIn"], st.lists(states, min_size=1))
    )
    return st.one_of(
        _rule("tag", _list_tests(TAGS, presence=True)),
        _rule("category", _list_tests(CATEGORIES, presence=True)),
        _rule("segment", _list_tests(SEGMENTS, presence=False)),
        *(
            _rule(f"journey.{name}", _list_tests(JOURNEYS, presence=False))
            for name in JOURNEY_FACTS
        ),
        *(_rule(f"consent.{key}", consents) for key in CONSENTS),
    )


def _event_rules(times: list[datetime]) -> st.SearchStrategy[dict[str, Any]]:
    names = ["purchase"] * 5 + ["page_visit"] * 4 + ["never_seen"]
    event = st.sampled_from([f"event.{name}" for name in names])
    wheres: st.SearchStrategy[dict[str, Any]] = st.sampled_from(["none", "some", "some"]).flatmap(
        lambda kind: st.just({}) if kind == "none" else st.builds(dict, where=_wheres(times))
    )
    properties = st.sampled_from(["amount", "amount", "amount", "x", "deep.x", "url"])
    counted: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}), st.just({"measure": {"function": "count"}})
    )
    numeric = st.builds(
        lambda function, key: {"measure": {"function": function, "property": key}},
        st.sampled_from(["sum", "average", "minimum", "maximum", "distinct"]),
        properties,
    )
    timed = st.sampled_from([{"measure": {"function": f}} for f in ("first", "last")])

    def rules(measure: Any, tests: Any) -> st.SearchStrategy[dict[str, Any]]:
        return st.builds(
            lambda name, m, w, test: {"field": name, **m, **w, **test},
            event,
            measure,
            wheres,
            tests,
        )

    counts = _number_tests(st.sampled_from([0, 1, 2, Decimal("0.5"), Decimal(-1)]))
    return _weighted(
        (2, rules(counted, counts)),
        (3, rules(numeric, _number_tests())),
        (1, rules(timed, _time_tests(times))),
    )


def _wheres(times: list[datetime]) -> st.SearchStrategy[dict[str, Any]]:
    time = st.sampled_from(times).map(_iso)
    property_tests = st.one_of(
        _text_tests(),
        _number_tests(),
        _boolean_tests(),
        _time_tests(times).filter(lambda test: test["operator"] not in ("=", "!=")),
        _tests(["in", "notIn"], st.lists(st.sampled_from(["1", 1, True, "x", "true"]), min_size=1)),
        _tests(["=", "!="], time),
    )
    urls = _tests(
        ["contains", "doesNotContain", "beginsWith", "=", "!="],
        st.sampled_from(["sale", "/SALE", LISTED_URLS[0], "1", "/c/"]),
    )
    rule = st.one_of(
        _rule("occurred_at", _time_tests(times)),
        _rule("occurred_at", _tests(["inLast"], st.sampled_from(_DURATIONS))),
        _rule("properties.amount", _number_tests()),
        _rule("properties.url", urls),
        *(_rule(f"properties.{way}", property_tests) for way in ("x", "deep.x", "deep.0", "url")),
    )
    alone = rule.map(lambda one: {"combinator": "and", "rules": [one]})
    return _weighted((2, alone), (1, _groups(rule, max_size=3, depth=1)))


def _sequences(times: list[datetime]) -> st.SearchStrategy[dict[str, Any]]:
    within = st.sampled_from(_DURATIONS)
    event = st.sampled_from([*EVENTS, *EVENTS, "never_seen"])
    where: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}), st.just({}), st.builds(dict, where=_wheres(times))
    )
    first = st.builds(lambda name, w: {"event": name, **w}, event, where)
    later = st.builds(
        lambda name, w, length: {"event": name, **w, **({"within": length} if length else {})},
        event,
        where,
        st.none() | within,
    )
    absent = st.builds(
        lambda name, w, length: {"event": name, **w, "within": length, "not": True},
        event,
        where,
        within,
    )
    return st.one_of(
        st.builds(lambda *steps: {"field": "sequence", "steps": list(steps)}, first, later),
        st.builds(lambda *steps: {"field": "sequence", "steps": list(steps)}, first, absent),
        st.builds(
            lambda *steps: {"field": "sequence", "steps": list(steps)},
            first,
            later,
            st.one_of(later, absent),
        ),
    )


def _tests(operators: list[str], values: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda operator, value: {"operator": operator, "value": value},
        st.sampled_from(operators),
        values,
    )


_PRESENCE = st.sampled_from([{"operator": "null"}, {"operator": "notNull"}])


def _text_tests() -> st.SearchStrategy[dict[str, Any]]:
    text = st.sampled_from([text for text in _TEXTS if text])
    matching = ["contains", "beginsWith", "endsWith"]
    negative = ["doesNotContain", "doesNotBeginWith", "doesNotEndWith"]
    return st.one_of(
        _tests(["=", "!="], text),
        _tests(["in", "notIn"], st.lists(text, min_size=1, max_size=3)),
        _tests(matching + negative, st.sampled_from(_PARTS)),
        _PRESENCE,
    )


def _number_tests(
    numbers: st.SearchStrategy[Any] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    number = numbers
    if number is None:
        number = st.sampled_from([*_NUMBERS, 1, 0, Decimal("0.30")])
    return st.one_of(
        _tests(["=", "!=", "<", "<=", ">", ">="], number),
        _tests(["in", "notIn"], st.lists(number, min_size=1, max_size=3)),
        _tests(["between", "notBetween"], st.lists(number, min_size=2, max_size=2)),
        _PRESENCE,
    )


def _boolean_tests() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(_tests(["=", "!="], st.booleans()), _PRESENCE)


def _time_tests(times: list[datetime]) -> st.SearchStrategy[dict[str, Any]]:
    time = st.sampled_from(times).map(_iso)
    return st.one_of(
        _tests(["=", "!=", "<", "<=", ">", ">="], time),
        _tests(["between", "notBetween"], st.lists(time, min_size=2, max_size=2)),
        _tests(["inLast", "notInLast", "inNext", "notInNext"], st.sampled_from(_DURATIONS)),
        _PRESENCE,
    )


def _date_tests(dates: list[date]) -> st.SearchStrategy[dict[str, Any]]:
    day = st.sampled_from(dates).map(str)
    days = st.sampled_from([1, 2, 7, 366, 10000]).map(lambda n: {"amount": n, "unit": "day"})
    return st.one_of(
        _tests(["=", "!=", "<", "<=", ">", ">="], day),
        _tests(["between", "notBetween"], st.lists(day, min_size=2, max_size=2)),
        _tests(["inLast", "notInLast", "inNext", "notInNext"], st.sampled_from(_DATE_DURATIONS)),
        _tests(["anniversaryInNext", "notAnniversaryInNext"], days),
        _PRESENCE,
    )


def _list_tests(keys: Any, *, presence: bool) -> st.SearchStrategy[dict[str, Any]]:
    found = _tests(["in", "notIn", "all"], st.lists(st.sampled_from(keys), min_size=1, max_size=3))
    return st.one_of(found, _PRESENCE) if presence else found
