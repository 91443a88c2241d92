"""The activity that sends: it plans the messages of all who stand there, in one statement.

What becomes of them is decided later (`journeys.messages`), when each is due.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.models import Template
from journeys.drawing.kinds import ERROR, NEXT
from journeys.drawing.plan import Plan
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.messages import composing
from journeys.models import Message
from workspace import rounds, sql

KIND = "message"
# Longer than the outbox tries, and a night of quiet hours besides.
RESULT_WITHIN = timedelta(days=4)
_CHANNELS = (Message.Channel.EMAIL, Message.Channel.PUSH)

# A participant comes to an activity once, so whoever plans again plans nothing.
_PLAN = """
INSERT INTO journeys_message (journey_id, version_id, lane, participant_id, node, channel,
  contact_id, template_id, purpose, created_at, due_at)
SELECT %s, %s, %s, p.id, %s, c.channel, p.contact_id, c.template_id, %s, p.arrived, p.arrived
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS p (id, contact_id, arrived)
CROSS JOIN unnest(%s::text[], %s::integer[]) AS c (channel, template_id)
ORDER BY p.contact_id, c.channel
ON CONFLICT (participant_id, node, channel) DO NOTHING
"""


def plan_messages(cohort: Cohort) -> Acted:
    """Plan a message to each over the channels of the activity: e-mail, push or both.

    Where the activity has a way for errors they wait for what becomes of it, others go on at once.
    """
    config = cohort.node.config
    wanted = {channel: config[channel] for channel in _CHANNELS if config.get(channel)}
    templates = dict(Template.objects.filter(key__in=wanted.values()).values_list("key", "pk"))
    version = cohort.version
    sql.execute(
        _PLAN,
        [
            *(version.journey_id, version.pk, version.lane, cohort.node.id),
            config.get("purpose") or "",
            *(list(cohort.ids), list(cohort.contact_ids), list(cohort.arrived)),
            [str(channel) for channel in wanted],
            [templates.get(key) for key in wanted.values()],
        ],
    )
    rounds.wake(composing.CHANNEL)
    count = len(cohort.ids)
    data: Mapping[str, Any] = {str(channel): key for channel, key in wanted.items()}
    if not waits_for_results(cohort.plan, cohort.node.id):
        return Acted([NEXT] * count, data=[data] * count)
    until: list[datetime | None] = [cohort.at + RESULT_WITHIN] * count
    return Acted([None] * count, wake_at=until, data=[data] * count)


def waits_for_results(plan: Plan, node_id: str) -> bool:
    """Whether those at an activity go on only when it is known what came of their messages."""
    return plan.way(node_id, ERROR) is not None


def register() -> None:
    """Have the engine do these activities so. May be called again."""
    register_act(KIND, plan_messages)
