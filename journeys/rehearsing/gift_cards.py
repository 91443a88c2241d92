"""Gift cards in a rehearsal: who would get one, and who none because none is left.

The codes of a campaign are those that it has today. Nothing of the campaign is touched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from journeys.drawing.kinds import ERROR, NEXT
from journeys.drawing.syntax import Drawing, Node
from journeys.engine.cohort import Acted, Cohort
from journeys.models import JourneyVersion
from loyalty.gift_cards import codes, publishing
from loyalty.gift_cards.campaign_settings import CODES_LIMIT
from loyalty.models import Campaign
from workspace import sql

# How many codes are left, by campaign, is kept with the version: nothing else goes with it.
SETTING = "rehearsal_codes"
# A campaign that makes its codes anew and has room for so many never runs dry.
_ENOUGH = 1_000_000
NONE_LEFT, CLOSED = "none_left", "closed"
PROBLEMS = {
    NONE_LEFT: _("no code was left"),
    publishing.JOINED_ALREADY: _("had one already"),
    publishing.HELD_OUT: _("set aside by the campaign"),
    CLOSED: _("the campaign gives none now"),
    "campaign_unknown": _("there is no such campaign"),
}

_GIVEN = """
SELECT coalesce(sum(count), 0)::bigint FROM journeys_passage
WHERE version_id = %s AND node = ANY(%s::text[]) AND outcome = 'next'
"""
# Each is looked up by its number: by a real card from before, or one of this rehearsal.
_JOINED = """
SELECT asked.id FROM unnest(%s::bigint[], %s::timestamptz[]) AS asked (id, at)
WHERE EXISTS (
    SELECT FROM loyalty_publication p
    WHERE p.contact_id = asked.id AND p.campaign_id + 0 = %s AND p.state || '' = 'success'
      AND p.at < asked.at)
  OR EXISTS (
    SELECT FROM journeys_participant p JOIN journeys_transition t ON t.participant_id = p.id
    WHERE p.contact_id = asked.id AND t.node = ANY(%s::text[]) AND t.outcome = 'next')
"""
_FAILED = """
SELECT t.node, t.data ->> 'problem' AS problem, count(*) AS count
FROM journeys_participant p JOIN journeys_transition t ON t.participant_id = p.id
WHERE p.version_id = %s AND t.node = ANY(%s::text[]) AND t.outcome = 'error'
GROUP BY 1, 2 ORDER BY 1, 2
"""


def codes_left(drawing: Drawing, *, at: datetime) -> dict[str, dict[str, Any]]:
    """What the campaigns of a drawing have to give: {key: {"left": how many, "is_closed": …}}.

    None is left aside for a campaign that never runs dry. Two queries for each campaign.
    """
    keys = {node.config["campaign"] for node in _activities(drawing)}
    found = {}
    for campaign in Campaign.objects.filter(key__in=keys):
        room = codes.room_left(campaign) if campaign.refill and not campaign.is_static else 0
        left = None if room > _ENOUGH else codes.pool_count(campaign, CODES_LIMIT) + room
        is_closed = bool(publishing.why_closed(campaign, at))
        found[campaign.key] = {"left": left, "is_closed": is_closed}
    return found


def give_none(cohort: Cohort) -> Acted:
    """Let those go on who would get a card, and by "error" those who would not, with the reason."""
    key = cohort.node.config["campaign"]
    stock = cohort.version.settings.get(SETTING, {}).get(key)
    campaign = Campaign.objects.filter(key=key).first()
    if campaign is None or stock is None:
        return _answer(cohort, dict.fromkeys(cohort.contact_ids, "campaign_unknown"))
    if stock["is_closed"]:
        return _answer(cohort, dict.fromkeys(cohort.contact_ids, CLOSED))
    problems = {
        contact_id: publishing.HELD_OUT
        for contact_id in cohort.contact_ids
        if campaign.holdout_percent and publishing.is_set_aside(campaign, contact_id)
    }
    nodes = [node.id for node in _activities(cohort.plan.drawing) if node.config["campaign"] == key]
    if campaign.join_once:
        asked = [list(cohort.contact_ids), list(cohort.arrived), campaign.pk, nodes]
        joined = sql.lists(_JOINED, asked)
        problems |= dict.fromkeys((row[0] for row in joined), publishing.JOINED_ALREADY)
    if stock["left"] is not None:
        given = int(sql.one(_GIVEN, [cohort.version.pk, nodes]))
        wanting = [one for one in cohort.contact_ids if one not in problems]
        without = wanting[max(0, stock["left"] - given) :]
        problems |= dict.fromkeys(without, NONE_LEFT)
    return _answer(cohort, problems)


def describe_cards(
    version: JourneyVersion, drawing: Drawing, passed: Mapping[str, Mapping[str, int]], share: float
) -> dict[str, Any]:
    """How many cards each activity and each campaign would give, what they are worth, who fails.

    `passed` is who went which way, by activity, already of all contacts; failures are scaled by
    `share`, of which a sample was rehearsed. Money is in minor units, by currency.
    """
    activities = _activities(drawing)
    wanted = {node.config["campaign"] for node in activities}
    campaigns = {one.key: one for one in Campaign.objects.filter(key__in=wanted)}
    failed: dict[str, dict[str, int]] = defaultdict(dict)
    for row in sql.rows(_FAILED, [version.pk, [node.id for node in activities]]):
        count = row["count"] if share >= 1 else round(row["count"] / share)
        failed[row["node"]][row["problem"] or "unknown"] = count
    rows: list[dict[str, Any]] = []
    totals: dict[str, dict[str, Any]] = {}
    cost: dict[str, int] = defaultdict(int)
    stocks = version.settings.get(SETTING, {})
    for node in activities:
        campaign = campaigns.get(node.config["campaign"])
        if campaign is None:
            continue
        count = passed[node.id].get(NEXT, 0)
        amount = count * campaign.amount_minor
        money = {"currency": campaign.currency, "amount_minor": amount}
        given = {"campaign": campaign.key, "count": count, **money}
        rows.append({"node": node.id, **given, "failed": failed[node.id]})
        cost[campaign.currency] += amount
        total = totals.setdefault(
            campaign.key,
            {
                **given,
                "count": 0,
                "amount_minor": 0,
                "left": stocks.get(campaign.key, {}).get("had"),
                "failed": {},
            },
        )
        total["count"] += count
        total["amount_minor"] += amount
        for problem, number in failed[node.id].items():
            total["failed"][problem] = total["failed"].get(problem, 0) + number
    return {"nodes": rows, "campaigns": list(totals.values()), "cost": dict(cost)}


def scaled(stocks: Mapping[str, Mapping[str, Any]], share: float) -> dict[str, dict[str, Any]]:
    """The stocks for a sample of so large a share: as scarce as for all; `had` is what there is."""
    return {
        key: {
            **stock,
            "had": stock["left"],
            "left": None if stock["left"] is None else round(stock["left"] * share),
        }
        for key, stock in stocks.items()
    }


def _activities(drawing: Drawing) -> Sequence[Node]:
    return [node for node in drawing.nodes if node.kind == "voucher"]


def _answer(cohort: Cohort, problems: Mapping[int, str]) -> Acted:
    return Acted(
        [ERROR if one in problems else NEXT for one in cohort.contact_ids],
        data=[
            {"problem": problems[one]} if one in problems else None for one in cohort.contact_ids
        ],
    )
