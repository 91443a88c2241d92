"""Dealing with all held events of one problem: at once where they are few, else by a worker."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import ngettext

from integrations import held, held_problems
from integrations.held_problems import HeldProblem
from workspace import jobs
from workspace.access import Actor, require
from workspace.jobs import Work
from workspace.models import Job

REPLAY, DISMISS = "replay", "dismiss"
DEAL_JOB = "integrations.deal_with_held"
# So many are dealt with while a person waits; each step of a worker is as large.
STEP = 300


@dataclass(frozen=True, slots=True)
class Dealt:
    """How many events wait no more, and how many still do because they still cannot be used."""

    resolved: int = 0
    still_held: int = 0


def deal_with(
    problem: HeldProblem, verb: str, *, actor: Actor, at: datetime, work: Work | None = None
) -> Dealt:
    """Replay or dismiss all events that wait with a problem, the oldest first, step by step.

    Each step is a transaction of its own: what was done stays done when a later one fails.
    Raises NotAllowed.
    """
    resolved = still_held = after = 0
    while ids := held_problems.oldest_held_ids(problem, limit=STEP, after=after):
        if verb == DISMISS:
            resolved += held.dismiss(ids, actor=actor, at=at)
        else:
            replayed = held.replay(ids, actor=actor, at=at)
            resolved += sum(one.is_resolved for one in replayed)
            still_held += len(ids) - sum(one.is_resolved for one in replayed)
        after = ids[-1]
        if work is not None:
            work.advance(resolved + still_held, problem.event_count)
    return Dealt(resolved, still_held)


def request_dealing(problem: HeldProblem, verb: str, *, actor: Actor) -> Job:
    """Have a worker deal with all events that wait with a problem. Raises NotAllowed."""
    require(actor, held.PERMISSION)
    titles = {
        REPLAY: ngettext(
            "Replay %(n)d held event", "Replay %(n)d held events", problem.event_count
        ),
        DISMISS: ngettext(
            "Dismiss %(n)d held event", "Dismiss %(n)d held events", problem.event_count
        ),
    }
    return jobs.start(
        DEAL_JOB,
        title=titles[verb] % {"n": problem.event_count},
        actor=actor,
        arguments={"problem": problem.key, "verb": verb},
    )


def deal_as_requested(work: Work, *, at: datetime) -> dict[str, Any]:
    """What a worker does; a second run deals with what the first one left."""
    problem = held_problems.problem_named(work.arguments["problem"])
    if problem is None:
        return asdict(Dealt())
    verb = work.arguments["verb"]
    return asdict(deal_with(problem, verb, actor=work.actor, at=at, work=work))
