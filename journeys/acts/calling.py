"""What activities that call other systems have in common.

The body is JSON with gaps, filled in the tick and handed to the outbox in its transaction, under a
key that stays the same however often it is tried. Participants wait for what becomes of it only
where a way for errors or for the timeout was drawn.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from integrations import outbox
from integrations.errors import TemplateFailed
from integrations.models import Connection, Delivery
from integrations.outbox import Finished
from integrations.rendering import fill
from integrations.template_variables import contact_values
from journeys.drawing.durations import length_of
from journeys.drawing.kinds import ERROR, NEXT, TIMEOUT
from journeys.engine.cohort import Acted, Cohort
from journeys.engine.running import wake
from journeys.messages.permits import message_id_of
from journeys.models import Lane, Message
from workspace import sql
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps, exact_loads

TIMEOUT_AFTER = timedelta(seconds=30)
# Without a way for the timeout: longer than the outbox tries.
RESULT_WITHIN = timedelta(days=4)
_ERROR_LIMIT = 500
# The kinds of deliveries by which participants wait for what becomes of them.
_kinds: set[str] = set()

# A participant comes to an activity once: whoever plans again plans nothing.
_PLAN = """
INSERT INTO journeys_message (journey_id, version_id, lane, participant_id, node, channel,
  contact_id, state, reason, error, address, subject, created_at, due_at)
SELECT %s, %s, %s, p.id, %s, %s, p.contact_id, p.state, p.reason, p.error, %s, %s,
  p.arrived, p.arrived
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
  AS p (id, contact_id, state, reason, error, arrived)
ORDER BY p.contact_id ON CONFLICT (participant_id, node, channel) DO NOTHING
RETURNING participant_id, id
"""
_HANDED = """
UPDATE journeys_message m SET delivery_id = d.id
FROM unnest(%s::bigint[]) AS g (id) JOIN integrations_delivery d ON d.key = 'message:' || g.id
WHERE m.id = g.id
"""
_CONTEXTS = "SELECT id, context::text FROM journeys_participant WHERE id = ANY(%s::bigint[])"
# Who does not wait for it there, or not any more, is told nothing. Without the lock of the journey:
# he waits since the transaction that queued the call, and senders do not wait for ticks.
_FINISH = """
WITH told AS (
  SELECT * FROM unnest(%s::bigint[], %s::boolean[], %s::text[]) AS t (id, is_sent, error)),
over AS (
  UPDATE journeys_message m SET state = CASE WHEN t.is_sent THEN 'sent' ELSE 'failed' END,
    sent_at = CASE WHEN t.is_sent THEN %s::timestamptz END, error = t.error
  FROM told t WHERE m.id = t.id AND m.channel IN ('webhook', 'vendor')
    AND m.state IN ('queued', 'failed')
  RETURNING m.*),
signalled AS (
  INSERT INTO journeys_signal (journey_id, participant_id, kind, node, outcome, at, data)
  SELECT o.journey_id, o.participant_id, 'result', o.node,
    CASE WHEN o.state = 'sent' THEN 'next' ELSE 'error' END, %s,
    jsonb_strip_nulls(jsonb_build_object('message', o.id, 'error', nullif(o.error, '')))
  FROM over o
  JOIN journeys_participant p ON p.id = o.participant_id AND p.state = 'waiting'
  JOIN journeys_journeyversion v ON v.id = p.version_id
    AND jsonb_exists(v.places -> p.place::integer, o.node)
  RETURNING 1)
SELECT count(*) FROM signalled
"""


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom an activity calls, over which channel, and by which kind of delivery.

    `payload` makes what is sent of the message's id, what is known of the contact and the body.
    """

    connection: Connection
    channel: Message.Channel
    kind: str
    address: str
    payload: Callable[[int, Mapping[str, Any], str], Mapping[str, Any]]


def call(cohort: Cohort, callee: Callee, template: str) -> Acted:
    """Queue a call for each; who waits for what becomes of it stays.

    What cannot be written at all leaves by "error" at once, with the reason.
    """
    people = contact_values(cohort.contact_ids)
    bodies, problems = _bodies(cohort, template, people)
    ids = _plan(cohort, callee, bodies, problems)
    _hand_over(cohort, callee, ids, bodies, people)
    outcome, wake_at = _waits(cohort)
    outcomes: list[str | None] = []
    data: list[Mapping[str, Any] | None] = []
    for pk in cohort.ids:
        if pk in problems:
            outcomes.append(ERROR)
            data.append({"problem": "body", "message": problems[pk]})
        elif pk in bodies:
            outcomes.append(outcome)
            data.append({"message": ids[pk]} if pk in ids else None)
        else:
            outcomes.append(NEXT)
            data.append({"left_out": Message.Reason.ERASED.value})
    return Acted(outcomes, wake_at=[wake_at] * len(cohort.ids), data=data)


def refused(cohort: Cohort, error: DomainError) -> Acted:
    """Nobody can be called: all leave by "error", with the reason."""
    count = len(cohort.ids)
    told = {"problem": error.code, "message": str(error)}
    return Acted([ERROR] * count, data=[told] * count)


def follow_deliveries(finished: Sequence[Finished], at: datetime) -> None:
    """Say what became of calls, to those who wait for it. A consumer of the outbox."""
    ours = [(message_id_of(one.key), one) for one in finished if one.kind in _kinds]
    told = [(pk, one) for pk, one in ours if pk is not None]
    if not told:
        return
    columns: list[list[Any]] = [
        [pk for pk, _one in told],
        [one.state == Delivery.State.DELIVERED for _pk, one in told],
        [one.error[:_ERROR_LIMIT] for _pk, one in told],
    ]
    if sql.one(_FINISH, [*columns, at, at]):
        wake()


def register_kind(kind: str) -> None:
    """Hear of what becomes of deliveries of this kind. May be called again."""
    _kinds.add(kind)
    outbox.register_consumer("journey calls", follow_deliveries)


def _bodies(
    cohort: Cohort, template: str, people: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[int, str], dict[int, str]]:
    """The body for each participant, as JSON text, or what is wrong with it; not of the erased."""
    contexts = dict(sql.lists(_CONTEXTS, [list(cohort.ids)]))
    parsed = _parsed(template)
    bodies: dict[int, str] = {}
    problems: dict[int, str] = {}
    for pk, contact_id in zip(cohort.ids, cohort.contact_ids, strict=True):
        if contact_id not in people:
            continue
        values = _values(cohort, pk, people[contact_id], exact_loads(contexts.get(pk, "{}")))
        try:
            bodies[pk] = _filled(template, parsed, values)
        except (TemplateFailed, ValueError) as error:
            problems[pk] = str(error)[:_ERROR_LIMIT]
    return bodies, problems


def _values(
    cohort: Cohort, participant_id: int, person: Mapping[str, Any], context: Mapping[str, Any]
) -> dict[str, Any]:
    """What the body may say; without one, what is sent."""
    entry = context.get("entry") or {}
    return {
        "journey": cohort.version.journey.key,
        "activity": cohort.node.id,
        "participant": participant_id,
        "is_test": cohort.version.lane == Lane.TEST,
        "contact": person,
        "entry": entry,
        "event": entry,
        "voucher": context.get("voucher") or {},
    }


def _parsed(template: str) -> Any:
    """A body that is JSON before its gaps are filled; None for another, which is JSON after that.

    In the former what is filled in can break nothing: it stays inside its text.
    """
    try:
        return exact_loads(template)
    except ValueError:
        return None


def _filled(template: str, parsed: Any, values: Mapping[str, Any]) -> str:
    """The body as JSON text. Raises TemplateFailed, and ValueError where it is no JSON."""
    if not template.strip():
        told = {name: value for name, value in values.items() if name != "event"}
        return exact_dumps(json.loads(json.dumps(told, default=str)))
    if parsed is not None:
        return exact_dumps(_deep(parsed, values))
    try:
        return exact_dumps(exact_loads(fill(template, values)))
    except ValueError as error:
        raise ValueError(_("The body is no JSON: %(reason)s") % {"reason": error}) from error


def _deep(part: Any, values: Mapping[str, Any]) -> Any:
    match part:
        case str():
            return fill(part, values)
        case list():
            return [_deep(one, values) for one in part]
        case dict():
            return {fill(name, values): _deep(one, values) for name, one in part.items()}
    return part


def _plan(
    cohort: Cohort, callee: Callee, bodies: Mapping[int, str], problems: Mapping[int, str]
) -> dict[int, int]:
    """Write down each call; the ids of those that are new, by participant."""
    states, reasons = [], []
    for pk in cohort.ids:
        erased = pk not in bodies and pk not in problems
        states.append("left_out" if erased else "failed" if pk in problems else "queued")
        reasons.append(Message.Reason.ERASED.value if erased else "")
    version = cohort.version
    rows = sql.lists(
        _PLAN,
        [
            *(version.journey_id, version.pk, version.lane, cohort.node.id),
            *(callee.channel.value, callee.address[:320]),
            (cohort.node.label or cohort.node.id)[:300],
            *(list(cohort.ids), list(cohort.contact_ids), states, reasons),
            [problems.get(pk, "") for pk in cohort.ids],
            list(cohort.arrived),
        ],
    )
    return dict(rows)


def _hand_over(
    cohort: Cohort,
    callee: Callee,
    ids: Mapping[int, int],
    bodies: Mapping[int, str],
    people: Mapping[int, Mapping[str, Any]],
) -> None:
    contacts = dict(zip(cohort.ids, cohort.contact_ids, strict=True))
    outbox.enqueue(
        [
            outbox.Message(
                key=f"message:{message_id}",
                connection_id=callee.connection.pk,
                kind=callee.kind,
                payload=callee.payload(message_id, people[contacts[pk]], bodies[pk]),
                contact_id=contacts[pk],
                # Who may not know of the journey does not see it among the deliveries.
                subject=f"journey:{cohort.version.journey_id}",
            )
            for pk, message_id in ids.items()
            if pk in bodies
        ],
        at=cohort.at,
    )
    sql.execute(_HANDED, [sorted(ids.values())])


def _waits(cohort: Cohort) -> tuple[str | None, datetime | None]:
    """Whether those who called wait for what becomes of it, and until when."""
    if cohort.plan.way(cohort.node.id, TIMEOUT) is not None:
        timeout = cohort.node.config.get("timeout")
        return None, cohort.at + (length_of(timeout) if timeout else TIMEOUT_AFTER)
    if cohort.plan.way(cohort.node.id, ERROR) is not None:
        return None, cohort.at + RESULT_WITHIN
    return NEXT, None
