"""Messages as people meet them: seen, sent again by a decision of theirs, forgotten in time."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.identities import EMAIL, lower_case
from contacts.models import Identity
from integrations import deliveries, outbox
from integrations.models import Delivery
from journeys.errors import MessageUnknown, NotSentAgain
from journeys.messages import composing
from journeys.models import Journey, Message
from workspace import access, audit, rounds, sql
from workspace.access import Actor

VIEW, RESEND = "journeys.view_message", "journeys.resend_message"
# Long enough for claims and for caps; what counts is kept in the history of the contact.
KEPT = timedelta(days=400)
_AT_ONCE = 10_000
_PURGE = """
DELETE FROM journeys_message WHERE id IN (
  SELECT id FROM journeys_message WHERE state IN ('sent', 'failed', 'left_out')
    AND created_at < %s ORDER BY id LIMIT %s)
"""
# Which of its deliveries wait for somebody's decision; a push message has one for each device.
_AGAIN = (Delivery.State.FAILED, Delivery.State.CANCELLED)


def visible_messages(actor: Actor) -> "QuerySet[Message]":
    """The messages of journeys of which the actor may know."""
    if actor.is_admin:
        return Message.objects.all()
    known = access.visible(Journey.objects.all(), actor).order_by().values("pk")
    return Message.objects.filter(journey_id__in=known)


def find_message(message_id: int, *, actor: Actor) -> Message:
    """The message of this id. Raises MessageUnknown."""
    found = visible_messages(actor).filter(pk=message_id).first()
    if found is None:
        raise MessageUnknown(_("There is no message %(id)s.") % {"id": message_id})
    return found


def of_receiver(messages: "QuerySet[Message]", term: str) -> "QuerySet[Message]":
    """Those of messages to who has an e-mail address now, or to a contact by its number."""
    wanted = term.strip().replace("\0", "")
    if not wanted:
        return messages
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19:
        return messages.filter(contact_id=int(wanted))
    owners = Identity.objects.filter(namespace=EMAIL, value=lower_case(wanted)).values("contact_id")
    return messages.filter(contact_id__in=owners)


def deliveries_of(message: Message) -> "QuerySet[Delivery]":
    """What was handed to the outbox for a message: one, or one for each device."""
    if message.delivery_id is None:
        return Delivery.objects.none()
    if message.channel != Message.Channel.PUSH:
        return Delivery.objects.filter(pk=message.delivery_id)
    keys = f"message:{message.pk}:"
    return Delivery.objects.filter(contact_id=message.contact_id, key__startswith=keys)


def may_send_again(message: Message) -> bool:
    """Whether it is a person's to decide that it is sent again: it failed, or was left out."""
    states = {Message.State.FAILED, Message.State.LEFT_OUT}
    return message.state in states and message.reason != Message.Reason.ERASED


@transaction.atomic
def send_again(message_id: int, *, actor: Actor, at: datetime) -> Message:
    """Send a message again that failed or was left out: as it was written, or written anew.

    It goes out only if the contact may be written to now. What was sent is never sent again: the
    receiver has it. Raises MessageUnknown, NotSentAgain.
    """
    access.require(actor, RESEND)
    find_message(message_id, actor=actor)
    message = Message.objects.select_for_update().get(pk=message_id)
    if not may_send_again(message):
        words = _("It is %(state)s: only what failed or was left out is sent again.")
        raise NotSentAgain(words % {"state": message.get_state_display()})
    before = message.state
    over = deliveries_of(message).filter(state__in=_AGAIN).exclude(payload=deliveries.FORGOTTEN)
    again = over.update(
        state=Delivery.State.QUEUED, finished_at=None, due_at=at, attempts=0, begun_at=None
    )
    message.state = Message.State.QUEUED if again else Message.State.PLANNED
    message.reason = message.error = ""
    if not again and deliveries_of(message).exists():
        words = _("What it said was forgotten: there is nothing left to send.")
        raise NotSentAgain(words)
    if not again:
        message.due_at = at
    message.save(update_fields=["state", "reason", "error", "due_at"])
    if again:
        outbox.wake()
    else:
        rounds.wake(composing.CHANNEL)
    changes = {"state": [before, message.state]}
    audit.record(
        actor=actor, action="message.sent_again", subject=message, label=f"#{message.pk}",
        changes=changes, at=at,
    )  # fmt: skip
    return message


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete messages that are over for `KEPT`."""
    count = 0
    # By the thousand, so that no transaction is long.
    while deleted := sql.execute(_PURGE, [as_of - KEPT, _AT_ONCE]):
        count += deleted
    return {"messages": count}
