"""What distributions add to the rooms below: registered when Django is ready."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from contacts import followed_events
from contacts.extensions import Moved, Pair, register_eraser, register_merger
from integrations import outbox, templates, webhook_uses
from integrations.models import Connection, Template
from loyalty.distribution import (
    distributing,
    distribution_messages,
    distribution_tasks,
    distributions,
)
from loyalty.models import Distribution
from loyalty.programme import tiers
from segments import moves
from segments.documents import named_segments
from segments.models import Segment
from segments.thing_uses import names_thing, register_thing_use
from segments.uses import Use, register_use
from workspace import access, rounds, sql
from workspace.access import Actor

State = Distribution.State
_EMAIL = Distribution.Channel.EMAIL
_PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
# For the same cause once: the survivor's own comes first, then the older.
_DROP = f"""
DELETE FROM loyalty_distributiontask t USING {_PAIRS}
WHERE t.contact_id = pair.loser AND t.state = 'pending' AND EXISTS (
  SELECT FROM loyalty_distributiontask own
  LEFT JOIN {_PAIRS.replace("pair", "twin")} ON twin.loser = own.contact_id
  WHERE own.distribution_id = t.distribution_id AND own.cause = t.cause
    AND coalesce(twin.survivor, own.contact_id) = pair.survivor
    AND (own.contact_id = pair.survivor OR own.id < t.id))
"""  # noqa: S608  made of our own words only
# What was done for both for one cause stays told apart.
_MOVE = f"""
WITH moving AS (
  SELECT t.id, pair.loser, pair.survivor, EXISTS (
      SELECT FROM loyalty_distributiontask own
      LEFT JOIN {_PAIRS.replace("pair", "twin")} ON twin.loser = own.contact_id
      WHERE own.distribution_id = t.distribution_id AND own.cause = t.cause AND own.id <> t.id
        AND coalesce(twin.survivor, own.contact_id) = pair.survivor
    ) AS is_twin
  FROM {_PAIRS} JOIN loyalty_distributiontask t ON t.contact_id = pair.loser
), moved AS (
  UPDATE loyalty_distributiontask t SET contact_id = m.survivor,
    cause = CASE WHEN m.is_twin THEN left(t.cause, 160) || ' of ' || m.loser ELSE t.cause END
  FROM moving m WHERE t.id = m.id RETURNING m.loser
)
SELECT loser, count(*) FROM moved GROUP BY loser
"""  # noqa: S608
_FORGET = """
WITH gone AS (
  DELETE FROM loyalty_distributiontask WHERE contact_id = ANY(%s) AND state = 'pending' RETURNING 1
), emptied AS (
  UPDATE loyalty_distributiontask SET context = '{}', problem = ''
  WHERE contact_id = ANY(%s) AND state <> 'pending' AND (context <> '{}' OR problem <> '')
  RETURNING 1
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM emptied)
"""


def merge_tasks(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """The survivor has the losers' tasks; what waits for the same cause is done once."""
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    sql.execute(_DROP, arrays * 2)
    return {loser: Moved(count) for loser, count in sql.lists(_MOVE, arrays * 2)}


def forget_tasks(contact_ids: list[int]) -> int:
    """Do nothing more for contacts that are erased, and keep nothing of what triggered it."""
    return int(sql.one(_FORGET, [contact_ids, contact_ids]))


def _uses(segment: Segment) -> list[Use]:
    documents = Distribution.objects.annotate(document=Cast("audience", TextField()))
    rows = documents.filter(Q(segment=segment) | Q(document__contains='"segment"'))
    rows = rows.select_related("campaign").prefetch_related("campaign__groups")
    return [
        Use(
            one.name,
            key=one.key,
            url=reverse("admin:loyalty_distribution_change", args=[one.pk]),
            state=one.get_state_display(),
            effect=_effect(one, segment),
            is_visible=_knows(one),
        )
        for one in rows
        if one.segment_id == segment.pk or segment.key in named_segments(one.audience)
    ]


def _naming_thing(thing: str, key: str) -> list[Use]:
    documents = Distribution.objects.annotate(document=Cast("audience", TextField()))
    rows = documents.filter(document__contains=f'"{key}"')
    return [
        Use(
            one.name,
            key=one.key,
            url=reverse("admin:loyalty_distribution_change", args=[one.pk]),
            state=one.get_state_display(),
            is_visible=_knows(one),
        )
        for one in rows.select_related("campaign").prefetch_related("campaign__groups")
        if names_thing(one.audience, thing, key)
    ]


def _effect(distribution: Distribution, segment: Segment) -> object:
    if distribution.segment_id != segment.pk:
        return gettext_lazy("finds nobody in it any more for whom it is")
    if distribution.trigger == Distribution.Trigger.SEGMENT_LEFT:
        return gettext_lazy("nobody gets a card because the segment goes; later nobody leaves it")
    return gettext_lazy("nobody enters any more, so nobody gets a card")


def _used_ids() -> Iterable[int]:
    yield from Distribution.objects.exclude(segment=None).values_list("segment_id", flat=True)
    documents = Distribution.objects.exclude(audience=None).values_list("audience", flat=True)
    keys = {key for document in documents for key in named_segments(document)}
    yield from Segment.objects.filter(key__in=keys).values_list("pk", flat=True)


def _knows(distribution: Distribution) -> Callable[[Actor], bool]:
    may = "loyalty.view_distribution"
    return lambda actor: actor.may(may) and access.is_visible(distribution.campaign, actor)


def _senders(template: Template) -> Iterable[str]:
    return Distribution.objects.filter(template=template).values_list("name", flat=True)


def _tellers(connection: Connection) -> Iterable[str]:
    """Their names; who asks is not said there, so none of a user group."""
    rows = Distribution.objects.filter(connection=connection).exclude(channel=_EMAIL)
    rows = rows.select_related("campaign").prefetch_related("campaign__groups")
    nameless = gettext("a distribution of another group")
    return [nameless if one.campaign.groups.all() else one.name for one in rows]


def register() -> None:
    """Make them known. May be called again."""
    register_use("distribution", gettext_lazy("Distribution"), _uses, find_ids=_used_ids)
    register_thing_use("distribution", gettext_lazy("Distribution"), _naming_thing)
    templates.register_uses("distributions", _senders)
    webhook_uses.register_uses("distributions", _tellers)
    access.register_subject("distribution", distributions.known_distributions)
    moves.register_consumer("distributions", distribution_tasks.follow_moves)
    followed_events.register_follower(distributions.FOLLOWER, distribution_tasks.follow_events)
    tiers.register_consumer("distributions", distribution_tasks.follow_tiers)
    outbox.register_consumer("distributions", distributing.follow_deliveries)
    distribution_messages.register()
    register_eraser("distribution_tasks", forget_tasks)
    register_merger("distribution_tasks", merge_tasks)
    rounds.register_round(
        "distribute",
        distributing.distribute,
        channel=distribution_tasks.CHANNEL,
        every=distributing.EVERY,
        place=60,
    )
