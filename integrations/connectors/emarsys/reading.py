"""Who is in a segment of Emarsys: run it, wait, and read the list that comes of it.

A combined segment has no run of its own: its parts are run one after the other, and joined here by
the numbers of contacts.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import ParamSpec, TypeVar

from django.utils.translation import gettext as _

from integrations.connectors.emarsys.client import BATCH, Client
from integrations.connectors.emarsys.payloads import Part, Run
from integrations.errors import (
    CredentialsRejected,
    MalformedAnswer,
    PermanentError,
    TemporaryError,
)
from integrations.vendors.importers import RemoteSegment
from integrations.vendors.patience import pause_for
from integrations.vendors.registry import SyncRun

SEGMENT, COMBINED = "segment", "combined segment"
_COMBINED_PREFIX = "combined:"
# How long the run of a segment may take, and how often one asks: it can be hours.
_RUN_LIMIT = timedelta(hours=6)
_POLL_FIRST, _POLL_MOST = 2.0, 30.0
# A vendor that asks for more patience than this is asked again by the next synchronization.
_PATIENCE = timedelta(minutes=15)
# A run that is done may name its list a little later.
_LIST_TURNS = 10
_BETWEEN = 5.0
_ATTEMPTS = 4
# Contacts may be deleted while one reads; that so many are missing is something else.
_MISSING_SHARE = 0.01

T = TypeVar("T")
P = ParamSpec("P")


class Reading:
    """The segments of one account, in the course of a synchronization."""

    def __init__(self, run: SyncRun, client: Client, *, field: str) -> None:
        self._run, self._client, self._field = run, client, field

    def segments(self) -> list[RemoteSegment]:
        """All that can be imported."""
        plain = self._patiently(self._client.list_segments)
        try:
            combined = self._patiently(self._client.list_combined)
        except CredentialsRejected:
            raise
        except PermanentError:
            # A permission of its own, and not every account has them.
            combined = []
        return [
            *(RemoteSegment(one.id, one.name, SEGMENT) for one in plain),
            *(RemoteSegment(f"{_COMBINED_PREFIX}{one.id}", one.name, COMBINED) for one in combined),
        ]

    def count(self, remote_id: str) -> int | None:
        """How many are in one; None where that takes time."""
        if remote_id.startswith(_COMBINED_PREFIX):
            return None
        return self._client.count_contacts(remote_id)

    def keys(self, remote_id: str) -> Iterator[Sequence[str]]:
        """The keys of those who are in one, page by page. Raises ThingMissing."""
        if remote_id.startswith(_COMBINED_PREFIX):
            yield from self._keys_of_combined(remote_id.removeprefix(_COMBINED_PREFIX))
            return
        run = self._ran(remote_id)
        count = 0
        before: Sequence[str] = ()
        # Without a list nobody is in it.
        while run.contact_list_id:
            page = self._patiently(
                self._client.list_keys, run.contact_list_id, self._field, offset=count
            )
            if not page or (page == before and any(page)):
                # One that gives the same page again knows no offset: that was all.
                break
            before = page
            count += len(page)
            yield page
        _check_whole(count, run)

    def _keys_of_combined(self, combined_id: str) -> Iterator[Sequence[str]]:
        definition = self._patiently(self._client.combined_definition, combined_id)
        ids = self._ids_of(definition.include) - self._ids_of(definition.exclude)
        ordered = array("q", sorted(ids))
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            yield self._patiently(self._client.find_keys, batch, self._field)

    def _ids_of(self, part: Part) -> set[int]:
        lists = list(part.list_ids)
        found: set[int] | None = None
        for segment_id in part.segment_ids:
            run = self._ran(segment_id)
            ids = self._listed(run.contact_list_id) if run.contact_list_id else set()
            _check_whole(len(ids), run)
            found = _joined(found, ids, is_any=part.is_any)
        for list_id in lists:
            found = _joined(found, self._listed(list_id), is_any=part.is_any)
        return found or set()

    def _listed(self, list_id: str) -> set[int]:
        found = set[int]()
        count = 0
        before: Sequence[int] = ()
        while page := self._patiently(self._client.list_ids, list_id, offset=count):
            if page == before:
                break
            before = page
            found.update(page)
            count += len(page)
            self._run.check()
        return found

    def _ran(self, segment_id: str) -> Run:
        """A run of a segment that is done. Raises ThingMissing where there is no such segment."""
        found = self._patiently(self._client.begin_run, segment_id)
        until, pause = self._run.now() + _RUN_LIMIT, _POLL_FIRST
        while found.status in {"waiting", "running"}:
            if self._run.now() > until:
                words = _("Emarsys was not ready with the segment within %(hours)d hours.")
                raise TemporaryError(words % {"hours": _RUN_LIMIT // timedelta(hours=1)})
            pause_for(self._run, pause)
            pause = min(pause * 2, _POLL_MOST)
            found = self._patiently(self._client.find_run, found.id)
        if found.status != "done":
            words = _("Emarsys could not evaluate the segment: its run ended with “%(status)s”.")
            raise TemporaryError(words % {"status": found.status[:40]})
        return self._listed_run(segment_id, found)

    def _listed_run(self, segment_id: str, found: Run) -> Run:
        """The same with the list that it leaves, which may be told a moment later.

        Without one where nobody is in the segment. Raises MalformedAnswer where somebody is.
        """
        for _turn in range(_LIST_TURNS):
            if found.contact_list_id:
                return found
            pause_for(self._run, _POLL_FIRST)
            found = self._patiently(self._client.find_run, found.id)
        if found.contact_list_id:
            return found
        if self._patiently(self._client.count_contacts, segment_id) == 0:
            return Run(found.id, found.status)
        raise MalformedAnswer(_("Emarsys ended a run, and told no list of those it found."))

    def _patiently(self, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """What a call gives, asked again while Emarsys asks for patience or does not answer."""
        waited, attempt = timedelta(0), 0
        while True:
            try:
                return call(*given, **named)
            except TemporaryError as error:
                attempt += 1
                wait = error.retry_after or timedelta(seconds=_BETWEEN * attempt)
                # One that says when has a reason; one that does not may be out of order.
                is_over = error.retry_after is None and attempt >= _ATTEMPTS
                if is_over or waited + wait > _PATIENCE:
                    raise
                waited += wait
                pause_for(self._run, wait.total_seconds())


def _joined(found: set[int] | None, ids: set[int], *, is_any: bool) -> set[int]:
    if found is None:
        return ids
    return found | ids if is_any else found & ids


def _check_whole(count: int, run: Run) -> None:
    """Raises MalformedAnswer where far fewer came than the run had found: never half a segment."""
    if run.count - count > max(1, run.count * _MISSING_SHARE):
        words = _("Emarsys gave %(count)d contacts of the %(total)d that it had found.")
        raise MalformedAnswer(words % {"count": count, "total": run.count})
