"""The activity that changes contacts: tags, categories, a consent, an attribute.

One statement for each thing that it changes, however many stand there. The database notes who was
touched, so segments follow. A consent is never given over somebody's own word: the rule is that of
the actions of segments (`segments.action_writes`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts import labels, profile_writes
from contacts.consents import unknown_sentence as unknown_consent
from contacts.errors import DefinitionUnknown
from contacts.labels import Kind
from contacts.models import ConsentDefinition
from contacts.values import ValueRefused
from journeys.drawing.kinds import NEXT
from journeys.engine.cohort import Acted, Cohort, register_act
from segments import action_writes

KIND = "update"
SOURCE = "journey"
_LABELS: tuple[Kind, ...] = ("tag", "category")


def update_contacts(cohort: Cohort) -> Acted:
    """Change all of them; what became of the consent of each is told where it was left alone.

    Where what is to be changed is defined no more, or does not take the value any more, nobody can
    go on: people look at it.
    """
    count = len(cohort.ids)
    try:
        kept = _change(cohort.node.config, cohort, cohort.at)
    except (DefinitionUnknown, ValueRefused) as error:
        return Acted([NEXT] * count, failed=dict.fromkeys(range(count), str(error)))
    data = [{"consent": kept[pk]} if pk in kept else None for pk in cohort.contact_ids]
    return Acted([NEXT] * count, data=data)


def register() -> None:
    """Have the engine do these activities so. May be called again."""
    register_act(KIND, update_contacts)


@transaction.atomic
def _change(config: Mapping[str, Any], cohort: Cohort, at: datetime) -> Mapping[int, str]:
    """Do all that the activity says, or nothing; whose consent stays as it is, and why."""
    ids = cohort.contact_ids
    for kind in _LABELS:
        if key := config.get(f"add_{kind}"):
            labels.add(kind, key, ids, at=at)
        if key := config.get(f"remove_{kind}"):
            labels.remove(kind, key, ids)
    if attribute := config.get("attribute"):
        profile_writes.write_attribute(ids, attribute["key"], attribute.get("value"), at=at)
    consent = config.get("consent")
    if not consent:
        return {}
    return action_writes.say_consent(
        ids,
        definition=_consent_id(consent["key"]),
        state=consent["state"],
        at=at,
        source=SOURCE,
        reason=_("Journey “%(name)s”") % {"name": cohort.version.journey.name},
        actor_name="",
    )


def _consent_id(key: str) -> int:
    found = ConsentDefinition.objects.filter(key=key).values_list("pk", flat=True).first()
    if found is None:
        raise DefinitionUnknown(unknown_consent(key))
    return found
