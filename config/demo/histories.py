"""Makes the demo segments, and calculates them for the past weeks as well, so that charts live."""

from datetime import datetime, timedelta

from segments import actions, lifecycle, membership, saved_criteria
from segments.models import Segment
from workspace.access import SYSTEM, actor_of_user
from workspace.models import Job, User

from .segments import SAVED_CRITERIA, SEGMENTS, Invented


def make_segments(*, at: datetime, owner: User) -> list[Segment]:
    """Make all segments, refresh each as of its weeks, and leave it as it ended.

    The document of a segment may name those above it.
    """
    made: dict[str, Segment] = {}
    for invented in SEGMENTS:
        first = max(invented.weeks, default=2)
        made[invented.key] = lifecycle.create_segment(
            actor=SYSTEM,
            at=_week(at, first) - timedelta(hours=1),
            key=invented.key,
            name=invented.name,
            description=invented.description,
            criteria=invented.criteria,
            owner=owner,
            is_demo=True,
            **invented.settings,
        )
    # Their first calculations are made here, as of the past: no worker has to make them.
    subjects = [f"segment:{segment.pk}" for segment in made.values()]
    Job.objects.filter(subject__in=subjects).delete()
    Segment.objects.filter(pk__in=[segment.pk for segment in made.values()]).update(
        refresh_requested_at=None
    )
    for week in sorted({week for invented in SEGMENTS for week in invented.weeks}, reverse=True):
        for invented in SEGMENTS:
            if week in invented.weeks:
                membership.refresh(
                    made[invented.key].pk, as_of=_week(at, week), cause=_cause(invented, week)
                )
    for invented in SEGMENTS:
        _end(made[invented.key], invented, at)
    return list(made.values())


def plan_actions(*, at: datetime, author: User) -> None:
    """Have who slips away marked after each refresh, so that there is an action to look at."""
    actions.plan_action(
        Segment.objects.get(key="slipping_away"),
        actor=actor_of_user(author),
        at=at,
        kind="add_tag",
        key="win_back",
        when="after_refresh",
    )


def keep_criteria(*, at: datetime) -> None:
    """Keep the demo's criteria by name."""
    for kept in SAVED_CRITERIA:
        saved_criteria.create_saved_criteria(
            actor=SYSTEM,
            at=at,
            key=kept.key,
            name=kept.name,
            description=kept.description,
            criteria=kept.criteria,
            is_demo=True,
        )


def _week(at: datetime, week: int) -> datetime:
    # Only the last one is of this moment; the others ran in the small hours.
    if week == 0:
        return at
    return (at - timedelta(weeks=week)).replace(hour=3, minute=0, second=0, microsecond=0)


def _cause(invented: Invented, week: int) -> str:
    return "created" if week == max(invented.weeks) else "scheduled"


def _end(segment: Segment, invented: Invented, at: datetime) -> None:
    segment.refresh_from_db()
    if invented.end in {"inactive", "archived"}:
        lifecycle.inactivate(segment, actor=SYSTEM, at=_week(at, 4))
    if invented.end == "archived":
        lifecycle.archive(segment, actor=SYSTEM, at=_week(at, 3))
    if invented.end == "failed":
        message = "Calculating was stopped after 300 seconds; 300 are the most."
        Segment.objects.filter(pk=segment.pk).update(failure=message, failed_at=_week(at, 1))
