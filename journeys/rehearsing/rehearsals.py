"""Rehearsals as people ask for them: long work, whose result is kept with the journey."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from journeys.checking import require_sound
from journeys.drawing.kinds import REACTIONS
from journeys.errors import JourneyInvalid, RehearsalRunning, RehearsalUnknown
from journeys.journeys import hold
from journeys.models import Journey, Rehearsal
from journeys.rehearsing.run import rehearse
from workspace import audit, jobs
from workspace.access import Actor
from workspace.errors import Problem
from workspace.jobs import Work
from workspace.models import Job

PERMISSION = "journeys.test_journey"
JOB = "journeys.rehearse"
DAYS_USUAL, DAYS_MOST = 30, 92
# Older ones say little of the draft of today.
KEPT = 10


@transaction.atomic
def request_rehearsal(
    journey: Journey,
    *,
    actor: Actor,
    at: datetime,
    days: int = DAYS_USUAL,
    reactions: Mapping[str, Any] | None = None,
) -> Rehearsal:
    """Have the draft rehearsed on the last `days`; a worker does it.

    `reactions` says how many of a hundred react to a message, by reaction. Raises JourneyInvalid,
    DrawingInvalid with every fault that stands against it, and RehearsalRunning.
    """
    journey = hold(journey, actor=actor, permission=PERMISSION)
    problems = list(_problems(days, reactions or {}))
    if problems:
        raise JourneyInvalid(problems[0].message, problems=problems)
    require_sound(journey, actor=actor, at=at)
    subject = f"journey:{journey.pk}"
    if jobs.unfinished(subject, JOB) is not None:
        message = _("“%(name)s” is being rehearsed already: wait for it, or cancel it.")
        raise RehearsalRunning(message % {"name": journey.name})
    found = Rehearsal.objects.create(
        journey=journey,
        draft_number=journey.draft_number,
        drawing=journey.drawing,
        settings=journey.settings,
        days=days,
        reactions={name: int(share) for name, share in (reactions or {}).items() if share},
        started_by=actor.label[:200],
        created_at=at,
    )
    found.job = jobs.start(
        JOB,
        title=_("Rehearse “%(name)s”") % {"name": journey.name},
        actor=actor,
        arguments={"rehearsal": found.pk},
        subject=subject,
    )
    found.save(update_fields=["job"])
    _forget_old(journey)
    changes = {"days": [None, days]}
    audit.record(actor=actor, action="journey.rehearsed", subject=journey, changes=changes, at=at)
    return found


def rehearsals_of(journey: Journey) -> "QuerySet[Rehearsal]":
    """Those of a journey, the newest first."""
    return Rehearsal.objects.filter(journey=journey).select_related("job")


def find_rehearsal(journey: Journey, rehearsal_id: int) -> Rehearsal:
    """The one of this number. Raises RehearsalUnknown."""
    found = rehearsals_of(journey).filter(pk=rehearsal_id).first()
    if found is None:
        message = _("There is no rehearsal %(id)d of “%(name)s”.")
        raise RehearsalUnknown(message % {"id": rehearsal_id, "name": journey.name})
    return found


@jobs.handler(JOB)
def do_rehearsal(work: Work) -> Mapping[str, Any]:
    """The work itself. Again, it does it anew: nothing of a rehearsal stays but its result."""
    rows = Rehearsal.objects.select_related("journey")
    rehearsal = rows.filter(pk=work.arguments["rehearsal"]).first()
    if rehearsal is None:
        raise RehearsalUnknown(_("The journey is not there any more."))
    journey = rehearsal.journey
    # The draft as it is now; it may have changed since somebody asked.
    require_sound(journey, actor=work.actor, at=timezone.now())
    result = rehearse(
        journey,
        until=rehearsal.created_at,
        days=rehearsal.days,
        reactions=rehearsal.reactions,
        work=work,
    )
    Rehearsal.objects.filter(pk=rehearsal.pk).update(
        result=result,
        draft_number=journey.draft_number,
        drawing=journey.drawing,
        settings=journey.settings,
        finished_at=timezone.now(),
    )
    return {
        "contacts": result["contacts"],
        "entered": result["entered"],
        "messages": result["messages"]["total"],
    }


def _problems(days: int, reactions: Mapping[str, Any]) -> "list[Problem]":
    found = []
    if not 1 <= days <= DAYS_MOST:
        message = _("A rehearsal goes back from 1 to %(most)d days.") % {"most": DAYS_MOST}
        found.append(Problem("days", "out_of_bounds", message))
    for name, share in reactions.items():
        if name not in REACTIONS:
            message = _("There is no reaction “%(name)s”. There are: %(known)s.")
            words = {"name": name, "known": ", ".join(REACTIONS)}
            found.append(Problem(f"reactions.{name}", "unknown_key", message % words))
        elif isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
            message = _("So many of a hundred: a whole number from 0 to 100.")
            found.append(Problem(f"reactions.{name}", "out_of_bounds", message))
    return found


def _forget_old(journey: Journey) -> None:
    newest = Rehearsal.objects.filter(journey=journey).order_by("-pk")
    kept = list(newest.values_list("pk", flat=True)[:KEPT])
    old = Rehearsal.objects.filter(journey=journey).exclude(pk__in=kept)
    old.exclude(job__state__in=[Job.State.QUEUED, Job.State.RUNNING]).delete()
