"""The activity that calls another system: over a webhook that is set up, or an address.

The body is JSON with gaps, filled in the tick and handed to the outbox in its transaction, under a
key that stays the same however often it is tried. Over a webhook it is signed and stands as `data`
in the usual envelope, of the type "journey.webhook"; an address gets the body alone. Participants
wait for what becomes of it only where a way for errors or for the timeout was drawn.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from integrations import called_addresses, outbox
from integrations.errors import AddressRefused, TemplateFailed
from integrations.models import Connection, Delivery
from integrations.outbox import Finished
from integrations.rendering import fill
from integrations.template_variables import contact_values
from journeys.drawing.durations import length_of
from journeys.drawing.kinds import ERROR, NEXT, TIMEOUT
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.engine.running import wake
from journeys.messages.permits import message_id_of
from journeys.models import Lane, Message
from workspace import sql
from workspace.exactjson import exact_dumps, exact_loads

KIND = "webhook"
TYPE = "journey.webhook"
TIMEOUT_AFTER = timedelta(seconds=30)
# Without a way for the timeout: longer than the outbox tries.
RESULT_WITHIN = timedelta(days=4)
_ERROR_LIMIT = 500

# A participant comes to an activity once: whoever plans again plans nothing.
_PLAN = """
INSERT INTO journeys_message (journey_id, version_id, lane, participant_id, node, channel,
  contact_id, state, reason, error, address, subject, created_at, due_at)
SELECT %s, %s, %s, p.id, %s, 'webhook', p.contact_id, p.state, p.reason, p.error, %s, %s,
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
  FROM told t WHERE m.id = t.id AND m.channel = 'webhook' AND m.state IN ('queued', 'failed')
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


def call(cohort: Cohort) -> Acted:
    """Queue a call for each; who waits for what becomes of it stays.

    What cannot be written at all leaves by "error" at once, with the reason.
    """
    count = len(cohort.ids)
    if cohort.version.lane == Lane.REHEARSAL:
        return Acted([NEXT] * count)
    try:
        connection = _connection(cohort.node.config)
    except AddressRefused as refused:
        told = {"problem": refused.code, "message": str(refused)}
        return Acted([ERROR] * count, data=[told] * count)
    bodies, problems = _bodies(cohort)
    ids = _plan(cohort, connection, bodies, problems)
    _hand_over(cohort, connection, ids, bodies)
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
    return Acted(outcomes, wake_at=[wake_at] * count, data=data)


def follow_deliveries(finished: Sequence[Finished], at: datetime) -> None:
    """Say what became of calls, to those who wait for it. A consumer of the outbox."""
    ours = [(message_id_of(one.key), one) for one in finished if one.kind == TYPE]
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


def register() -> None:
    """Have the engine do these activities so, and hear of what becomes of them."""
    register_act(KIND, call)
    outbox.register_consumer("journey webhooks", follow_deliveries)


def _connection(config: Mapping[str, Any]) -> Connection:
    """Where it goes. Raises AddressRefused."""
    if config.get("url"):
        return called_addresses.connection_to(config["url"])
    kind = Connection.Kind.WEBHOOK
    found = Connection.objects.filter(pk=config["connection"], kind=kind).first()
    if found is None:
        raise AddressRefused(_("The webhook that it calls is not there any more."))
    return found


def _bodies(cohort: Cohort) -> tuple[dict[int, str], dict[int, str]]:
    """The body for each participant, as JSON text, or what is wrong with it; not of the erased."""
    people = contact_values(cohort.contact_ids)
    contexts = dict(sql.lists(_CONTEXTS, [list(cohort.ids)]))
    template = str(cohort.node.config.get("body") or "")
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
    cohort: Cohort,
    connection: Connection,
    bodies: Mapping[int, str],
    problems: Mapping[int, str],
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
            str(connection.settings.get("url", ""))[:320],
            (cohort.node.label or cohort.node.id)[:300],
            *(list(cohort.ids), list(cohort.contact_ids), states, reasons),
            [problems.get(pk, "") for pk in cohort.ids],
            list(cohort.arrived),
        ],
    )
    return dict(rows)


def _hand_over(
    cohort: Cohort, connection: Connection, ids: Mapping[int, int], bodies: Mapping[int, str]
) -> None:
    contacts = dict(zip(cohort.ids, cohort.contact_ids, strict=True))
    outbox.enqueue(
        [
            outbox.Message(
                key=f"message:{message_id}",
                connection_id=connection.pk,
                kind=TYPE,
                payload=_payload(connection, message_id, bodies[pk], cohort.at),
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


def _payload(connection: Connection, message_id: int, body: str, at: datetime) -> Mapping[str, Any]:
    if connection.kind == Connection.Kind.ADDRESS:
        return {"body": body}
    created_at = at.isoformat().replace("+00:00", "Z")
    data = json.loads(body)
    return {"id": f"message:{message_id}", "type": TYPE, "created_at": created_at, "data": data}


def _waits(cohort: Cohort) -> tuple[str | None, datetime | None]:
    """Whether those who called wait for what becomes of it, and until when."""
    if cohort.plan.way(cohort.node.id, TIMEOUT) is not None:
        timeout = cohort.node.config.get("timeout")
        return None, cohort.at + (length_of(timeout) if timeout else TIMEOUT_AFTER)
    if cohort.plan.way(cohort.node.id, ERROR) is not None:
        return None, cohort.at + RESULT_WITHIN
    return NEXT, None
