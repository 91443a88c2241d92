"""How long actions on all members of a large segment take, by the whole path of a job.

They leave lines in the ledger of consents: the workspace is made anew for the next run.
"""

from functools import partial

from django.utils import timezone

from contacts.models import ConsentDefinition, ContactTag, Tag
from segments import action_undo, actions
from segments.models import Segment, SegmentAction, SegmentActionRun
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job

from . import product
from .clock import seconds
from .questions import Question
from .report import Ratio, Report

_KEY = "bench-action"
# Half a million members are done in seconds, whatever the size of the workspace.
_MEMBERS_A_SECOND = 50_000


def measure_actions(report: Report) -> None:
    """Give and take a tag, give it again, undo, grant and withdraw a consent: about half of all."""
    segment = _half_of_all()
    tag = Tag.objects.get_or_create(key=_KEY, defaults={"label": _KEY})[0]
    ConsentDefinition.objects.get_or_create(key=_KEY, defaults={"label": _KEY})
    rows = []
    for name, kind, expected in (
        ("add tag", "add_tag", segment.member_count),
        ("the same again", "add_tag", 0),
        ("remove tag", "remove_tag", segment.member_count),
        ("undo", "", segment.member_count),
        ("add consent", "add_consent", segment.member_count),
        ("the same again", "add_consent", 0),
        ("remove consent", "remove_consent", segment.member_count),
    ):
        taken = seconds(partial(_undo if not kind else _act, segment, kind, expected))
        rows.append((name, f"{expected:,}", f"{taken:.1f}", f"{segment.member_count / taken:,.0f}"))
        if name == "add tag":
            title = f"add tag, members a second / {_MEMBERS_A_SECOND:,}"
            rate = segment.member_count / taken / _MEMBERS_A_SECOND
            report.ratios.append(Ratio("–", title, rate, 1, is_ceiling=False))
    if ContactTag.objects.filter(tag=tag).count() != segment.member_count:
        raise AssertionError("Undo has not given the tag back to everybody.")
    report.add_table(
        f"Actions on {segment.member_count:,} members",
        ("", "changed", "seconds", "members a second"),
        rows,
    )


def _half_of_all() -> Segment:
    rule = {"field": "contact.lead_score", "operator": ">", "value": 10}
    document = {"combinator": "and", "rules": [rule]}
    segment = product.make_segments([Question("actions", document, "", "")])["actions"]
    product.refresh(segment)
    product.tidy()
    segment.refresh_from_db()
    return segment


def _act(segment: Segment, kind: str, expected: int) -> None:
    action = actions.plan_action(
        segment, actor=SYSTEM, at=timezone.now(), kind=kind, key=_KEY, when="now"
    )
    run = action.runs.get()
    _do(run.job)
    run.refresh_from_db()
    if run.changed_count != expected:
        raise AssertionError(f"{kind} changed {run.changed_count}, not {expected}.")


def _undo(segment: Segment, _kind: str, _expected: int) -> None:
    last = SegmentActionRun.objects.filter(
        action__segment=segment, action__kind=SegmentAction.Kind.REMOVE_TAG
    ).latest("pk")
    _do(action_undo.request_undo(last, actor=SYSTEM, at=timezone.now()))


def _do(job: Job | None) -> None:
    """As a worker does it, here."""
    done = None if job is None else jobs.run(job.pk)
    if done is None or done.state != Job.State.SUCCEEDED:
        raise AssertionError(f"The job has not succeeded: {done and done.message}")
