"""What activities do in a rehearsal: they count, and let everybody go on by "next".

Messages become rows that nobody sends, with who would have been left out and why. No card is given:
who would get none goes by "error" (`journeys.rehearsing.gift_cards`). Nothing of contacts is
changed, nobody is called, no other journey entered.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations.models import Template
from journeys.drawing.kinds import NEXT
from journeys.engine import conditions
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.messages.caps import PLANNED_BEFORE, cap_of
from journeys.messages.quiet_hours import quiet_until_of
from journeys.models import Lane, Message
from journeys.rehearsing import gift_cards, shadows
from workspace import sql

COUNTED = ("update", "jump", "webhook", "update_vendor")
# So long after a message those react who do, where it is said how many.
REACTS_AFTER = timedelta(hours=1)
_CHANNELS = (Message.Channel.EMAIL, Message.Channel.PUSH)
# How many of a hundred react, by activity, is kept with the version.
SETTING = "rehearsal_reactions"
# Beside it, the share of all contacts that is rehearsed.
SHARE = "rehearsal_share"

_SEND = """
INSERT INTO journeys_message (journey_id, version_id, lane, participant_id, node, channel,
  contact_id, template_id, purpose, state, reason, created_at, due_at)
SELECT %(journey)s, %(version)s, %(lane)s, w.id, %(node)s, w.channel, w.contact_id, w.template_id,
  %(purpose)s, CASE WHEN r.reason = '' THEN 'planned' ELSE 'left_out' END, r.reason, w.at, w.due_at
FROM (
  SELECT t.id, t.contact_id, t.at, t.due_at, k.channel, k.template_id, CASE
    WHEN p.is_control THEN 'control'
    WHEN k.channel = 'email' AND c.email = '' THEN 'no_address'
    WHEN k.channel = 'push' AND NOT EXISTS (
      SELECT FROM integrations_pushsubscription s
      WHERE s.contact_id = t.contact_id AND s.ended_at IS NULL) THEN 'no_address'
    WHEN k.channel = 'email' AND EXISTS (
      SELECT FROM integrations_suppression s
      WHERE s.channel = 'email' AND s.address = lower(c.email)) THEN 'suppressed'
    WHEN %(purpose)s <> '' AND NOT EXISTS (
      SELECT FROM contacts_consentstate s JOIN contacts_consentdefinition d
        ON d.id = s.definition_id
      WHERE s.contact_id = t.contact_id AND d.key = %(purpose)s AND s.state = 'granted')
      THEN 'no_consent'
    ELSE '' END AS reason
  FROM unnest(%(ids)s::bigint[], %(contacts)s::bigint[], %(arrived)s::timestamptz[],
      %(due)s::timestamptz[]) AS t (id, contact_id, at, due_at)
  JOIN journeys_participant p ON p.id = t.id
  JOIN contacts_contact c ON c.id = t.contact_id
  CROSS JOIN unnest(%(channels)s::text[], %(templates)s::integer[]) AS k (channel, template_id)) w
CROSS JOIN LATERAL (SELECT {reason} AS reason) r
ON CONFLICT DO NOTHING
"""
# As `journeys.messages.caps` counts: what this rehearsal would have sent, and what other journeys
# really sent by then. Messages of the journey itself are what the draft would take the place of.
_CAPPED = """CASE WHEN w.reason = '' AND (
    SELECT count(*) FROM journeys_message m
    WHERE m.contact_id = w.contact_id AND m.channel = w.channel AND m.state = 'planned'
      AND m.due_at > w.due_at - %(within)s) + (
    SELECT count(*) FROM {living} m
    WHERE m.contact_id = w.contact_id AND m.channel = w.channel AND m.lane = 0
      AND m.journey_id <> %(journey)s AND m.state IN ('queued', 'sent')
      AND m.created_at > w.due_at - %(within)s - %(planned_before)s AND m.created_at <= w.due_at
      AND coalesce(m.sent_at, m.due_at) > w.due_at - %(within)s
      AND coalesce(m.sent_at, m.due_at) <= w.due_at) >= %(most)s
  THEN 'cap' ELSE w.reason END"""
_ZONES = "SELECT id, time_zone FROM contacts_contact WHERE id = ANY(%s::bigint[])"
# By lots of the contact and the activity: the same ones react each time.
_REACT = """
INSERT INTO journeys_signal (journey_id, participant_id, kind, node, at, data)
SELECT m.journey_id, m.participant_id, 'event', r.node, m.created_at + %(after)s,
  jsonb_build_object('name', r.reaction, 'assumed', true)
FROM journeys_message m
JOIN unnest(%(nodes)s::text[], %(reactions)s::text[], %(channels)s::text[], %(lots)s::bigint[])
  AS r (node, reaction, channel, lots)
  ON r.channel = m.channel
  AND ('x' || left(md5(r.node || ':' || m.contact_id), 8))::bit(32)::bigint %% 100 < r.lots
WHERE m.participant_id = ANY(%(ids)s::bigint[]) AND m.node = %(node)s AND m.state = 'planned'
"""


def send_nothing(cohort: Cohort) -> Acted:
    """Note the messages that each would get, or why not."""
    config = cohort.node.config
    wanted = {channel: config[channel] for channel in _CHANNELS if config.get(channel)}
    templates = dict(Template.objects.filter(key__in=wanted.values()).values_list("key", "pk"))
    version, cap = cohort.version, cap_of(cohort.version.settings)
    reason, capped = "w.reason", dict[str, Any]()
    if cap is not None:
        reason = _CAPPED.format(living=shadows.living(Message._meta.db_table))
        capped = {"within": cap.within, "most": cap.messages, "planned_before": PLANNED_BEFORE}
    sql.execute(
        _SEND.format(reason=reason),
        {
            **capped,
            "journey": version.journey_id,
            "version": version.pk,
            "lane": version.lane,
            "node": cohort.node.id,
            "purpose": config.get("purpose") or "",
            "ids": list(cohort.ids),
            "contacts": list(cohort.contact_ids),
            "arrived": list(cohort.arrived),
            "due": _due(cohort),
            "channels": [str(channel) for channel in wanted],
            "templates": [templates.get(key) for key in wanted.values()],
        },
    )
    _let_react(cohort)
    return _all_go_on(cohort)


def _due(cohort: Cohort) -> list[datetime]:
    """When each is sent: quiet hours are waited for, as they are by the living."""
    given = cohort.version.settings
    if not given.get("quiet_hours"):
        return list(cohort.arrived)
    zones: dict[int, str] = {}
    if given["quiet_hours"].get("zone") == "contact":
        zones = dict(sql.lists(_ZONES, [list(cohort.contact_ids)]))
    return [
        quiet_until_of(given, at, contact_zone=zones.get(contact_id, "")) or at
        for at, contact_id in zip(cohort.arrived, cohort.contact_ids, strict=True)
    ]


def count_only(cohort: Cohort) -> Acted:
    """Do nothing: that they went by is counted by the engine itself."""
    return _all_go_on(cohort)


def let_a_share_through(cohort: Cohort) -> Acted:
    """Decide as for the living; of a sample as many go through a cap as would be of its size."""
    share = float(cohort.version.settings.get(SHARE, 1))
    return conditions.decide(cohort, share=share)


def register() -> None:
    """Have the engine do so in rehearsals. May be called again."""
    register_act("condition", let_a_share_through, lane=Lane.REHEARSAL, holds_contacts=False)
    register_act("message", send_nothing, lane=Lane.REHEARSAL, holds_contacts=False)
    register_act("voucher", gift_cards.give_none, lane=Lane.REHEARSAL, holds_contacts=False)
    for kind in COUNTED:
        register_act(kind, count_only, lane=Lane.REHEARSAL, holds_contacts=False)


def _all_go_on(cohort: Cohort) -> Acted:
    outcomes: Sequence[str | None] = [NEXT] * len(cohort.ids)
    return Acted(outcomes)


def _let_react(cohort: Cohort) -> None:
    """Signal the reactions that are assumed of so many of a hundred."""
    assumed: Mapping[str, Any] = cohort.version.settings.get(SETTING) or {}
    nodes = [
        node
        for node in cohort.plan.drawing.nodes
        if node.kind == "reaction"
        and node.config.get("to") == cohort.node.id
        and assumed.get(node.config["reaction"])
    ]
    if not nodes:
        return
    reactions = [node.config["reaction"] for node in nodes]
    sql.execute(
        _REACT,
        {
            "after": REACTS_AFTER,
            "ids": list(cohort.ids),
            "node": cohort.node.id,
            "nodes": [node.id for node in nodes],
            "reactions": reactions,
            "channels": ["push" if one.startswith("push") else "email" for one in reactions],
            "lots": [int(assumed[one]) for one in reactions],
        },
    )
