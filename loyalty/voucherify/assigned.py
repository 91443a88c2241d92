"""Which rules hold for campaigns and vouchers, as the clients know assignments."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from integrations.voucherify.answers import instant
from loyalty.models import RuleAssignment

if TYPE_CHECKING:
    from django.db.models import QuerySet

_PREFIXES = {"campaign": "camp", "voucher": "v", "distribution": "dist"}


def describe_assignment(row: RuleAssignment) -> dict[str, Any]:
    """That a rule holds for something."""
    kind, number = next(
        (kind, getattr(row, f"{kind}_id"))
        for kind in _PREFIXES
        if getattr(row, f"{kind}_id") is not None
    )
    return {
        "id": f"asgm_{row.pk}",
        "rule_id": f"val_{row.rule_id}",
        "related_object_id": f"{_PREFIXES[kind]}_{number}",
        "related_object_type": kind,
        "created_at": instant(row.created_at),
        "updated_at": None,
        "object": "validation_rules_assignment",
        "validation_status": "VALID",
        "validation_omitted_rules": [],
    }


def assignments_of(rows: "QuerySet[RuleAssignment]", by: str) -> dict[int, list[dict[str, Any]]]:
    """Assignments by the id of what they are of (`by` is "campaign_id"); one query."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows.order_by("pk"):
        found.setdefault(getattr(row, by), []).append(describe_assignment(row))
    return found


def assignments_list(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The list as it stands within another object."""
    return {"object": "list", "data_ref": "data", "data": list(rows), "total": len(rows)}
