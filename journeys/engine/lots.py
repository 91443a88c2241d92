"""Lots: by which path of a split a contact goes."""

from collections.abc import Sequence
from decimal import Decimal

from journeys.drawing.syntax import Node

HOLDOUT = "holdout"
# Of so many lots; a hundredth of a percent is one.
LOTS = 10_000
# The same for a contact whatever the version: who was in the control group stays there.
_LOT = "('x' || left(md5(%({lottery})s || p.contact_id), 8))::bit(32)::bigint %% {lots}"


def lottery_of(journey_id: int, node_id: str) -> str:
    """What the lot of a contact is drawn from, before its number."""
    return f"{journey_id}:{node_id}:"


def drawn(node: Node, numbers: Sequence[int], *, lottery: str) -> str:
    """In SQL over the participant `p`, the one of `numbers` that its lot says: one for each path.

    `lottery` names the parameter that holds what is drawn from.
    """
    lot, cases, upto = _LOT.format(lottery=lottery, lots=LOTS), list[str](), Decimal(0)
    for number, path in zip(numbers, node.config["paths"], strict=True):
        upto += Decimal(str(path["percent"])) * LOTS / 100
        cases.append(f"WHEN {lot} < {int(upto)} THEN {number}")
    return f"CASE {' '.join(cases)} ELSE {numbers[-1]} END"
