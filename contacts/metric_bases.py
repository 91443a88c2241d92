"""By what values came about: a digest, and the kinds of events and the windows behind a metric.

Where the digest is the one with which values were computed, they differ from those of another
instant only by what happened to contacts, all of which was marked since, and by the time that went
by. `marked` are the kinds of events that are marked, as `contacts.metric_marks.watched` says.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.conf import settings

from contacts.formula_statements import Scope
from contacts.formulas import Formula, Function, formula_of
from contacts.models import ComputedMetric
from workspace.models import Website

# Another number where statements give other values than before.
_VERSION = 1


def basis_of(computed: ComputedMetric, scope: Scope, marked: Mapping[int, int]) -> str:
    """The digest of a metric; another one as soon as an event it names comes the first time."""
    said = _described(computed, scope, marked)
    return _digest([_VERSION, settings.TIME_ZONE, asdict(scope.of), said])


def basis_of_websites(
    found: Sequence[ComputedMetric],
    websites: Sequence[Website],
    scope: Scope,
    marked: Mapping[int, int],
) -> str:
    """The digest of what all websites have: of all metrics, their names, and who is which."""
    return _digest(
        [
            *(_VERSION, settings.TIME_ZONE, asdict(scope.of), marked.get(scope.of.event_id)),
            [[one.upload_name, one.metric.type, _described(one, scope, marked)] for one in found],
            [[one.pk, one.key, one.domain] for one in websites],
        ]
    )


def measured_formula(computed: ComputedMetric) -> Formula | None:
    """The formula over events behind a metric: of a rank the one it ranks by; None for recipes."""
    return formula_of(computed if computed.ranked is None else computed.ranked.computed)


def kinds_of(formula: Formula, scope: Scope) -> set[int]:
    """The kinds of events that a formula looks at."""
    names = [formula.event_name]
    if formula.function == Function.SHARE and formula.other_event_name:
        names.append(formula.other_event_name)
    return {found for name in names if (found := scope.event_id(name))}


def _described(computed: ComputedMetric, scope: Scope, marked: Mapping[int, int]) -> list[Any]:
    measured = computed if computed.ranked is None else computed.ranked.computed
    formula = formula_of(measured)
    if formula is None:
        return [computed.function, measured.computation]
    kinds = [(kind, marked.get(kind)) for kind in sorted(kinds_of(formula, scope))]
    return [computed.function, asdict(formula), kinds]


def _digest(said: list[Any]) -> str:
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
