"""The activity that lets contacts enter another journey; in this one they go on."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from journeys import entrances
from journeys.drawing.kinds import NEXT
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Journey, Lane
from workspace import sql
from workspace.exactjson import exact_loads

KIND = "jump"

_CONTEXTS = "SELECT id, context::text FROM journeys_participant WHERE id = ANY(%s::bigint[])"


def jump(cohort: Cohort) -> Acted:
    """Note that each is to enter the other journey, once, as of when he came here.

    What is known of the entry and the cards goes along. What is tried out leads into no journey.
    """
    key, count = cohort.node.config["journey"], len(cohort.ids)
    told: dict[str, Any] = {"journey": key}
    if cohort.version.lane != Lane.LIVE:
        told["left_out"] = _("Tests lead into no other journey.")
        return Acted([NEXT] * count, data=[told] * count)
    target = Journey.objects.filter(key=key).values_list("pk", flat=True).first()
    if target is None:
        told["problem"] = _("There is no journey “%(key)s” any more.") % {"key": key}
        return Acted([NEXT] * count, data=[told] * count)
    contexts = dict(sql.lists(_CONTEXTS, [list(cohort.ids)]))
    entrances.enter_many(
        target,
        lane=Lane.LIVE,
        contact_ids=cohort.contact_ids,
        causes=[cause(participant_id, cohort.node.id) for participant_id in cohort.ids],
        moments=cohort.arrived,
        contexts=[_carried(cohort, pk, exact_loads(contexts.get(pk, "{}"))) for pk in cohort.ids],
    )
    return Acted([NEXT] * count, data=[told] * count)


def cause(participant_id: int, node_id: str) -> str:
    """What brings a participant into the other journey, once."""
    return f"jump:{participant_id}:{node_id}"


def register() -> None:
    """Have the engine do these activities so. May be called again."""
    register_act(KIND, jump)


def _carried(cohort: Cohort, participant_id: int, context: Mapping[str, Any]) -> dict[str, Any]:
    carried = {kind: context[kind] for kind in ("entry", "voucher") if kind in context}
    origin = {"journey": cohort.version.journey.key, "participant": participant_id}
    return {**carried, "jump": origin}
