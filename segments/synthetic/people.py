"""Synthetic contacts: rows for COPY, a block of people at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from . import vocabulary as words
from .letters import Bytes, Integers, padded, spaced

BLOCK = 100_000
YEARS = 3
_SPACE = ord(" ")
_LANGUAGES = {"US": "en", "GB": "en", "PL": "pl", "DE": "de", "AT": "de", "FR": "fr", "ES": "es"}


@dataclass(frozen=True, slots=True)
class People:
    """A run of contacts: their ids, their numbers within the workspace, when we met them."""

    ids: Integers
    numbers: Integers
    created_at: npt.NDArray[np.datetime64]


def in_blocks(
    *, first_id: int, first_number: int, count: int, seed: int, as_of: datetime
) -> Iterator[tuple[People, np.random.Generator]]:
    """`count` contacts in runs, each with a generator of its own for what else it needs."""
    end = np.datetime64(as_of.replace(tzinfo=None), "us")
    span = YEARS * 365 * 86_400_000_000
    for start in range(0, count, BLOCK):
        rng = np.random.default_rng([seed, 1, start])
        size = min(BLOCK, count - start)
        offsets = np.arange(start, start + size, dtype=np.int64)
        ages = rng.integers(1, span, size).astype("timedelta64[us]")
        yield People(first_id + offsets, first_number + offsets, end - ages), rng


CONTACT_COLUMNS = (
    *("id", "email", "first_name", "last_name", "gender", "country", "city", "language"),
    *("birth_date", "lead_score", "created_at", "updated_at", "attributes"),
)
IDENTITY_COLUMNS = ("namespace", "value", "contact_id", "created_at")


def contact_rows(people: People, rng: np.random.Generator, attributes: "Attributes") -> bytes:
    """The contacts in COPY's text format, as CONTACT_COLUMNS."""
    size = len(people.ids)
    cities = rng.choice(len(words.CITIES), size=size, p=words.city_shares())
    countries = [words.COUNTRY_OF_CITY[city] for city in cities.tolist()]
    created = _instants(people.created_at)
    return joined(
        (
            _numbers(people.ids),
            _emails(people.numbers),
            _choices(rng, words.FIRST_NAMES, size),
            _choices(rng, words.LAST_NAMES, size),
            _choices(rng, words.GENDERS, size, words.GENDER_SHARES),
            [country.encode() for country in countries],
            [words.CITIES[city].encode() for city in cities.tolist()],
            [_LANGUAGES.get(country, "en").encode() for country in countries],
            _birth_dates(rng, size),
            _numbers(np.minimum(100, rng.exponential(15, size)).astype(np.int64)),
            created,
            created,
            attributes.rows(rng, size),
        )
    )


def identity_rows(people: People, namespace: str) -> bytes:
    """The identities of one namespace, `user_id` or `email`, as IDENTITY_COLUMNS."""
    values = (
        _emails(people.numbers)
        if namespace == "email"
        else [b"C%08d" % number for number in people.numbers.tolist()]
    )
    return joined(
        (
            [namespace.encode()] * len(values),
            values,
            _numbers(people.ids),
            _instants(people.created_at),
        )
    )


def joined(columns: Sequence[Sequence[bytes]]) -> bytes:
    """Columns of equal length as lines of COPY's text format; values need no escaping here."""
    lines = b"\n".join(map(b"\t".join, zip(*columns, strict=True)))
    return lines + b"\n" if lines else b""


def labelled(
    people: People,
    rng: np.random.Generator,
    labels: words.Labels,
    ids: Sequence[int],
    as_of: datetime,
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Contact, label and instant of each label that somebody of `people` has, contact by contact.

    A label came at any time between our meeting the contact and `as_of`.
    """
    shares = np.array(labels.shares, dtype=np.float32)
    size = len(people.ids)
    has = np.empty((size, len(shares)), dtype=np.bool_)
    for label, share in enumerate(shares):
        has[:, label] = rng.random(size, dtype=np.float32) < share
    rows, columns = np.nonzero(has)
    end = np.datetime64(as_of.replace(tzinfo=None), "us")
    age = (end - people.created_at).astype(np.int64)[rows]
    instants = end - (age * rng.random(len(rows))).astype(np.int64).astype("timedelta64[us]")
    texts = [b"%d" % label for label in ids]
    return (
        _numbers(people.ids[rows]),
        [texts[column] for column in columns.tolist()],
        _instants(instants),
    )


class Attributes:
    """The custom attributes t1 to t8, n1 to n6, b1 to b3 and d1 to d3, as JSON.

    Each attribute is a table of ready-made pieces of one width, the last one blank for a missing
    value; an object is a row of pieces side by side. White space between them means nothing.
    """

    def __init__(self) -> None:
        self._pieces = [table for table, _missing in self._tables()]
        self._missing = [missing for _table, missing in self._tables()]
        widths = [table.shape[1] for table in self._pieces]
        self._starts = np.cumsum([1, *widths])

    def rows(self, rng: np.random.Generator, size: int) -> list[bytes]:
        """The attributes of `size` contacts."""
        out = np.full((size, int(self._starts[-1]) + 1), _SPACE, dtype=np.uint8)
        out[:, 0], out[:, -1] = ord("{"), ord("}")
        first = np.zeros(size, dtype=np.int64)
        for position, (table, missing) in enumerate(zip(self._pieces, self._missing, strict=True)):
            last = len(table) - 1
            chosen = self._draw(rng, position, last, size)
            chosen[rng.random(size) < missing] = last
            start = int(self._starts[position])
            out[:, start : start + table.shape[1]] = table[chosen]
            first[(first == 0) & (chosen != last)] = start
        # The first piece of each object needs no comma.
        found = np.nonzero(first)[0]
        out[found, first[found]] = _SPACE
        rows: list[bytes] = out.view(f"S{out.shape[1]}").ravel().tolist()
        return rows

    def _draw(self, rng: np.random.Generator, position: int, count: int, size: int) -> Integers:
        if position < len(words.TEXT_VALUE_COUNTS):
            drawn = rng.exponential(count / 3, size).astype(np.int64)
            return np.minimum(drawn, count - 1)
        boolean = position - len(words.TEXT_VALUE_COUNTS) - len(words.NUMBER_LIMITS)
        if 0 <= boolean < words.BOOLEAN_COUNT:
            return (rng.random(size) < 0.2 * (boolean + 1)).astype(np.int64)
        return rng.integers(0, count, size)

    @staticmethod
    def _tables() -> Iterator[tuple[Bytes, float]]:
        for k, count in enumerate(words.TEXT_VALUE_COUNTS, start=1):
            values = [f',"t{k}":"val_{k}_{j}"' for j in range(count)]
            yield padded(values), words.MISSING_SHARE_STEP * k
        for k, limit in enumerate(words.NUMBER_LIMITS, start=1):
            yield _numbered(f',"n{k}":', limit), words.MISSING_SHARE_STEP * k
        for k in range(1, words.BOOLEAN_COUNT + 1):
            values = [f',"b{k}":false', f',"b{k}":true']
            yield padded(values), words.BOOLEAN_MISSING_SHARE
        days = np.arange(words.FIRST_DATE, np.datetime64(words.LAST_DATE) + 1, dtype="M8[D]")
        for k in range(1, words.DATE_COUNT + 1):
            yield padded([f',"d{k}":"{day}"' for day in days]), words.DATE_MISSING_SHARE


def _numbered(prefix: str, limit: int) -> Bytes:
    """`prefix` with each whole number below `limit`, and one blank row after them."""
    out = np.full((limit + 1, len(prefix) + len(str(limit - 1))), _SPACE, dtype=np.uint8)
    out[:limit, : len(prefix)] = np.frombuffer(prefix.encode("ascii"), dtype=np.uint8)
    out[:limit, len(prefix) :] = spaced(np.arange(limit), len(str(limit - 1)))
    return out


def _choices(
    rng: np.random.Generator,
    texts: Sequence[str],
    size: int,
    shares: Sequence[float] | None = None,
) -> list[bytes]:
    encoded = [text.encode() for text in texts]
    return [encoded[choice] for choice in rng.choice(len(texts), size=size, p=shares).tolist()]


def _birth_dates(rng: np.random.Generator, size: int) -> list[bytes]:
    first, end = np.datetime64("1945-01-01"), np.datetime64("2007-01-01")
    days = first + rng.integers(0, int((end - first).astype(int)), size)
    missing = rng.random(size) < 0.1
    texts: list[bytes] = np.where(missing, b"\\N", np.datetime_as_string(days).astype("S")).tolist()
    return texts


def _emails(numbers: Integers) -> list[bytes]:
    return [b"person%d@example.com" % number for number in numbers.tolist()]


def _numbers(values: Integers) -> list[bytes]:
    return [b"%d" % value for value in values.tolist()]


def _instants(values: npt.NDArray[np.datetime64]) -> list[bytes]:
    texts: list[bytes] = np.datetime_as_string(values, timezone="UTC").astype("S").tolist()
    return texts
