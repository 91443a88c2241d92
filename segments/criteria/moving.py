"""Values that are filled in each time a statement is asked, so that its text is made only once.

What depends on the instant or on the contacts asked about is a deferred value among those of the
statement; `Prepared.filled` puts the real one in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from .fragments import Deferred, Fragment, Param, sql, value
from .spans import Anniversaries, Moving, Span
from .storage import time_text
from .syntax import AnniversaryInNext

Kind = Literal["timestamptz", "date", "text"]
# Beyond every time there is; of times kept as texts, all begin with a digit.
_LOWEST: Mapping[Kind, str] = {"timestamptz": "-infinity", "date": "-infinity", "text": "0"}
_HIGHEST: Mapping[Kind, str] = {"timestamptz": "infinity", "date": "infinity", "text": "~"}


@dataclass(frozen=True, slots=True)
class Filling:
    """What deferred values are made of: when it is asked, about whom, and the windows then.

    `among` is an array as PostgreSQL writes it: made once, however often the statement has it.
    `since` and `arrays` are for statements about a stretch of time.
    """

    now: datetime
    among: str = "{}"
    spans: Mapping[Moving, Span | Anniversaries] = field(default_factory=dict)
    since: datetime | None = None
    arrays: Mapping[str, Param] = field(default_factory=dict)

    def low(self, bound: Moving | datetime) -> date | None:
        """The lower end of a window, or the bound itself."""
        if isinstance(bound, datetime):
            return bound
        span = self.spans[bound]
        return span.low if isinstance(span, Span) else None


@dataclass(frozen=True, slots=True)
class Now(Deferred):
    """The instant itself."""

    def fill(self, filling: Filling) -> Param:
        return filling.now


@dataclass(frozen=True, slots=True)
class Since(Deferred):
    """The instant from which on time is looked at, up to now."""

    def fill(self, filling: Filling) -> Param:
        assert filling.since is not None
        return filling.since


@dataclass(frozen=True, slots=True)
class Array(Deferred):
    """An array that is made for each asking, by its name."""

    name: str

    def fill(self, filling: Filling) -> Param:
        return filling.arrays[self.name]


@dataclass(frozen=True, slots=True)
class Among(Deferred):
    """The contacts asked about."""

    def fill(self, filling: Filling) -> Param:
        return filling.among


@dataclass(frozen=True, slots=True)
class Edge(Deferred):
    """An end of a window; of kind "text", the time as attributes keep it."""

    window: Moving
    is_low: bool
    kind: Kind

    def windows(self) -> tuple[Moving, ...]:
        return (self.window,)

    def fill(self, filling: Filling) -> Param:
        span = filling.spans[self.window]
        assert isinstance(span, Span)
        at = span.low if self.is_low else span.high
        if at is None:
            return (_LOWEST if self.is_low else _HIGHEST)[self.kind]
        return time_text(at) if self.kind == "text" else at


@dataclass(frozen=True, slots=True)
class Days(Deferred):
    """The months and days of a window of anniversaries."""

    window: Moving

    def windows(self) -> tuple[Moving, ...]:
        return (self.window,)

    def fill(self, filling: Filling) -> Param:
        found = filling.spans[self.window]
        assert isinstance(found, Anniversaries)
        return list(found.days)


@dataclass(frozen=True, slots=True)
class Earliest(Deferred):
    """The first instant that matters to any of several readers, each with bounds that all hold."""

    readers: tuple[tuple[Moving | datetime, ...], ...]

    def windows(self) -> tuple[Moving, ...]:
        return tuple(b for reader in self.readers for b in reader if isinstance(b, Moving))

    def fill(self, filling: Filling) -> Param:
        firsts: list[date] = []
        for reader in self.readers:
            lows = [low for bound in reader if (low := filling.low(bound)) is not None]
            if not lows:
                return _LOWEST["timestamptz"]
            firsts.append(max(lows))
        return min(firsts)


NOW, AMONG = Now(), Among()


def moving_test(found: Fragment, window: Moving, *, as_text: bool = False) -> Fragment:
    """The test whether a time is in the window; `as_text` as for `time_test`."""
    if isinstance(window.test, AnniversaryInNext):
        template = "substr({}, 6) = ANY({})" if as_text else "to_char({}, 'MM-DD') = ANY({})"
        return sql(template, found, value(Days(window), "text[]"))
    kind: Kind = "text" if as_text else "date" if window.is_date else "timestamptz"
    low, high = (value(Edge(window, is_low, kind), kind) for is_low in (True, False))
    return sql("{} BETWEEN {} AND {}", found, low, high)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement whose text stays, and where among its values the deferred ones are."""

    text: str
    params: tuple[Param, ...]
    places: tuple[tuple[Deferred, tuple[int, ...]], ...]
    windows: tuple[Moving, ...]

    @classmethod
    def of(cls, statement: Fragment) -> "Prepared":
        """The statement, ready to be filled in."""
        places: dict[Deferred, list[int]] = {}
        for place, param in enumerate(statement.params):
            if isinstance(param, Deferred):
                places.setdefault(param, []).append(place)
        windows = {window: None for deferred in places for window in deferred.windows()}
        listed = tuple((deferred, tuple(found)) for deferred, found in places.items())
        return cls(statement.text, statement.params, listed, tuple(windows))

    def filled(self, *, now: datetime, among: Sequence[int]) -> tuple[Param, ...]:
        """The values of the statement at `now`, for the contacts `among`."""
        spans = {window: window.at(now) for window in self.windows}
        return self.filled_with(
            Filling(now.astimezone(UTC), f"{{{','.join(map(str, among))}}}", spans)
        )

    def filled_with(self, filling: Filling) -> tuple[Param, ...]:
        """The values of the statement with those that `filling` gives."""
        params = list(self.params)
        for deferred, places in self.places:
            found = deferred.fill(filling)
            for place in places:
                params[place] = found
        return tuple(params)
