"""Points on the timeline of a contact: each line of their ledger, with why."""

from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.timeline import Ask, Item, TimelineSource, register_source
from contacts.timeline.items import named, number_key
from loyalty.models import PointsPosting
from workspace import sql
from workspace.admin.pictures import number

KIND = "points"
_KEY = number_key("p.id")
_LINES = f"""
SELECT {_KEY} AS key, p.at, p.debit, p.credit, p.points, p.cause, p.reason, p.reverses_id,
  p.actor_label, p.expires_at, r.name AS rule
FROM loyalty_pointsposting p LEFT JOIN loyalty_earnrule r ON r.id = p.rule_id
WHERE p.contact_id = %s {{conditions}} {{order}}
"""  # noqa: S608  made of our own words only
Account = PointsPosting.Account


def load(ask: Ask) -> list[Item]:
    """Lines of the ledger."""
    conditions, params = ask.where("p.at", _KEY)
    statement = _LINES.format(conditions=conditions, order=ask.order("p.at", _KEY))
    return [_item(row) for row in sql.rows(statement, [ask.contact_id, *params])]


def register() -> None:
    """Show them on every timeline. May be called again."""
    register_source(
        TimelineSource(
            KIND,
            gettext_lazy("Points"),
            "add_circle",
            load,
            permission="loyalty.view_pointsposting",
            place=31,
        )
    )


def _item(row: dict[str, Any]) -> Item:
    is_gain = row["credit"] == Account.MEMBER
    step = row["points"] if is_gain else -row["points"]
    title, tone = _said(row)
    expires = ""
    if row["expires_at"] is not None:
        expires = date_format(localtime(row["expires_at"]), "DATE_FORMAT")
    return Item(
        kind=KIND,
        key=row["key"],
        at=row["at"],
        title=title % {"points": number(row["points"])},
        text=row["reason"] or row["rule"] or "",
        icon="add_circle" if is_gain else "do_not_disturb_on",
        tone=tone,
        actor=row["actor_label"],
        details=named(
            (_("Rule"), row["rule"] or ""),
            (_("Reason"), row["reason"]),
            (_("Expires"), expires),
            (_("Cause"), row["cause"]),
        ),
        data={
            "points": step,
            "debit": row["debit"],
            "credit": row["credit"],
            "cause": row["cause"],
            "reverses": row["reverses_id"],
        },
    )


def _said(row: dict[str, Any]) -> tuple[str, str]:
    is_gain = row["credit"] == Account.MEMBER
    if row["reverses_id"] is not None:
        if is_gain:
            return _("Got %(points)s points back"), "neutral"
        return _("%(points)s points were taken back"), "warning"
    account = row["debit"] if is_gain else row["credit"]
    if account == Account.ADJUSTED:
        if is_gain:
            return _("Was given %(points)s points"), "good"
        return _("%(points)s points were taken"), "warning"
    return {
        Account.ISSUED: (_("Earned %(points)s points"), "good"),
        Account.SPENT: (_("Spent %(points)s points"), "info"),
        Account.EXPIRED: (_("%(points)s points expired"), "warning"),
    }[Account(account)]
