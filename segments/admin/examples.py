"""Criteria to begin with."""

from typing import Any

from django.utils.translation import gettext as _


def starters() -> list[dict[str, Any]]:
    """Documents that a new segment may start from: (title, criteria), the empty one first."""
    return [
        {"title": _("Everyone"), "criteria": {"combinator": "and", "rules": []}},
        {
            "title": _("Bought in the last 90 days"),
            "criteria": _all(
                {
                    "field": "event.purchase",
                    "measure": {"function": "count"},
                    "operator": ">=",
                    "value": 1,
                    "where": _all(
                        {"field": "occurred_at", "operator": "inLast", "value": _days(90)}
                    ),
                }
            ),
        },
        {
            "title": _("Bought once, and not for half a year"),
            "criteria": _all(
                {"field": "event.purchase", "operator": "=", "value": 1},
                {
                    "field": "event.purchase",
                    "measure": {"function": "last"},
                    "operator": "notInLast",
                    "value": _days(180),
                },
            ),
        },
        {
            "title": _("Birthday in the next 7 days"),
            "criteria": _all(
                {
                    "field": "contact.birth_date",
                    "operator": "anniversaryInNext",
                    "value": _days(7),
                }
            ),
        },
        {
            "title": _("Lead score over 20, or from Warszawa"),
            "criteria": {
                "combinator": "or",
                "rules": [
                    {"field": "contact.lead_score", "operator": ">", "value": 20},
                    {"field": "contact.city", "operator": "=", "value": "Warszawa"},
                ],
            },
        },
        {
            "title": _("New in the last 30 days"),
            "criteria": _all(
                {"field": "contact.created_at", "operator": "inLast", "value": _days(30)}
            ),
        },
    ]


def _all(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"combinator": "and", "rules": list(rules)}


def _days(amount: int) -> dict[str, Any]:
    return {"amount": amount, "unit": "day"}
