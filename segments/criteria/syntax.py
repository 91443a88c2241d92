"""The tree of criteria, and what each part of it means. The meaning is written here, once.

Every rule is true or false for every contact. A test with a missing value is false, and
`negated` is the exact complement: a contact without a city satisfies `city != "Warszawa"`.
Times are instants (aware datetimes) or dates; `now` and "today" come in when it is compiled.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from zoneinfo import ZoneInfo

Scalar = str | Decimal | bool | date | datetime


class Unit(StrEnum):
    """What a duration counts. Month and year are calendar steps, the others fixed lengths."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Duration:
    """So many units; at least one."""

    amount: int
    unit: Unit


# --- Tests: what is asked of one value. All are positive; a rule may be negated. -----------------


@dataclass(frozen=True, slots=True)
class Compare:
    """The value stands in this order to `value`. Instants with instants, dates with dates."""

    operator: Literal["=", "<", "<=", ">", ">="]
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value equals one of `values`; a list contains at least one of them."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class EachOf:
    """The list contains every one of `values`."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """`low <= value <= high`."""

    low: Scalar
    high: Scalar


@dataclass(frozen=True, slots=True)
class Matches:
    """The text contains, begins or ends with `text`, lower-cased letter by letter."""

    how: Literal["contains", "beginsWith", "endsWith"]
    text: str


@dataclass(frozen=True, slots=True)
class InLast:
    """Instants: `now - d < t <= now`. Dates: `today - d < date <= today`."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class InNext:
    """Instants: `now < t <= now + d`. Dates: `today <= date < today + d`."""

    duration: Duration


@dataclass(frozen=True, slots=True)
class AnniversaryInNext:
    """The next anniversary, today included, is less than `days` away.

    29 February falls on 28 February in other years.
    """

    days: int


@dataclass(frozen=True, slots=True)
class Present:
    """The value is not missing."""


Test = Compare | OneOf | EachOf | Between | Matches | InLast | InNext | AnniversaryInNext | Present


# --- What can be asked about a contact ----------------------------------------------------------


class Type(StrEnum):
    """How the values of a field compare."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class ContactField:
    """A factory field of the contact."""

    name: str
    type: Type
    label: str


@dataclass(frozen=True, slots=True)
class AttributeField:
    """A custom attribute. `choices` help the builder; other values may be asked for."""

    key: str
    label: str
    type: Type
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricField:
    """A number, date or text computed per contact."""

    key: str
    id: int
    label: str
    type: Type


@dataclass(frozen=True, slots=True)
class Fact:
    """Something an upper floor knows about a contact, in a table of its own.

    `name` is the field as written in criteria ("loyalty.points"). The SQL is the owner's: rows
    of `table` where `condition` holds, at most one for each contact (`contact_column`), with
    `column` as the value. A boolean fact without a column asks whether there is such a row, and
    is never missing. Text '' is missing. Columns are written without an alias.
    """

    name: str
    label: str
    type: Type
    table: str
    column: str = ""
    contact_column: str = "contact_id"
    condition: str = "true"


@dataclass(frozen=True, slots=True)
class KeyedFact:
    """What an upper floor knows of contacts and of things that have keys: who is on which journey.

    `name` is the field as written in criteria ("journey.inside"), `kind` the word for its things
    ("journey"), which are rows of `item_table` with `id` and `key`. The SQL is the owner's: rows of
    `table` where `condition` holds, at most one for each `contact_id` and thing (`item_column`),
    with `since_column` as since when, where that is known. Columns are written without an alias.
    Who writes these rows touches the contacts with the topic "<kind>:<id of the thing>".
    """

    name: str
    label: str
    kind: str
    item_table: str
    table: str
    item_column: str
    since_column: str = ""
    condition: str = "true"


@dataclass(frozen=True, slots=True)
class OccurredAt:
    """When the event happened; only inside `where`."""


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an event, by its way through nested objects; only inside `where`.

    Missing is absent, null or an empty text. It is read as the type of the comparison, and
    what cannot be read so is missing.
    """

    way: tuple[str, ...]


KnownField = ContactField | AttributeField | MetricField | Fact
"""A field of a contact; its type says how values compare."""
Field = KnownField | OccurredAt | Property


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The value of `field` passes `test`."""

    path: str
    field: Field
    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A tag, category, consent or journey: the key in criteria, the id in the database."""

    key: str
    id: int
    label: str


@dataclass(frozen=True, slots=True)
class LabelRule:
    """The contact has one (or `each`) of these tags or categories; with none named, any at all."""

    path: str
    kind: Literal["tag", "category"]
    items: tuple[Item, ...]
    each: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class SegmentItem:
    """A segment that criteria may name.

    One that is archived or was never calculated has no members; an inactive one keeps its last.
    Builders offer active ones only; criteria that name another stay right.
    """

    key: str
    id: int
    label: str
    has_members: bool
    is_offered: bool = True


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """The contact is a member of one (or `each`) of these segments."""

    path: str
    items: tuple[SegmentItem, ...]
    each: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class KeyedRule:
    """The fact holds for the contact and one (or `each`) of these things."""

    path: str
    fact: KeyedFact
    items: tuple[Item, ...]
    each: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """The state of the consent is one of `states`; "unknown" is one that was never given."""

    path: str
    consent: Item
    states: frozenset[str]
    negated: bool = False


# --- Behaviour ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event. One that was never seen has no id, and no events."""

    name: str
    id: int | None
    label: str


class Function(StrEnum):
    """What is measured. Over no events: count, sum and distinct are 0, the others missing."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    DISTINCT = "distinct"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Measure:
    """A function over events; the numeric ones pass over what is missing or not a number."""

    function: Function
    property: Property | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """`measure` over the contact's events up to `now` that satisfy `where` passes `test`."""

    path: str
    event: Event
    measure: Measure
    where: "Group"
    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a sequence: strictly after the one before, no more than `within` later."""

    path: str
    event: Event
    where: "Group"
    within: Duration | None = None


@dataclass(frozen=True, slots=True)
class SequenceRule:
    """Some choice of events e1, e2… up to `now` fits the steps.

    With `absent` (a step with `within`) some choice is, besides, followed by no event that fits
    `absent`, and `now` is later than the end of its `within`.
    """

    path: str
    steps: tuple[Step, ...]
    absent: Step | None = None


Rule = FieldRule | LabelRule | SegmentRule | KeyedRule | ConsentRule | EventRule | SequenceRule


@dataclass(frozen=True, slots=True)
class Group:
    """All (`and`) or at least one (`or`) of the children hold; `negated` turns that around.

    An empty `and` holds for every contact, an empty `or` for none.
    """

    path: str
    combinator: Literal["and", "or"]
    children: tuple["Node", ...] = ()
    negated: bool = False


Node = Group | Rule


@dataclass(frozen=True, slots=True)
class Criteria:
    """A whole document, without fault, in the workspace's time zone. Erased contacts never fit."""

    root: Group
    zone: ZoneInfo
