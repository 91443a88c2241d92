"""What a drawing may name: what there is in the workspace, as far as its author may know of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from journeys.drawing.faults import Problem

CheckCriteria = Callable[[Any, str], Sequence[Problem]]
CheckDocument = Callable[[Any], Sequence[Problem]]


def _nothing_wrong(_document: Any, _place: str = "") -> Sequence[Problem]:
    return ()


def _any_zone(_name: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Known:
    """Keys of things, with what matters of each.

    `segments` and `campaigns` give their states ("active"), `sizes` the members of segments,
    `attributes` their types, `connections` whether a webhook is enabled, `vendors` whether an
    account is, `journeys` their states, and `jumps` where the running ones jump to. The functions
    give the faults of criteria (the second argument tells which place they stand at:
    "start:config.where"), of conditions on one event and of texts in Liquid; `is_zone` whether
    there is a time zone of that name.
    """

    segments: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    email_templates: Collection[str] = frozenset()
    push_templates: Collection[str] = frozenset()
    campaigns: Mapping[str, str] = field(default_factory=dict)
    journeys: Mapping[str, str] = field(default_factory=dict)
    jumps: Mapping[str, Collection[str]] = field(default_factory=dict)
    events: Collection[str] = frozenset()
    connections: Mapping[int, bool] = field(default_factory=dict)
    vendors: Mapping[int, bool] = field(default_factory=dict)
    consents: Collection[str] = frozenset()
    tags: Collection[str] = frozenset()
    categories: Collection[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    check_criteria: CheckCriteria = _nothing_wrong
    check_where: CheckDocument = _nothing_wrong
    check_liquid: CheckDocument = _nothing_wrong
    check_attribute: CheckCriteria = _nothing_wrong
    is_zone: Callable[[str], bool] = _any_zone
