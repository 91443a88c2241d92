"""Synthetic events: blocks for COPY's binary format, a month at a time.

A row is a structure of fixed width, so that NumPy writes a quarter of a million at once. JSON is
filled up with spaces, which mean nothing to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from . import vocabulary as words
from .letters import Bytes, Integers, digits, padded, spaced

BLOCK = 250_000
EVENT_COLUMNS = (
    *("contact_id", "occurred_at", "received_at", "definition_id", "url_id"),
    *("message_id", "properties"),
)
_SERIAL_DIGITS = 12
_AMOUNT_DIGITS = 6
_EPOCH = np.datetime64("2000-01-01", "us")


@dataclass(frozen=True, slots=True)
class Plan:
    """What all months share: who is how active, and the ids of definitions and addresses.

    `share_below` has, for each contact in the order of ids, the share of all events that it and
    those before it have.
    """

    seed: int
    first_id: int
    share_below: words.Floats
    definition_ids: Sequence[int]
    url_ids: Integers
    urls: Sequence[str]


@dataclass(frozen=True, slots=True)
class Span:
    """The events numbered from `first_serial` on that lie between two instants of one month."""

    begins_at: datetime
    ends_at: datetime
    first_serial: int
    count: int


def activity(seed: int, count: int) -> words.Floats:
    """`share_below` of `count` contacts, whose activity is lognormal."""
    rng = np.random.default_rng([seed, 2])
    total = np.cumsum(rng.lognormal(0, words.ACTIVITY_SIGMA, count))
    shares: words.Floats = total / total[-1]
    return shares


def spans(*, event_count: int, begins: Sequence[datetime]) -> list[Span]:
    """Share `event_count` out over the months between `begins`, whose last item is `as_of`."""
    seconds = [(instant - begins[0]).total_seconds() for instant in begins]
    edges = [round(event_count * second / seconds[-1]) for second in seconds]
    return [
        Span(begins[month], begins[month + 1], edges[month], edges[month + 1] - edges[month])
        for month in range(len(begins) - 1)
    ]


class Blocks:
    """Makes the rows of a month, in no order."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._visits = padded([f'{{"url":"{url}"}}' for url in plan.urls])
        self._categories = padded([f'"category":"{key}"}}' for key in words.purchase_categories()])
        amount = b'{"amount":' + b" " * _AMOUNT_DIGITS + b".00,"
        product = b'"product":"item-00000",'
        self._trade = np.frombuffer(amount + product, dtype=np.uint8)
        self._amount_at = len(b'{"amount":')
        self._product_at = len(amount) + len(b'"product":"item-')
        trade_width = len(self._trade) + self._categories.shape[1]
        self._width = max(trade_width, self._visits.shape[1])
        self._product_shares = np.cumsum(words.falling(words.PRODUCT_COUNT, 0.8))
        self._url_shares = np.cumsum(words.falling(len(plan.urls), 0.9))
        self._type_shares = np.cumsum(list(words.EVENT_SHARES.values()))
        self._prefix = f"s{plan.seed % 10**6:06d}-".encode()
        self._row = _row_type(self._width, len(self._prefix) + _SERIAL_DIGITS)

    def of(self, span: Span) -> Iterator[bytes]:
        """The rows of `span` for COPY."""
        rng = np.random.default_rng([self._plan.seed, 3, span.begins_at.toordinal()])
        begin = _microseconds(span.begins_at)
        times = rng.integers(begin, _microseconds(span.ends_at), span.count)
        for start in range(0, span.count, BLOCK):
            part = times[start : start + BLOCK]
            serials = np.arange(len(part), dtype=np.int64) + span.first_serial + start
            yield self._block(rng, part, serials)

    def _block(self, rng: np.random.Generator, times: Integers, serials: Integers) -> bytes:
        size = len(times)
        rows = np.zeros(size, dtype=self._row)
        rows["fields"] = len(EVENT_COLUMNS)
        for name in EVENT_COLUMNS:
            rows[f"{name}_length"] = self._row[name].itemsize
        rows["properties_length"] = self._width + 1
        contacts = np.searchsorted(self._plan.share_below, rng.random(size), side="right")
        rows["contact_id"] = self._plan.first_id + contacts
        rows["occurred_at"] = rows["received_at"] = times
        types = np.searchsorted(self._type_shares, rng.random(size), side="right")
        types = np.minimum(types, len(words.EVENT_NAMES) - 1)
        rows["definition_id"] = np.array(self._plan.definition_ids)[types]
        message = rows["message_id"]
        message[:, : len(self._prefix)] = np.frombuffer(self._prefix, dtype=np.uint8)
        message[:, len(self._prefix) :] = digits(serials, _SERIAL_DIGITS)
        # The version of the binary form of jsonb.
        rows["version"] = 1
        properties = rows["properties"]
        properties[:] = ord(" ")
        properties[:, :2] = np.frombuffer(b"{}", dtype=np.uint8)
        is_visit = np.nonzero(types == words.EVENT_NAMES.index(words.VISITS))[0]
        seen = np.searchsorted(self._url_shares, rng.random(len(is_visit)), side="right")
        seen = np.minimum(seen, len(self._plan.urls) - 1)
        properties[is_visit, : self._visits.shape[1]] = self._visits[seen]
        url_ids = np.zeros(size, dtype=np.int64)
        url_ids[is_visit] = self._plan.url_ids[seen]
        rows["url_id"] = url_ids
        trades = [words.EVENT_NAMES.index(name) for name in words.TRADES]
        is_trade = np.nonzero(np.isin(types, trades))[0]
        properties[is_trade] = self._trades(rng, len(is_trade))
        return rows.tobytes()

    def _trades(self, rng: np.random.Generator, size: int) -> Bytes:
        """The properties of purchases, returns and what was put in a cart."""
        cents = np.rint(np.exp(rng.normal(np.log(40), 0.8, size)) * 100).astype(np.int64)
        cents = np.minimum(cents, 10 ** (_AMOUNT_DIGITS + 2) - 1)
        products = np.searchsorted(self._product_shares, rng.random(size), side="right")
        products = np.minimum(products, words.PRODUCT_COUNT - 1)
        categories = rng.integers(0, len(self._categories) - 1, size)
        out = np.full((size, self._width), ord(" "), dtype=np.uint8)
        fixed = len(self._trade)
        out[:, :fixed] = self._trade
        whole = out[:, self._amount_at : self._amount_at + _AMOUNT_DIGITS]
        whole[:] = spaced(cents // 100, _AMOUNT_DIGITS)
        cents_at = self._amount_at + _AMOUNT_DIGITS + 1
        out[:, cents_at : cents_at + 2] = digits(cents % 100, 2)
        out[:, self._product_at : self._product_at + 5] = digits(products, 5)
        out[:, fixed : fixed + self._categories.shape[1]] = self._categories[categories]
        return out


def _row_type(width: int, message_width: int) -> np.dtype[np.void]:
    """One row of EVENT_COLUMNS in COPY's binary format: each value after its length."""
    types: dict[str, object] = {
        "contact_id": ">i8",
        "occurred_at": ">i8",
        "received_at": ">i8",
        "definition_id": ">i4",
        "url_id": ">i4",
        "message_id": (np.uint8, message_width),
    }
    fields: list[tuple[object, ...]] = [("fields", ">i2")]
    for name, kind in types.items():
        fields.append((f"{name}_length", ">i4"))
        fields.append((name, *kind) if isinstance(kind, tuple) else (name, kind))
    fields.append(("properties_length", ">i4"))
    fields.append(("version", np.uint8))
    fields.append(("properties", np.uint8, width))
    return np.dtype(fields)


def _microseconds(instant: datetime) -> int:
    """Microseconds since 2000-01-01 UTC, as PostgreSQL keeps instants."""
    since = np.datetime64(instant.replace(tzinfo=None), "us") - _EPOCH
    return int(since.astype(np.int64))
