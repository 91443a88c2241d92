"""The log of what came in through a source, read page by page at the same cost, newest first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from contacts import identities
from integrations.models import InboundRequest, ReceivedEvent
from workspace import sql

# Where rows are chosen, so many of the newest are looked through at a time.
SEARCHED = 20_000
# Events of one moment may become visible a little out of order: so far back one looks again.
_OVERLAP = 40

_PAGE = """
SELECT id FROM (
  SELECT id, type, name, outcome, body, contact_id FROM integrations_receivedevent
  WHERE source_id = %(source)s AND id < %(before)s ORDER BY id DESC LIMIT %(searched)s
) w WHERE {chosen} ORDER BY id DESC LIMIT %(limit)s
"""
_OF_CONTACTS = """
SELECT id FROM integrations_receivedevent w
WHERE contact_id = ANY(%(contacts)s) AND source_id = %(source)s AND id < %(before)s AND {chosen}
ORDER BY id DESC LIMIT %(limit)s
"""
_ARRIVED = """
SELECT id FROM integrations_receivedevent w
WHERE source_id = %(source)s AND id > %(after)s - %(overlap)s AND NOT (id = ANY(%(known)s))
  AND {chosen}
ORDER BY id DESC LIMIT %(limit)s
"""
_END = """
SELECT id FROM integrations_receivedevent WHERE source_id = %s AND id < %s
ORDER BY id DESC OFFSET %s LIMIT 1
"""
_NO_END = 2**63 - 1
_NAMESPACES = (identities.USER_ID, identities.EMAIL, identities.PHONE, "anonymous_id")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events one wants to see; an empty part chooses all.

    `name` and `text` are found anywhere in the name and in the body, in capitals or not.
    `contact_ids` is None where no contact is asked for.
    """

    type: str = ""
    name: str = ""
    outcome: str = ""
    text: str = ""
    contact_ids: tuple[int, ...] | None = None

    @property
    def is_any(self) -> bool:
        """Whether something is asked for at all."""
        return bool(
            self.type or self.name or self.outcome or self.text or self.contact_ids is not None
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Events, the newest first; the next page begins before `next_before`, if there is one.

    `is_search_cut` says that only a part of the log was looked through, and the page not filled.
    """

    events: list[ReceivedEvent]
    next_before: int | None
    is_search_cut: bool = False


def log_page(source_id: int, choice: Choice, *, before: int | None, limit: int) -> Page:
    """A page of a source's log, before an id.

    Looks through at most SEARCHED rows, so that a rare word costs no more than a common one; where
    that was not enough the next page goes on where this one ended.
    """
    begin = before if before is not None else _NO_END
    words = {"source": source_id, "before": begin, "searched": SEARCHED, "limit": limit + 1}
    of_contacts = choice.contact_ids is not None
    statement = _OF_CONTACTS if of_contacts else _PAGE
    found = _ids(statement, choice, words)
    events = _loaded(found[:limit])
    if len(found) > limit:
        return Page(events, events[-1].pk)
    if not choice.is_any or of_contacts:
        return Page(events, None)
    end = sql.lists(_END, [source_id, begin, SEARCHED - 1])
    return Page(events, end[0][0] if end else None, is_search_cut=bool(end))


def arrived(
    source_id: int, choice: Choice, *, after: int, known: Collection[int], limit: int
) -> tuple[list[ReceivedEvent], bool]:
    """What came after an id, newest first, and whether there is more than `limit`.

    Rows a little older that are not `known` come too: they became visible late.
    """
    words = {
        "source": source_id,
        "after": after,
        "overlap": _OVERLAP,
        "known": list(known),
        "limit": limit + 1,
    }
    found = _ids(_ARRIVED, choice, words)
    return _loaded(found[:limit]), len(found) > limit


def newest_id(source_id: int) -> int:
    """The id of the newest event of a source; 0 where there is none."""
    newest = ReceivedEvent.objects.filter(source_id=source_id).order_by("-pk")
    return newest.values_list("pk", flat=True).first() or 0


def waiting_count(source_id: int) -> int:
    """How many requests of a source are safe on disk and not yet digested; no more than 1000."""
    waiting = InboundRequest.objects.filter(source_id=source_id)
    return waiting.values("pk")[:1000].count()


def contact_ids_of(text: str) -> tuple[int, ...]:
    """Whom somebody means who writes an id, an external id, an e-mail address and so on."""
    text = text.strip()
    if not text:
        return ()
    number = text.removeprefix("#")
    own = {int(number)} if number.isascii() and number.isdecimal() and len(number) < 19 else set()
    if text.startswith("#"):
        return tuple(own)
    found = identities.find_contact_ids((namespace, text) for namespace in _NAMESPACES)
    return tuple(own | set(found.values()))


def _ids(statement: str, choice: Choice, words: Mapping[str, object]) -> list[int]:
    chosen, more = _chosen(choice)
    rows = sql.lists(statement.format(chosen=chosen), {**words, **more})
    return [row[0] for row in rows]


def _chosen(choice: Choice) -> tuple[str, dict[str, object]]:
    parts, words = ["true"], dict[str, object]()
    if choice.type:
        parts.append("w.type = %(type)s")
        words["type"] = choice.type
    if choice.outcome:
        parts.append("w.outcome = %(outcome)s")
        words["outcome"] = choice.outcome
    if choice.name:
        parts.append("w.name ILIKE %(name)s")
        words["name"] = _anywhere(choice.name)
    if choice.text:
        parts.append("w.body ILIKE %(text)s")
        words["text"] = _anywhere(choice.text)
    if choice.contact_ids is not None:
        parts.append("w.contact_id = ANY(%(contacts)s)")
        words["contacts"] = list(choice.contact_ids)
    return " AND ".join(parts), words


def _anywhere(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _loaded(ids: Sequence[int]) -> list[ReceivedEvent]:
    found = ReceivedEvent.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]
