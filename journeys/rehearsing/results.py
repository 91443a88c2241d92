"""What a rehearsal found: who stands where, what would be sent, what it costs, who gets more."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from journeys.drawing.durations import length_of
from journeys.drawing.forms import CAP, form_of
from journeys.drawing.plan import Plan
from journeys.engine.terms import Terms
from journeys.messages.caps import cap_of
from journeys.models import JourneyVersion
from journeys.rehearsing import stand_ins
from journeys.rehearsing.gift_cards import describe_cards
from workspace import sql

# Of those who would have got more than the cap: whoever wants all of them asks for a shorter time.
PEOPLE_LISTED = 1_000

_PASSAGES = """
SELECT node, outcome, to_place, sum(count)::bigint AS count FROM journeys_passage
WHERE version_id = %s GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_STANDING = """
SELECT place, state, count(*) AS count FROM journeys_participant
WHERE version_id = %s AND state <> 'done' GROUP BY 1, 2
"""
_ENDED = """
SELECT CASE state WHEN 'failed' THEN 'failed' ELSE outcome END AS outcome, count(*) AS count,
  count(*) FILTER (WHERE goal_at IS NOT NULL) AS goals
FROM journeys_participant WHERE version_id = %s AND finished_at IS NOT NULL GROUP BY 1 ORDER BY 1
"""
_PEOPLE = """
SELECT count(DISTINCT contact_id) AS contacts, count(*) FILTER (WHERE goal_at IS NOT NULL) AS goals
FROM journeys_participant WHERE version_id = %s
"""
_MESSAGES = """
SELECT node, channel, reason, count(*) AS count FROM journeys_message WHERE version_id = %s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_BY_DAY = """
SELECT (due_at AT TIME ZONE %s)::date AS day, channel, count(*) AS count FROM journeys_message
WHERE version_id = %s AND state = 'planned' GROUP BY 1, 2 ORDER BY 1, 2
"""
# The most that each would get within any time of that length, over one channel.
_MOST = """
SELECT contact_id, max(within) AS most FROM (
  SELECT contact_id, count(*) OVER (
    PARTITION BY contact_id, channel ORDER BY due_at
    RANGE BETWEEN %s::interval PRECEDING AND CURRENT ROW) AS within
  FROM journeys_message
  WHERE version_id = %s AND (state = 'planned' OR reason = 'cap')) m
GROUP BY 1
"""
# Those whom the cap kept from a message: this draft's messages were too many, or others' before.
_OVER = f"""
SELECT contact_id, count(*) FILTER (WHERE state = 'planned') AS messages,
  count(*) FILTER (WHERE reason = 'cap') AS left_out, count(*) OVER () AS count
FROM journeys_message WHERE version_id = %s
GROUP BY 1 HAVING count(*) FILTER (WHERE reason = 'cap') > 0
ORDER BY 3 DESC, 1 LIMIT {PEOPLE_LISTED}
"""  # noqa: S608  made of our own words only
_AT_MOST = f"SELECT coalesce(max(most), 0) FROM ({_MOST}) m"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Told:
    """A rehearsal that is over, before its tables are gone.

    `share` of `candidate_count` contacts were rehearsed.
    """

    version: JourneyVersion
    plan: Plan
    since: datetime
    until: datetime
    share: float
    candidate_count: int
    step_count: int
    notes: tuple[str, ...]

    def scaled(self, count: int) -> int:
        """How many it would have been with all of them."""
        return count if self.share >= 1 else round(count / self.share)


def describe(told: Told) -> dict[str, Any]:
    """All of it, as JSON: numbers are scaled to all contacts where a sample was rehearsed."""
    version_id = told.version.pk
    people = sql.rows(_PEOPLE, [version_id])[0]
    nodes, edges, entered, refused = _passages(told)
    return {
        "since": told.since.isoformat(),
        "until": told.until.isoformat(),
        "share": round(told.share, 6),
        "candidates": told.candidate_count,
        "steps": told.step_count,
        "contacts": told.scaled(people["contacts"]),
        "entered": entered,
        "refused": refused,
        "goals": told.scaled(people["goals"]),
        "ended": {
            row["outcome"]: told.scaled(row["count"]) for row in sql.rows(_ENDED, [version_id])
        },
        "inside": sum(node["waiting"] for node in nodes["places"]),
        "nodes": nodes["nodes"],
        "edges": edges,
        "messages": _messages(told),
        "gift_cards": describe_cards(
            told.version,
            told.plan.drawing,
            {node_id: counts["passed"] for node_id, counts in nodes["nodes"].items()},
            told.share,
        ),
        "cap": _cap(told),
        "notes": [*told.notes, *_notes(told)],
    }


def _passages(told: Told) -> tuple[dict[str, Any], list[dict[str, Any]], int, dict[str, int]]:
    """By activity who stands there and who passed, by edge how many went that way."""
    plan, version_id = told.plan, told.version.pk
    nodes: dict[str, dict[str, Any]] = {
        node.id: {"waiting": 0, "failed": 0, "passed": {}} for node in plan.drawing.nodes
    }
    edges: list[dict[str, Any]] = []
    entered, refused = 0, dict[str, int]()
    for row in sql.rows(_PASSAGES, [version_id]):
        count = told.scaled(row["count"])
        if not row["node"] and row["outcome"] == "entered":
            entered += count
            node_id, outcome = plan.drawing.entry.id, "next"
        elif row["outcome"].startswith("refused:"):
            refused[row["outcome"].partition(":")[2]] = count
            continue
        else:
            node_id, outcome = row["node"], row["outcome"]
        if node_id not in nodes:
            continue
        passed = nodes[node_id]["passed"]
        passed[outcome] = passed.get(outcome, 0) + count
        place = row["to_place"]
        to = list(plan.places[place].ids) if 0 <= place < len(plan.places) else []
        edges.append({"from": node_id, "outcome": outcome, "to": to, "count": count})
    places = []
    for row in sql.rows(_STANDING, [version_id]):
        count = told.scaled(row["count"])
        is_failed = row["state"] == "failed"
        places.append({"waiting": 0 if is_failed else count})
        for node in plan.places[row["place"]].ids:
            nodes[node]["failed" if is_failed else "waiting"] += count
    return {"nodes": nodes, "places": places}, edges, entered, refused


def _messages(told: Told) -> dict[str, Any]:
    """How many by channel, by activity and by day, and how many were left out and why."""
    totals: dict[str, int] = defaultdict(int)
    left_out: dict[str, int] = defaultdict(int)
    nodes: dict[str, dict[str, int]] = {}
    for row in sql.rows(_MESSAGES, [told.version.pk]):
        count = told.scaled(row["count"])
        if row["reason"]:
            left_out[row["reason"]] += count
        else:
            totals[row["channel"]] += count
            by_channel = nodes.setdefault(row["node"], {})
            by_channel[row["channel"]] = by_channel.get(row["channel"], 0) + count
    days: dict[str, dict[str, int]] = {}
    zone = _zone(told)
    for row in sql.rows(_BY_DAY, [zone, told.version.pk]):
        days.setdefault(row["day"].isoformat(), {})[row["channel"]] = told.scaled(row["count"])
    return {
        "total": sum(totals.values()),
        "channels": dict(totals),
        "left_out": dict(left_out),
        "nodes": nodes,
        "days": [{"day": day, **channels} for day, channels in sorted(days.items())],
    }


def _cap(told: Told) -> dict[str, Any]:
    """Whom the cap kept from a message; and the most that one wants in its time, else in a week."""
    cap = cap_of(told.version.settings)
    within = cap.within if cap else length_of({"amount": 1, "unit": "week"})
    most = int(sql.one(_AT_MOST, [within, told.version.pk]))
    rows = sql.rows(_OVER, [told.version.pk]) if cap else []
    return {
        "messages": cap.messages if cap else None,
        "within_seconds": int(within.total_seconds()),
        "is_of_workspace": cap is not None and not told.version.settings.get("caps"),
        "most": most,
        "over": told.scaled(rows[0]["count"]) if rows else 0,
        "people": [
            {name: row[name] for name in ("contact_id", "messages", "left_out")} for row in rows
        ],
    }


def _zone(told: Told) -> str:
    return Terms.read(told.version.settings).zone.key


def _has_caps(plan: Plan) -> bool:
    conditions = (node for node in plan.drawing.nodes if node.kind == "condition")
    return any(form_of(path) == CAP for node in conditions for path in node.config["paths"])


def _notes(told: Told) -> list[str]:
    """What a reader has to know of how it was done."""
    kinds = {node.kind for node in told.plan.drawing.nodes}
    notes = [_("Attributes, consents and addresses are those of today; events are those of then.")]
    if told.share < 1:
        message = _("%(share).1f %% of the contacts were rehearsed, and the numbers scaled.")
        notes.append(message % {"share": told.share * 100})
        if _has_caps(told.plan):
            notes.append(_("Of the caps of conditions the same share was let through."))
    if "reaction" in kinds:
        assumed = told.version.settings.get(stand_ins.SETTING) or {}
        shares = ", ".join(f"{name} {share} %" for name, share in sorted(assumed.items()) if share)
        notes.append(
            _("Reactions are assumed: %(shares)s.") % {"shares": shares}
            if shares
            else _("Nobody reacts to messages: say how many of a hundred do, if you know it.")
        )
    if "update" in kinds:
        notes.append(_("What the draft changes of contacts was not changed, and no rule saw it."))
    if "jump" in kinds:
        notes.append(_("Other journeys were not entered."))
    if kinds & {"webhook", "update_vendor"}:
        notes.append(_("Nobody was called: every webhook is taken to have worked."))
    if "voucher" in kinds:
        notes.append(
            _("Codes of campaigns are those of today; their validation rules were not asked.")
        )
    if "message" in kinds and cap_of(told.version.settings) is not None:
        notes.append(
            _(
                "For the cap, what other journeys really sent in these days counts, too; what this"
                " journey sent does not: the draft would have been in its place."
            )
        )
    return notes
