"""What the engine registers when the product starts, and the round that keeps it going."""

from datetime import datetime

from journeys.engine import arrivals, conditions, goals, health, tick
from journeys.engine.cohort import register_act
from workspace import checkup, rounds

CHANNEL = "regulars_journeys"


def run(at: datetime) -> bool:
    """Tick what is due; true where there may be more at once. For `workspace.rounds`."""
    return tick.tick_all(as_of=at).has_more


def wake() -> None:
    """Have the next tick begin as soon as the transaction is committed."""
    rounds.wake(CHANNEL)


def register() -> None:
    """Register the activities that decide, what webhooks may hear, the rounds, the checkup."""
    arrivals.register()
    register_act("condition", conditions.decide, holds_contacts=False)
    checkup.register("journeys", health.examine)
    rounds.register_round("journeys", run, channel=CHANNEL, every=tick.EVERY, place=60)
    rounds.register_round(
        "journey goals", goals.ask_all, channel=f"{CHANNEL}_goals", every=goals.EVERY, place=61
    )
