"""Vendors whose segments can be read: which there are, and who is in one of them.

A vendor's connector registers an `Importer`; what becomes of the keys is the affair of the floor
that keeps segments.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.vendors.registry import SyncRun


@dataclass(frozen=True, slots=True)
class RemoteSegment:
    """A segment at a vendor's. `id` is unique in its account; `kind` is the vendor's word for it.

    `count` is how many are in it, None where that is not said together with the list.
    """

    id: str
    name: str
    kind: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Importer:
    """How segments are read at vendors of one kind.

    All are given a `SyncRun` (its http, credentials, settings, clock) and raise what connectors
    raise; ThingMissing where the vendor has no such segment any more.

    `list_segments` gives all of an account. `fetch_members` streams the keys of those who are in
    one, page by page, and may wait with `run.sleep` until the vendor has computed it; it ends only
    when all were given. `identity` says which names the keys are, given the settings of the
    connection: "email", "user_id" or another namespace. `count_members` says how many are in one,
    None where the vendor cannot tell at once.
    """

    list_segments: Callable[[SyncRun], Sequence[RemoteSegment]]
    fetch_members: Callable[[SyncRun, str], Iterator[Sequence[str]]]
    identity: Callable[[Mapping[str, Any]], str] = field(default=lambda settings: "email")
    count_members: Callable[[SyncRun, str], int | None] | None = None


_importers: dict[str, Importer] = {}


def register_importer(kind: str, importer: Importer) -> None:
    """Let segments of vendors of this kind be imported. May be called again."""
    _importers[kind] = importer


def importer_of(kind: str) -> Importer | None:
    """What reads the segments of vendors of this kind; None where nothing does."""
    return _importers.get(kind)


def importing_kinds() -> list[str]:
    """The kinds of vendors whose segments can be imported."""
    return sorted(_importers)
