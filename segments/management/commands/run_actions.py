"""Runs the actions on segments that are due."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from segments import action_runs
from segments.models import SegmentAction
from workspace import jobs
from workspace.console import facts, progress
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """One round of what beat does twice a minute, the work included."""

    help = (
        "Runs the actions on segments whose time has come, here and now, and refuses those that"
        " can run no more, because their segment has expired or is not active. Prints what became"
        " of each: members, changed, unchanged and skipped, or the reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of = options["as_of"] or timezone.now()
        begun = action_runs.run_due(as_of=as_of, work_as_of=as_of)
        for action in progress(begun, label="Running", total=len(begun)):
            told = _do(action)
            if options["json"]:
                facts(self, told, as_json=True)
                continue
            words = ", ".join(f"{name} {value}" for name, value in told.items() if value != "")
            self.stdout.write(words)


def _do(action: SegmentAction) -> dict[str, Any]:
    run = action.runs.select_related("job").order_by("-pk").first()
    if run is not None and run.job is not None and action.state == SegmentAction.State.RUNNING:
        # A worker that was quicker does it: then its state is told as it is.
        jobs.run(run.job.pk)
        run.refresh_from_db()
    action.refresh_from_db()
    told: dict[str, Any] = {
        "action": action.pk,
        "segment": action.segment.key,
        "kind": action.kind,
        "key": action.key,
        "state": action.state if run is None or run.finished_at is None else run.state,
    }
    if run is not None and run.state == run.State.DONE:
        counts = action_runs.result_of(run)
        return told | {name: counts[name] for name in counts if name not in {"action", "run"}}
    return told | ({"reason": action.reason} if action.reason else {})
