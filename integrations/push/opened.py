"""That a push message was opened: an event of the contact, once, and whoever else wants to know."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from contacts.events import IncomingEvent, record_events, share_recording
from contacts.survivors import survivor_of
from integrations.push import tokens
from integrations.push.tokens import Token
from workspace import locks, sql

EVENT = "push_opened"
Listener = Callable[[Token, datetime], None]
_listeners: dict[str, Listener] = {}

# Who holds a contact like this keeps it from being merged.
_HOLD = "SELECT true FROM contacts_contact WHERE id = %s AND erased_at IS NULL FOR KEY SHARE"
_KNOWN = """
SELECT EXISTS (SELECT FROM contacts_event
  WHERE contact_id = %s AND message_id = %s AND occurred_at >= %s)
"""


def register_listener(name: str, listener: Listener) -> None:
    """Have `listener` told that a message was opened: its token, and when. May be called again.

    It is called in the transaction that records the event: once for each message, unless an
    enforced schema refuses the event.
    """
    _listeners[name] = listener


@transaction.atomic
def record_opened(text: str, *, at: datetime) -> bool:
    """Note that a message was opened at an instant; false where that was known already.

    Of a contact that was erased nothing is noted. Raises PushTokenInvalid.
    """
    token = tokens.read(text, at=at)
    # Who erases takes this first; then whoever tells of the same message waits.
    share_recording()
    locks.lock(f"push opened {token.message_id}")
    contact_id = _hold(token.contact_id)
    if contact_id is None:
        return False
    message_id = f"{EVENT}:{token.message_id}"
    if sql.one(_KNOWN, [contact_id, message_id, token.issued_at]):
        return False
    event = IncomingEvent(
        contact_id=contact_id,
        name=EVENT,
        occurred_at=max(at, token.issued_at),
        properties={"message": token.message_id, **token.about},
        message_id=message_id,
    )
    record_events([event], received_at=at)
    for listener in _listeners.values():
        listener(token, at)
    return True


def _hold(contact_id: int) -> int | None:
    """Who stands for a contact until the transaction ends; None where that one was erased."""
    while True:
        found = survivor_of(contact_id)
        is_there = sql.one(_HOLD, [found])
        # It may have become another while we waited for it.
        if survivor_of(contact_id) == found:
            return found if is_there else None
