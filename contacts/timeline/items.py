"""What stands on a timeline, where, and what one may ask of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from workspace.access import Actor


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an item stands among all of a contact: no other item has the same three.

    `kind` is that of its source, `key` its name there, compared letter by letter (code points).
    """

    at: datetime
    kind: str
    key: str

    def __str__(self) -> str:
        return f"{self.at.isoformat()}|{self.kind}|{self.key}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """The place that `str` wrote. Raises ValueError for a text that is none."""
        at_text, _bar, rest = text.partition("|")
        kind, bar, key = rest.partition("|")
        at = datetime.fromisoformat(at_text)
        if at.utcoffset() is None or not bar or "\0" in rest:
            raise ValueError(text)
        return cls(at, kind, key)


@dataclass(frozen=True, slots=True)
class Item:
    """Something that happened, in words for people; `data` says the same for programs.

    `icon` is a name of the symbol font, `tone` good, bad, info, warning or neutral. `details` are
    (name, value) for who wants to know more. `actor` is who did it, as people call him; `origin`
    where we have it from. `name`, `received_at`, `message_id` and `properties` are those of events.
    """

    kind: str
    key: str
    at: datetime
    title: str
    text: str = ""
    icon: str = ""
    tone: str = "neutral"
    url: str = ""
    actor: str = ""
    origin: str = ""
    origin_url: str = ""
    details: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    received_at: datetime | None = None
    message_id: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.at, self.kind, self.key)

    @property
    def id(self) -> str:
        """The same for the same item, however often and by whom it is looked at."""
        return str(self.place)

    def says(self, text: str) -> bool:
        """Whether a text stands somewhere in what people read of it, in capitals or not."""
        wanted = text.casefold()
        parts = (self.title, self.text, self.actor, self.origin, *_flat(self.details))
        return any(wanted in part.casefold() for part in parts)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items are wanted; what is empty or None does not restrict.

    `since <= at < until`. `name` is that of a kind of event, `segment` the key of a segment,
    `source` the key of a source of events: only what can have one of these answers then.
    """

    kinds: frozenset[str] = frozenset()
    name: str | None = None
    segment: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @property
    def special(self) -> frozenset[str]:
        """Which of the filters are set that not every source understands."""
        named = {"name": self.name, "segment": self.segment, "source": self.source}
        return frozenset(name for name, value in named.items() if value is not None)

    @property
    def is_open(self) -> bool:
        """Whether nothing is left out."""
        return self == Filters()


@dataclass(frozen=True, slots=True)
class Ask:
    """What a source is asked for: up to `limit` items of a contact, in the order of walking.

    `newest_first` says which way one walks. Where one is already is `at`, None at the beginning:
    items of that very instant are wanted from beyond `key` on, all of them where `key` is None and
    `with_instant` says so, none of them where it does not.
    """

    contact_id: int
    actor: Actor
    filters: Filters
    limit: int
    newest_first: bool = True
    at: datetime | None = None
    key: str | None = None
    with_instant: bool = False

    @classmethod
    def of_kind(cls, kind: str, after: Place | None, **options: Any) -> "Ask":
        """What the source of one kind is asked for, where one is at a place of all kinds."""
        ask = cls(**options)
        if after is None:
            return ask
        if after.kind == kind:
            return replace(ask, at=after.at, key=after.key)
        # At one instant kinds follow each other in the order of their names.
        return replace(ask, at=after.at, with_instant=(kind < after.kind) == ask.newest_first)

    def beyond(self, last: Item) -> "Ask":
        """The same, from an item on."""
        return replace(self, at=last.at, key=last.key, with_instant=False)

    def where(self, at: str, key: str) -> tuple[str, list[Any]]:
        """The SQL condition on the columns of the time and the key, beginning with AND."""
        found: list[tuple[str, list[Any]]] = []
        if self.filters.since is not None:
            found.append((f"{at} >= %s", [self.filters.since]))
        if self.filters.until is not None:
            found.append((f"{at} < %s", [self.filters.until]))
        beyond = "<" if self.newest_first else ">"
        if self.key is not None:
            # The time is said twice, so that the server passes over partitions.
            found.append((f"{at} {beyond}= %s", [self.at]))
            found.append((f'({at}, {key}) {beyond} (%s, %s COLLATE "C")', [self.at, self.key]))
        elif self.at is not None:
            found.append((f"{at} {beyond}{'=' if self.with_instant else ''} %s", [self.at]))
        conditions = "".join(f" AND {condition}" for condition, _params in found)
        return conditions, [value for _condition, params in found for value in params]

    def order(self, at: str, key: str) -> str:
        """The SQL order in which the items are wanted, with the limit."""
        direction = "DESC" if self.newest_first else "ASC"
        return f"ORDER BY {at} {direction}, {key} {direction} LIMIT {int(self.limit)}"

    def chosen(self, items: Iterable[Item]) -> list[Item]:
        """Of all items of a contact, those that are asked for; for sources that have only a few."""
        since, until = self.filters.since, self.filters.until
        wanted = sorted(
            (
                item
                for item in items
                if (since is None or item.at >= since)
                and (until is None or item.at < until)
                and self._is_beyond(item)
            ),
            key=lambda item: (item.at, item.key),
            reverse=self.newest_first,
        )
        return wanted[: self.limit]

    def _is_beyond(self, item: Item) -> bool:
        if self.at is None:
            return True
        if item.at != self.at:
            return (item.at < self.at) == self.newest_first
        if self.key is None:
            return self.with_instant
        return item.key != self.key and (item.key < self.key) == self.newest_first


def number_key(column: str) -> str:
    """SQL of a whole number as a key that sorts as the number does."""
    return f"""lpad({column}::text, 19, '0') COLLATE "C\""""


def named(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Details, without those that are empty."""
    return tuple((name, value) for name, value in pairs if value)


def _flat(details: tuple[tuple[str, str], ...]) -> Iterable[str]:
    for name, value in details:
        yield name
        yield value
