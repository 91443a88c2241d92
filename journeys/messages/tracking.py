"""What receivers do with an e-mail: it was opened, a link was clicked.

Counted each time, told once: the event of the contact is recorded with the first opening, and with
the first click on each address. Who clicks has opened, too, whether or not pictures were shown.
"""

import hashlib
from datetime import datetime

from django.db import transaction

from contacts.events import share_recording
from integrations.push import opened as push_opened
from integrations.push.tokens import Token
from journeys.messages import results
from workspace import sql

OPENED, CLICKED = "email_opened", "email_clicked"

# Whether it is the first time, which the row as it was before says; it is held until the end.
_HOLD = """
SELECT opened_at IS NULL FROM journeys_message WHERE id = %s AND channel = 'email' FOR NO KEY UPDATE
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
_IS_TOLD = """
SELECT EXISTS (SELECT FROM contacts_event
  WHERE contact_id = %s AND message_id = %s AND occurred_at >= %s)
"""


@transaction.atomic
def note_open(message_id: int, *, at: datetime) -> bool:
    """An e-mail was opened at an instant; false where there is no such message any more."""
    is_first = _hold(message_id)
    if is_first is None:
        return False
    sql.execute(_OPEN, [at, 1, message_id])
    if is_first:
        _tell_opened(message_id, at)
    return True


@transaction.atomic
def note_click(message_id: int, url: str, *, at: datetime) -> bool:
    """A link of an e-mail was clicked; false where there is no such message any more."""
    is_first = _hold(message_id)
    if is_first is None:
        return False
    sql.execute(_CLICK, [at, at, message_id])
    if is_first:
        _tell_opened(message_id, at)
    (told,) = results.facts_of([message_id])
    key = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:24]
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


def _hold(message_id: int) -> bool | None:
    # Who erases takes this first.
    share_recording()
    rows = sql.lists(_HOLD, [message_id])
    return bool(rows[0][0]) if rows else None


def _tell_opened(message_id: int, at: datetime) -> None:
    told = results.facts_of([message_id])
    results.tell(told, OPENED, at=at)
    results.announce(results.OPENED, told, at=at)
