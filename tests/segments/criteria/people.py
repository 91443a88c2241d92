"""People of the reference in the real tables, and what may be asked about them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from contacts.models import (
    Category,
    ConsentDefinition,
    EventDefinition,
    MetricDefinition,
    Tag,
    Url,
)
from journeys.models import Journey
from segments.criteria import (
    AttributeField,
    Catalog,
    Criteria,
    Event,
    Item,
    MetricField,
    Query,
    SegmentItem,
    Type,
    compile_members,
    parse,
)
from segments.models import Segment
from tests.reference.criteria import FACTORY_TYPES, Person, World
from workspace.exactjson import exact_dumps

WARSAW = ZoneInfo("Europe/Warsaw")
NEW_YORK = ZoneInfo("America/New_York")

ATTRIBUTES = {
    "text": "text",
    "number": "number",
    "flag": "boolean",
    "day": "date",
    "at": "datetime",
    "sizes": "list",
}
METRICS = {"orders": "number", "last_order": "date", "favourite": "text"}
TAGS = ("vip", "churned", "new")
CATEGORIES = ("media", "books")
CONSENTS = ("newsletter", "sms")
SEGMENTS = ("other", "more", "never_calculated")
JOURNEYS = ("welcome", "birthday")
# What criteria ask of them, and the column that says it.
JOURNEY_FACTS = {"inside": "is_inside", "finished": "finished_at", "goal": "goal_at"}
EVENTS = ("purchase", "page_visit")
LISTED_URLS = ("https://shop.example/Sale", "https://shop.example/c/1")

TYPES = {
    **{f"attribute.{key}": type_ for key, type_ in ATTRIBUTES.items()},
    **{f"metric.{key}": type_ for key, type_ in METRICS.items()},
}

CATALOG = Catalog(
    attributes={key: AttributeField(key, key, Type(type_)) for key, type_ in ATTRIBUTES.items()},
    tags={key: Item(key, number, key) for number, key in enumerate(TAGS, 1)},
    categories={key: Item(key, number, key) for number, key in enumerate(CATEGORIES, 1)},
    consents={key: Item(key, number, key) for number, key in enumerate(CONSENTS, 1)},
    segments={
        key: SegmentItem(key, number, key, key != "never_calculated")
        for number, key in enumerate(SEGMENTS, 1)
    },
    metrics={
        key: MetricField(key, number, key, Type(type_))
        for number, (key, type_) in enumerate(METRICS.items(), 1)
    },
    events={key: Event(key, number, key) for number, key in enumerate(EVENTS, 1)},
    things={"journey": {key: Item(key, number, key) for number, key in enumerate(JOURNEYS, 1)}},
)


def make_world(now: datetime, zone: ZoneInfo = WARSAW) -> World:
    return World(now, zone, TYPES, frozenset({"never_calculated"}))


def add_definitions() -> None:
    """The rows that keys point to, with the numbers that the catalog says."""
    Tag.objects.bulk_create(Tag(id=n, key=key, label=key) for n, key in enumerate(TAGS, 1))
    Category.objects.bulk_create(
        Category(id=n, key=key, label=key) for n, key in enumerate(CATEGORIES, 1)
    )
    ConsentDefinition.objects.bulk_create(
        ConsentDefinition(id=n, key=key, label=key) for n, key in enumerate(CONSENTS, 1)
    )
    # Those that Regulars computes have numbers of their own.
    MetricDefinition.objects.all().delete()
    MetricDefinition.objects.bulk_create(
        MetricDefinition(id=number, key=key, label=key, type=type_)
        for number, (key, type_) in enumerate(METRICS.items(), 1)
    )
    EventDefinition.objects.bulk_create(
        EventDefinition(id=number, name=name) for number, name in enumerate(EVENTS, 1)
    )
    Url.objects.bulk_create(Url(id=number, url=url) for number, url in enumerate(LISTED_URLS, 1))
    Segment.objects.bulk_create(
        Segment(id=number, key=key, name=key) for number, key in enumerate(SEGMENTS, 1)
    )
    Journey.objects.bulk_create(
        Journey(id=number, key=key, name=key) for number, key in enumerate(JOURNEYS, 1)
    )


def add_people(people: Sequence[Person]) -> list[int]:
    """Write people into the tables; their ids, in order. Statistics follow from their events."""
    numbers = list(range(1, len(people) + 1))
    numbered = list(zip(numbers, people, strict=True))
    with connection.cursor() as cursor:
        _insert(cursor, "contacts_contact", [_contact(n, person) for n, person in numbered])
        _insert(cursor, "contacts_lastseen", _last_seen(numbered))
        for table, column, keys, having in (
            ("contacts_contacttag", "tag_id", TAGS, "tags"),
            ("contacts_contactcategory", "category_id", CATEGORIES, "categories"),
            ("segments_membership", "segment_id", SEGMENTS, "segments"),
        ):
            extra = {"entered_at": datetime(2020, 1, 1, tzinfo=UTC)} if "seg" in table else {}
            rows = [
                {"contact_id": n, column: keys.index(key) + 1, **extra}
                for n, person in numbered
                for key in getattr(person, having)
            ]
            _insert(cursor, table, rows)
        _insert(cursor, "contacts_consentstate", list(_consents(numbered)))
        _insert(cursor, "contacts_metricvalue", list(_metrics(numbered)))
        members = [
            {"contact_id": n, "card_number": "", **p.loyalty}
            for n, p in numbered
            if p.loyalty is not None
        ]
        _insert(cursor, "loyalty_member", members)
        _insert(cursor, "journeys_contactjourney", list(_journeys(numbered)))
        _insert(cursor, "contacts_event", list(_events(numbered)))
        cursor.execute(
            "INSERT INTO contacts_eventstatistic"
            " (contact_id, definition_id, event_count, first_at, last_at)"
            " SELECT contact_id, definition_id, count(*), min(occurred_at), max(occurred_at)"
            " FROM contacts_event GROUP BY contact_id, definition_id"
        )
    return numbers


def run(query: Query) -> list[tuple[Any, ...]]:
    """The rows of a query, executed as the product executes it."""
    with connection.cursor() as cursor:
        for name, setting in query.settings.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, setting])
        cursor.execute(query.text, query.params)
        return list(cursor.fetchall())


def members(document: Any, world: World, *, among: Sequence[int] | None = None) -> list[int]:
    """The ids of who is in, sorted, as often as they come."""
    query = compile_members(read(document, world), now=world.now, among=among)
    return sorted(row[0] for row in run(query))


def read(document: Any, world: World) -> Criteria:
    return parse(document, CATALOG, world.zone)


def _insert(cursor: Any, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        columns = list(rows[0])
        one = "(" + ", ".join(["%s"] * len(columns)) + ")"
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(rows))}",
            [row[column] for row in rows for column in columns],
        )


def _contact(number: int, person: Person) -> dict[str, Any]:
    columns = {
        name: person.fields.get(name, "") for name, t in FACTORY_TYPES.items() if t == "text"
    }
    early = datetime(2000, 1, 1, tzinfo=UTC)
    return {
        "id": number,
        **columns,
        "birth_date": person.fields.get("birth_date"),
        "lead_score": person.fields.get("lead_score", 0),
        "created_at": person.fields.get("created_at", early),
        "updated_at": person.fields.get("updated_at", early),
        "attributes": exact_dumps(person.attributes),
        "erased_at": early if person.is_erased else None,
    }


_Numbered = Iterable[tuple[int, Person]]


def _last_seen(numbered: _Numbered) -> list[dict[str, Any]]:
    return [
        {"contact_id": n, "last_seen_at": person.fields["last_seen_at"]}
        for n, person in numbered
        if "last_seen_at" in person.fields
    ]


def _consents(numbered: _Numbered) -> Iterable[dict[str, Any]]:
    for n, person in numbered:
        for key, state in person.consents.items():
            yield {
                "contact_id": n,
                "definition_id": CONSENTS.index(key) + 1,
                "state": state,
                "since": datetime(2020, 1, 1, tzinfo=UTC),
                "entry_id": 1,
            }


def _metrics(numbered: _Numbered) -> Iterable[dict[str, Any]]:
    for n, person in numbered:
        for number, (key, type_) in enumerate(METRICS.items(), 1):
            if key in person.metrics:
                columns = {"number": None, "date": None, "text": ""}
                columns[type_] = person.metrics[key]
                yield {"contact_id": n, "metric_id": number, **columns}


def _journeys(numbered: _Numbered) -> Iterable[dict[str, Any]]:
    early = datetime(2020, 1, 1, tzinfo=UTC)
    for n, person in numbered:
        for number, key in enumerate(JOURNEYS, 1):
            having = {name for name, keys in person.journeys.items() if key in keys}
            if having:
                times = {"finished_at": None, "goal_at": None, "entered_at": early}
                times |= {JOURNEY_FACTS[name]: early for name in having - {"inside"}}
                is_inside = {"is_inside": "inside" in having}
                yield {"contact_id": n, "journey_id": number, **times, **is_inside}


def _events(numbered: _Numbered) -> Iterable[dict[str, Any]]:
    for n, person in numbered:
        for index, event in enumerate(person.events):
            yield {
                "contact_id": n,
                "definition_id": EVENTS.index(event.name) + 1,
                "occurred_at": event.at,
                "message_id": f"{index}",
                "url_id": _url_id(event.properties.get("url")),
                "properties": exact_dumps(event.properties),
            }


def _url_id(url: Any) -> int | None:
    """As events are recorded: 0 where there is none, else the number of a listed address."""
    if url in LISTED_URLS:
        return LISTED_URLS.index(url) + 1
    return 0 if url is None or url == "" or isinstance(url, dict | list) else None
