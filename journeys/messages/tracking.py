"""What receivers do with an e-mail: it was opened, a link was clicked.

Counted each time, told once: the event of the contact is recorded with the first opening, and with
the first click on each address. Who clicks has opened, too, whether or not pictures were shown.
What programs do (`journeys.messages.machines`) is kept with the message and counts for nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from contacts.events import share_recording
from integrations.push import opened as push_opened
from integrations.push.tokens import Token
from journeys.messages import machines, results
from journeys.messages.machines import CLICKED, NOBODY, OPENED, Judged, Visit, Visitor
from workspace import sql
from workspace.exactjson import exact_dumps, exact_loads

# The row as it was before; it is held until the end.
_HOLD = """
SELECT opened_at IS NULL, sent_at, participant_id, visits::text
FROM journeys_message WHERE id = %s AND channel = 'email' FOR NO KEY UPDATE
"""
_OPEN = """
UPDATE journeys_message SET opened_at = coalesce(opened_at, %s), open_count = open_count + %s
WHERE id = %s
"""
_CLICK = """
UPDATE journeys_message SET opened_at = coalesce(opened_at, %s),
  open_count = open_count + CASE WHEN opened_at IS NULL THEN 1 ELSE 0 END,
  clicked_at = coalesce(clicked_at, %s), click_count = click_count + 1
WHERE id = %s
"""
_KEEP = """
UPDATE journeys_message SET visits = %s,
  open_count = greatest(open_count - %s, 0), click_count = greatest(click_count - %s, 0),
  opened_at = CASE WHEN open_count > %s THEN opened_at END,
  clicked_at = CASE WHEN click_count > %s THEN clicked_at END
WHERE id = %s
"""
# What has moved nobody yet moves nobody any more.
_HUSH = """
DELETE FROM journeys_signal
WHERE participant_id = %s AND kind = 'event' AND data ->> 'message_id' = ANY(%s)
"""
_IS_TOLD = """
SELECT EXISTS (SELECT FROM contacts_event
  WHERE contact_id = %s AND message_id = %s AND occurred_at >= %s)
"""


@dataclass(frozen=True, slots=True)
class _Held:
    is_unopened: bool
    sent_at: datetime | None
    participant_id: int
    visits: Sequence[Visit]


@transaction.atomic
def note_open(message_id: int, *, at: datetime, visitor: Visitor = NOBODY) -> bool:
    """An e-mail was opened at an instant; false where there is no such message any more."""
    held = _hold(message_id)
    if held is None:
        return False
    judged = _judge(message_id, held, OPENED, visitor, at=at)
    if not judged.machine:
        sql.execute(_OPEN, [at, 1, message_id])
        if held.is_unopened:
            _tell_opened(message_id, held, at)
    return True


@transaction.atomic
def note_click(message_id: int, url: str, *, at: datetime, visitor: Visitor = NOBODY) -> bool:
    """A link of an e-mail was clicked; false where there is no such message any more."""
    held = _hold(message_id)
    if held is None:
        return False
    judged = _judge(message_id, held, CLICKED, visitor, at=at, url=url)
    if judged.machine:
        return True
    sql.execute(_CLICK, [at, at, message_id])
    if held.is_unopened:
        _tell_opened(message_id, held, at)
    (told,) = results.facts_of([message_id])
    key = _key_of(held.visits, url)
    name = results.event_id(message_id, CLICKED, key)
    if not sql.one(_IS_TOLD, [told.contact_id, name, told.created_at]):
        results.tell([told], CLICKED, at=at, key=key, url=url)
        results.announce(results.CLICKED, [told], at=at, key=key, url=url)
    return True


def note_push_opened(token: Token, at: datetime) -> None:
    """A push message was opened; its event is recorded already. For `push.opened`."""
    sql.execute(_OPEN, [at, 1, token.message_id])
    results.announce(results.OPENED, results.facts_of([token.message_id]), at=at)


def register() -> None:
    """Have push messages tell that they were opened. May be called again."""
    push_opened.register_listener("journeys", note_push_opened)


def _hold(message_id: int) -> _Held | None:
    # Who erases takes this first.
    share_recording()
    rows = sql.lists(_HOLD, [message_id])
    if not rows:
        return None
    is_unopened, sent_at, participant_id, visits = rows[0]
    known = machines.read_visits(exact_loads(visits)) if visits else []
    return _Held(is_unopened, sent_at, participant_id, known)


def _judge(
    message_id: int, held: _Held, kind: str, visitor: Visitor, *, at: datetime, url: str = ""
) -> Judged:
    """What a look is taken for; what is to be known of it later is kept."""
    judged = machines.judge(
        held.visits,
        kind,
        visitor,
        message_id=message_id,
        sent_at=held.sent_at,
        at=at,
        url=url,
        has_opened=kind == CLICKED and held.is_unopened,
    )
    if judged.is_news:
        back = judged.taken_back
        opens = sum(one.kind == OPENED or one.has_opened for one in back)
        clicks = sum(one.kind == CLICKED for one in back)
        documents = exact_dumps([one.as_json() for one in judged.visits])
        sql.execute(_KEEP, [documents, opens, clicks, opens, clicks, message_id])
        _hush(message_id, held, back)
    return judged


def _hush(message_id: int, held: _Held, back: Sequence[Visit]) -> None:
    """Keep what was taken back from moving the participant, if it has not yet."""
    names = [
        results.event_id(message_id, CLICKED, _key_of(held.visits, one.url))
        for one in back
        if one.kind == CLICKED
    ]
    if any(one.kind == OPENED or one.has_opened for one in back):
        names.append(results.event_id(message_id, OPENED, _again(held.visits, OPENED)))
    if names:
        sql.execute(_HUSH, [held.participant_id, names])


def _tell_opened(message_id: int, held: _Held, at: datetime) -> None:
    told, key = results.facts_of([message_id]), _again(held.visits, OPENED)
    results.tell(told, OPENED, at=at, key=key)
    results.announce(results.OPENED, told, at=at, key=key)


def _key_of(visits: Sequence[Visit], url: str) -> str:
    """By what a click on an address is told once; anew, where it was taken back."""
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return digest + _again(visits, CLICKED, url)


def _again(visits: Sequence[Visit], kind: str, url: str = "") -> str:
    count = machines.told_before(visits, kind, url)
    return f"again{count}" if count else ""
