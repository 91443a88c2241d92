"""How long it takes to know more: overlap of six segments, metrics, why somebody is in."""

from functools import partial

from contacts import computed_metrics
from segments import explanation
from segments.models import Membership, Segment
from segments.overlap import SEGMENT_LIMIT, compare

from . import product
from .clock import median_seconds, seconds
from .questions import AS_OF, named_questions
from .report import Report, milliseconds

_ASKED = 20


def measure_insights(report: Report, runs: int) -> None:
    """Overlap of six segments, the three computed metrics, explanations of some members."""
    questions = named_questions()[:SEGMENT_LIMIT]
    segments = list(product.make_segments(questions).values())
    for segment in segments:
        product.refresh(segment)
    product.tidy()
    _overlap(report, segments, runs)
    _metrics(report)
    _reasons(report, segments)


def _overlap(report: Report, segments: list[Segment], runs: int) -> None:
    found = compare(segments)
    members = sum(one.count for one in found.sets if len(one.keys) == 1)
    taken = median_seconds(partial(compare, segments), runs=runs)
    report.add_table(
        "Overlap of six segments (ms)",
        ("memberships", "contacts in at least one", "time"),
        [(f"{members:,}", f"{found.total:,}", milliseconds(taken))],
    )


def _metrics(report: Report) -> None:
    rows = []
    for title in ("the first time", "nothing changed"):
        done = computed_metrics.compute(as_of=AS_OF)
        rows += [
            (found.key, title, f"{found.changed_count:,}", f"{found.milliseconds:,}")
            for found in done
        ]
    report.add_table("Computed metrics (ms)", ("", "", "changed", "time"), rows)


def _reasons(report: Report, segments: list[Segment]) -> None:
    rows = []
    for segment in segments:
        some = Membership.objects.filter(segment=segment).order_by("contact_id")
        ids = list(some.values_list("contact_id", flat=True)[:_ASKED])
        taken = [
            seconds(partial(explanation.explain_contact, segment, contact, as_of=AS_OF))
            for contact in ids
        ]
        if taken:
            rows.append(
                (segment.key, milliseconds(sum(taken) / len(taken)), milliseconds(max(taken)))
            )
    report.add_table("Why a member is in (ms)", ("", "mean", "longest"), rows)
