"""What became of messages: the outbox says whether they were sent, others that they came back.

Whoever waits for a result hears of it by a signal, in the transaction that says so. What receivers
do is an event of the contact, told once: segments, journeys and people see the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from contacts.events import IncomingEvent, record_events, share_recording
from integrations import announcements
from integrations.announcements import Fact
from integrations.bounces.heard import Heard
from integrations.models import Delivery, MailReport
from integrations.outbox import Finished
from journeys.messages.permits import message_id_of
from journeys.models import Lane, Message
from workspace import locks, rounds, sql

SENT, OPENED, CLICKED, BACK = (
    *("message.sent", "message.opened"),
    *("message.clicked", "message.bounced"),
)
# The round of the engine, which acts upon signals.
ENGINE = "regulars_journeys"
_WORDS_LIMIT = 500

_FACTS = """
SELECT m.id, m.participant_id, m.node, m.channel, m.contact_id, m.lane, m.version_id, m.address,
  m.created_at, j.id, j.key, v.drawing @> jsonb_build_object('edges', jsonb_build_array(
    jsonb_build_object('from', m.node, 'outcome', 'error')))
FROM journeys_message m JOIN journeys_journey j ON j.id = m.journey_id
JOIN journeys_journeyversion v ON v.id = m.version_id
WHERE m.id = ANY(%s) ORDER BY m.id
"""
_SENT = """
UPDATE journeys_message SET state = 'sent', sent_at = %s, error = '', reason = ''
WHERE id = ANY(%s) AND state IN ('queued', 'failed', 'left_out') RETURNING id
"""
# A push message goes to several devices: it is over when none of them is tried any more.
_OVER = """
UPDATE journeys_message m SET state = g.state, reason = g.reason, error = g.error
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS g (id, state, reason, error)
WHERE m.id = g.id AND m.state = 'queued' AND (m.channel <> 'push' OR NOT EXISTS (
  SELECT FROM integrations_delivery d
  WHERE d.contact_id = m.contact_id AND d.state IN ('queued', 'in_flight')
    AND d.key LIKE 'message:' || m.id || ':%%'))
RETURNING m.id
"""
_SIGNAL = """
INSERT INTO journeys_signal (journey_id, participant_id, kind, node, outcome, at, data)
SELECT w.journey_id, w.participant_id, 'result', w.node,
  CASE WHEN bool_or(m.state = 'failed') AND NOT bool_or(m.state = 'sent') THEN 'error'
    ELSE 'next' END,
  %s, jsonb_object_agg(m.channel, jsonb_strip_nulls(jsonb_build_object('message', m.id,
    'state', m.state, 'reason', nullif(m.reason, ''), 'error', nullif(m.error, ''))))
FROM (SELECT DISTINCT * FROM unnest(%s::integer[], %s::bigint[], %s::text[])
  AS g (journey_id, participant_id, node)) w
JOIN journeys_message m ON m.participant_id = w.participant_id AND m.node = w.node
GROUP BY w.journey_id, w.participant_id, w.node
HAVING bool_or(m.state = 'sent') OR NOT bool_or(m.state IN ('planned', 'queued'))
"""
_NOTED = {
    column: f"""
UPDATE journeys_message SET {column} = %s WHERE id = %s AND {column} IS NULL RETURNING id
"""  # noqa: S608  made of our own words only
    for column in ("opened_at", "bounced_at", "complained_at", "unsubscribed_at")
}
# Calls of other systems are told of to who waits for them (`journeys.acts.calling`).
_WRITTEN = (Message.Channel.EMAIL, Message.Channel.PUSH)


Kind = MailReport.Kind
# The column and the event of each; a bounce that passes is told by nothing.
_BACK = {
    Kind.HARD_BOUNCE.value: ("bounced_at", "email_bounced"),
    Kind.COMPLAINT.value: ("complained_at", "email_complained"),
    Kind.UNSUBSCRIBE.value: ("unsubscribed_at", "email_unsubscribed"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A message as others are told of it. `is_awaited`: somebody waits for what becomes of it."""

    id: int
    participant_id: int
    node: str
    channel: str
    contact_id: int
    lane: int
    version_id: int
    address: str
    created_at: datetime
    journey_id: int
    journey_key: str
    is_awaited: bool


def about(participant_id: int, journey_key: str, node: str, *, is_test: bool) -> dict[str, Any]:
    """What an event says of the message that it is about."""
    said: dict[str, Any] = {"participant": participant_id, "journey": journey_key, "node": node}
    return {**said, "test": True} if is_test else said


def follow_deliveries(finished: Sequence[Finished], at: datetime) -> None:
    """Say of messages what became of their deliveries. A consumer of the outbox."""
    ours = {pk: one for one in finished if (pk := message_id_of(one.key)) is not None}
    told = [one for one in facts_of(list(ours)) if one.channel in _WRITTEN]
    if not told:
        return
    hold_siblings(told)
    ids = [one.id for one in told]
    sent = [pk for pk in ids if ours[pk].state == Delivery.State.DELIVERED]
    news = {pk for (pk,) in sql.lists(_SENT, [at, sent])} if sent else set()
    rows = [_end(pk, ours[pk]) for pk in ids if pk not in sent]
    if rows:
        news |= {pk for (pk,) in sql.lists(_OVER, [list(part) for part in zip(*rows, strict=True)])}
    announce(SENT, [one for one in told if one.id in news and one.id in sent], at=at)
    tell_of_results([one for one in told if one.id in news], at=at)


def follow_reports(heard: Sequence[Heard], at: datetime) -> None:
    """Note which messages came back, and of which somebody complained. For `bounces.heard`."""
    for one in heard:
        # Reports come one by one, or a few at a time.
        if (message_id := message_id_of(one.key)) is not None:
            note_report(one.kind, message_id=message_id, at=one.at, detail=one.detail)


@transaction.atomic
def note_report(kind: str, *, message_id: int, at: datetime, detail: str = "") -> bool:
    """Note that a message came back at an instant, or what was said of it; false without news.

    Once of each kind for a message: the event of the contact (`email_bounced`, `email_complained`,
    `email_unsubscribed`), and for bounces the announcement. A bounce that passes is not noted.
    """
    if kind not in _BACK:
        return False
    column, event = _BACK[kind]
    # Who erases takes this first.
    share_recording()
    if not sql.lists(_NOTED[column], [at, message_id]):
        return False
    told = facts_of([message_id])
    more = {"detail": detail[:_WORDS_LIMIT]} if detail else {}
    tell(told, event, at=at, **more)
    if kind == Kind.HARD_BOUNCE:
        Message.objects.filter(pk=message_id, error="").update(error=detail[:_WORDS_LIMIT])
        announce(BACK, told, at=at, **more)
    return True


def facts_of(message_ids: Sequence[int]) -> list[Told]:
    """These messages as others are told of them; one query."""
    return [Told(*row) for row in sql.lists(_FACTS, [list(message_ids)])] if message_ids else []


def tell(told: Sequence[Told], event: str, *, at: datetime, key: str = "", **more: Any) -> None:
    """Record an event of the contacts of messages: once for each message and `key`."""
    record_events(
        [
            IncomingEvent(
                contact_id=one.contact_id,
                name=event,
                occurred_at=max(at, one.created_at),
                properties={
                    "message": one.id,
                    **about(
                        one.participant_id,
                        one.journey_key,
                        one.node,
                        is_test=one.lane == Lane.TEST,
                    ),
                    **more,
                },
                message_id=event_id(one.id, event, key),
            )
            for one in told
        ],
        received_at=at,
    )


def event_id(message_id: int, event: str, key: str = "") -> str:
    """The id of the event by which something of a message is told."""
    return f"{event}:{message_id}:{key}" if key else f"{event}:{message_id}"


def announce(type_: str, told: Sequence[Told], *, at: datetime, key: str = "", **more: Any) -> None:
    """Let webhooks hear of messages; those of tests are nobody's business."""
    facts = [
        Fact(
            key=f"{one.id}:{key}" if key else str(one.id),
            data={
                "message": one.id,
                "channel": one.channel,
                "journey": one.journey_key,
                "node": one.node,
                "participant": one.participant_id,
                "contact_id": one.contact_id,
                **more,
            },
            contact_id=one.contact_id,
            subject=f"journey:{one.journey_id}",
        )
        for one in told
        if one.lane == Lane.LIVE
    ]
    announcements.announce(type_, facts, at=at)


def hold_siblings(told: Sequence[Told]) -> None:
    """Keep others from ending messages of the same activities at the same time.

    Of two that end at once neither would see the other, and who waits for both would hear nothing.
    """
    for name in sorted({f"messages of {one.participant_id}" for one in told if one.is_awaited}):
        # As many as wait for results among a portion: most activities wait for none.
        locks.lock(name)


def tell_of_results(told: Sequence[Told], *, at: datetime) -> None:
    """Leave a signal for each participant who waited for these messages, once all are over.

    One that was sent is enough to go on; where none was, one that failed is an error.
    """
    waiting = [one for one in told if one.is_awaited]
    if not waiting:
        return
    columns = [
        [one.journey_id for one in waiting],
        [one.participant_id for one in waiting],
        [one.node for one in waiting],
    ]
    if sql.execute(_SIGNAL, [at, *columns]):
        rounds.wake(ENGINE)


def _end(message_id: int, one: Finished) -> tuple[int, str, str, str]:
    words = one.error[:_WORDS_LIMIT]
    if one.state == Delivery.State.CANCELLED and one.code in Message.Reason.values:
        return message_id, Message.State.LEFT_OUT.value, one.code, ""
    return message_id, Message.State.FAILED.value, "", words
