"""What criteria may ask about journeys: who is on one, came to its end, reached its goal."""

from django.utils.translation import gettext_lazy, pgettext

from journeys.journeys import readable_journeys
from journeys.models import Journey
from segments.criteria import KeyedFact, register_keyed_fact
from segments.criteria.errors import gettext_noop
from segments.things import ThingKind, register_things

KIND = "journey"


def _fact(name: str, label: str, condition: str, since: str) -> KeyedFact:
    return KeyedFact(
        f"{KIND}.{name}",
        label,
        KIND,
        item_table="journeys_journey",
        table="journeys_contactjourney",
        item_column="journey_id",
        since_column=since,
        condition=condition,
    )


FACTS = (
    _fact("inside", gettext_noop("Journey they are on"), "is_inside", "entered_at"),
    _fact(
        "finished",
        gettext_noop("Journey they went through to the end"),
        "finished_at IS NOT NULL",
        "finished_at",
    ),
    _fact(
        "goal",
        gettext_noop("Journey whose goal they reached"),
        "goal_at IS NOT NULL",
        "goal_at",
    ),
)
_JOURNEYS = ThingKind(
    KIND,
    table="journeys_journey",
    known=readable_journeys,
    every=Journey.objects.all,
    nameless=lambda: pgettext("instead of the name of a journey", "a journey of another group"),
    because=gettext_lazy("because of the journey “%(name)s”"),
    because_nameless=gettext_lazy("because of a journey"),
)


def register() -> None:
    """Make the facts and the journeys known to criteria. May be called again."""
    for fact in FACTS:
        register_keyed_fact(fact)
    register_things(_JOURNEYS)
