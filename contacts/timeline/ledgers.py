"""The ledgers on the timeline: consents and the lead score, line by line, with who and why."""

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from contacts.models import ConsentEntry
from contacts.timeline.actors import ACTOR
from contacts.timeline.items import Ask, Item, named, number_key
from contacts.values import plain
from workspace import sql
from workspace.admin.pictures import number

CONSENT, SCORE = "consent", "score"
_KEY = number_key("id")
_CONSENTS = f"""
SELECT l.key, l.at, l.state, l.source, l.reason, d.key AS consent, d.label, {ACTOR}
FROM (
  SELECT {_KEY} AS key, at, state, source, reason, definition_id, actor
  FROM contacts_consententry WHERE contact_id = %s {{conditions}} {{order}}) l
JOIN contacts_consentdefinition d ON d.id = l.definition_id
{{outer}}
"""  # noqa: S608
# What the score was before is that of the line before in the ledger, not on the page.
_SCORES = f"""
SELECT l.key, l.at, l.score, l.reason, l.earlier, {ACTOR}
FROM (
  SELECT key, at, score, reason, actor, earlier FROM (
    SELECT {_KEY} AS key, at, score, reason, actor, lag(score) OVER (ORDER BY at, id) AS earlier
    FROM contacts_leadscorechange WHERE contact_id = %s) every
  WHERE true {{conditions}} {{order}}) l
{{outer}}
"""  # noqa: S608


def load_consents(ask: Ask) -> list[Item]:
    """Lines of the ledger of consents."""
    return [_consent(row) for row in _lines(_CONSENTS, ask, _KEY)]


def load_scores(ask: Ask) -> list[Item]:
    """Changes of the lead score."""
    return [_score(row) for row in _lines(_SCORES, ask, "key")]


def _lines(statement: str, ask: Ask, key: str) -> list[dict[str, Any]]:
    conditions, params = ask.where("at", key)
    text = statement.format(
        conditions=conditions, order=ask.order("at", key), outer=ask.order("l.at", "l.key")
    )
    return sql.rows(text, [ask.contact_id, *params])


def _consent(row: dict[str, Any]) -> Item:
    is_granted = row["state"] == ConsentEntry.State.GRANTED
    words = {"consent": row["label"]}
    title = _("Granted “%(consent)s”") if is_granted else _("Withdrew “%(consent)s”")
    return Item(
        kind=CONSENT,
        key=row["key"],
        at=row["at"],
        title=title % words,
        text=row["reason"],
        icon="check_circle" if is_granted else "block",
        tone="good" if is_granted else "bad",
        actor=row["actor"],
        details=named((_("Source"), row["source"]), (_("Reason"), row["reason"])),
        data={
            "consent": row["consent"],
            "state": row["state"],
            "source": row["source"],
            "reason": row["reason"],
        },
    )


def _score(row: dict[str, Any]) -> Item:
    score, earlier = plain(row["score"]), plain(row["earlier"] or Decimal(0))
    is_first = row["earlier"] is None
    is_more = score >= earlier
    return Item(
        kind=SCORE,
        key=row["key"],
        at=row["at"],
        title=_("Lead score %(score)s") % {"score": number(score)},
        text=row["reason"],
        icon="trending_up" if is_more else "trending_down",
        tone="good" if is_more else "warning",
        actor=row["actor"],
        details=named(
            (_("Before"), "" if is_first else number(earlier)),
            (_("Reason"), row["reason"]),
        ),
        data={"score": str(score), "before": None if is_first else str(earlier)},
    )
