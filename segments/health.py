"""What is wrong with segments: kept while it is so, and told to who may know of it.

`segments.checkups` finds it; here it is written into a table, so that lists and pages show it at
no cost, and put in words for one reader. Contradictory criteria are found the moment they are
saved, the rest on schedule.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import facts
from segments.criteria import Contradiction, find_contradiction
from segments.criteria.references import rules_of
from segments.criteria.syntax import Group
from segments.errors import CriteriaRefused
from segments.models import Finding, Segment
from workspace import access, locks
from workspace.access import Actor

Kind = Finding.Kind


@dataclass(frozen=True, slots=True)
class Found:
    """Something found wrong with a segment, before it is kept."""

    segment_id: int
    kind: Kind
    key: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """A finding in words for one reader: what is wrong, and what to do about it.

    `others` are the segments that it is about besides, of those that the reader may know of.
    """

    kind: Kind
    message: str
    advice: str
    found_at: datetime
    others: tuple[Segment, ...] = ()

    @property
    def is_grave(self) -> bool:
        """Whether the segment does not do what it is for."""
        return self.kind in (Kind.ASTRAY, Kind.CONTRADICTION, Kind.MISSING, Kind.LATE)


@transaction.atomic
def keep(found: Iterable[Found], *, kinds: Iterable[Kind], at: datetime) -> list[Finding]:
    """Let the table say what was found of these kinds, and no more; returns what is new.

    What was found before keeps its time, and is not mailed again.
    """
    # A check on schedule and one by command take turns.
    locks.lock("segments findings")
    kept = Finding.objects.filter(kind__in=list(kinds))
    return _replace({_name(one): one for one in found}, list(kept), at=at)


@transaction.atomic
def check_contradiction(segment: Segment, *, at: datetime) -> Contradiction | None:
    """Find out whether anybody can satisfy the criteria of a segment, and keep it."""
    found = _contradiction_of(segment)
    kept = segment.findings.filter(kind=Kind.CONTRADICTION)
    wanted = [] if found is None else [contradictory(segment, found)]
    _replace({_name(one): one for one in wanted}, list(kept), at=at)
    return found


def _contradiction_of(segment: Segment) -> Contradiction | None:
    """Why nobody can satisfy the criteria; None where some may, or where they became wrong."""
    if segment.source != Segment.Source.CRITERIA:
        return None
    try:
        return find_contradiction(facts.criteria_of(segment))
    except CriteriaRefused:
        # Its refresh fails, and says so.
        return None


def contradictory(segment: Segment, found: Contradiction) -> Found:
    """What is kept of a contradiction."""
    return Found(segment.pk, Kind.CONTRADICTION, data={"paths": list(found.paths)})


def findings_of(segment: Segment, *, actor: Actor) -> list[Told]:
    """What is wrong with a segment in words, the worst first; nothing for one out of use."""
    kept = findings_by_segment([segment], actor=actor).get(segment.pk, [])
    known = known_others(kept, actor)
    return [tell(finding, segment, actor=actor, known=known) for finding in kept]


def findings_by_segment(segments: Iterable[Segment], *, actor: Actor) -> dict[int, list[Finding]]:
    """The findings of each segment that is in use, the worst first; one query, or two.

    Of one that is inactive only that it is missing in the other system: that is why it is. Without
    those about other segments only, of which the actor may know none.
    """
    statuses = {segment.pk: segment.status for segment in segments}
    active = [pk for pk, status in statuses.items() if status == Segment.Status.ACTIVE]
    inactive = [pk for pk, status in statuses.items() if status == Segment.Status.INACTIVE]
    of_these = Q(segment_id__in=active) | Q(segment_id__in=inactive, kind=Kind.MISSING)
    kept = list(Finding.objects.filter(of_these))
    known = known_others(kept, actor)
    order = {kind: place for place, kind in enumerate(Kind.values)}
    found: dict[int, list[Finding]] = {}
    for finding in sorted(kept, key=lambda one: (order[one.kind], one.key)):
        if finding.kind != Kind.DUPLICATE or any(pk in known for pk in finding.data["others"]):
            found.setdefault(finding.segment_id, []).append(finding)
    return found


def known_others(kept: Iterable[Finding], actor: Actor) -> dict[int, Segment]:
    """The other segments that findings are about, of those that the actor may know of."""
    named = {pk for finding in kept for pk in finding.data.get("others", [])}
    if not named:
        return {}
    others = access.visible(Segment.objects.filter(pk__in=named), actor).defer("criteria")
    return {segment.pk: segment for segment in others}


def tell(finding: Finding, segment: Segment, *, actor: Actor, known: Mapping[int, Segment]) -> Told:
    """One finding in the language of the reader; `known` are the others that he may know of."""
    others = tuple(known[pk] for pk in finding.data.get("others", []) if pk in known)
    message, advice = _WORDS[Kind(finding.kind)](finding, segment, actor)
    told = Told(Kind(finding.kind), message, advice, finding.found_at)
    if finding.kind == Kind.DUPLICATE:
        names = ", ".join(f"“{other.name}”" for other in others)
        told = replace(told, others=others, message=message % {"names": names})
    return told


def _name(found: Found | Finding) -> tuple[int, str, str]:
    return (found.segment_id, str(found.kind), found.key)


def _replace(
    wanted: Mapping[tuple[int, str, str], Found], kept: list[Finding], *, at: datetime
) -> list[Finding]:
    gone = [finding.pk for finding in kept if _name(finding) not in wanted]
    Finding.objects.filter(pk__in=gone).delete()
    there = {_name(finding): finding for finding in kept}
    changed = []
    for name, finding in there.items():
        if name in wanted and finding.data != dict(wanted[name].data):
            finding.data = dict(wanted[name].data)
            changed.append(finding)
    Finding.objects.bulk_update(changed, ["data"], batch_size=500)
    return Finding.objects.bulk_create(
        [
            Finding(
                segment_id=found.segment_id,
                kind=found.kind,
                key=found.key,
                data=dict(found.data),
                found_at=at,
            )
            for name, found in wanted.items()
            if name not in there
        ],
        batch_size=500,
    )


# --- Words --------------------------------------------------------------------------------------


def _of_astray(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    at = date_format(timezone.localtime(datetime.fromisoformat(finding.data["at"])))
    message = _(
        "The audit of %(at)s put its members right: %(missing)d were missing, %(surplus)d too many."
    )
    advice = _("This must not happen, and is a defect of Regulars: please report it.")
    words = {"at": at, "missing": finding.data["missing"], "surplus": finding.data["surplus"]}
    return message % words, advice


def _of_contradiction(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    rules = _rules_in_words(segment, finding.data["paths"], actor)
    advice = _("Change one of them, or let one alternative be enough.")
    if not rules:
        return _("Nobody can ever fit its criteria."), advice
    if len(rules) == 1:
        message = _("Nobody can ever fit: this never holds: %(rules)s.")
    else:
        message = _("Nobody can ever fit: these never hold together: %(rules)s.")
    return message % {"rules": "; ".join(rules)}, advice


def _rules_in_words(segment: Segment, paths: list[str], actor: Actor) -> list[str]:
    """The rules at these paths in words for the reader; none where the criteria changed."""
    try:
        tree = facts.criteria_of(segment, catalog=facts.reading_catalog(actor))
    except CriteriaRefused:
        return []
    found = [rule for rule in rules_of(tree.root) if rule.path in paths]
    return [facts.explain_clause(replace(tree, root=Group("", "and", (rule,)))) for rule in found]


def _of_missing(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    message = _(
        "The segment “%(name)s” is not there any more in %(system)s. This one keeps its members,"
        " and was set inactive."
    )
    advice = _(
        "Bring it back there: the next synchronization sets this one active again. Or stop"
        " importing it, and set it active or archive it."
    )
    return message % finding.data, advice


def _of_late(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    advice = _(
        "Refresh it now. If it stays late, look at its last failure, and whether a worker runs."
    )
    since = finding.data.get("since")
    if since is None:
        return _("Its first calculation has been waiting for more than an hour."), advice
    at = date_format(timezone.localtime(datetime.fromisoformat(since)), "DATETIME_FORMAT")
    message = _("Its refresh is late: its members are those of %(at)s.")
    return message % {"at": at}, advice


def _of_empty_field(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    message = _("It asks for “%(field)s”, which no contact has.")
    advice = _("Import or record what is missing, or take the rule out.")
    return message % {"field": finding.data["label"]}, advice


def _of_duplicate(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    advice = _("Keep one of them, and set the others inactive.")
    if finding.key == "criteria":
        return _("It says the same as %(names)s."), advice
    return _("It has the very same members as %(names)s, calculation after calculation."), advice


def _of_unchanging(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    count = finding.data["count"]
    message = ngettext(
        "Nobody entered or left at its last %(count)d calculation.",
        "Nobody entered or left at any of its last %(count)d calculations.",
        count,
    )
    advice = _("Refresh it less often, or once; or see whether its criteria still make sense.")
    return message % {"count": count}, advice


def _of_unused(finding: Finding, segment: Segment, actor: Actor) -> tuple[str, str]:
    days = finding.data["days"]
    message = _(
        "Nothing uses it: no segment, schedule or plan, and for %(days)d days no action or export."
    )
    advice = _(
        "Set it inactive if nobody needs it. Programs that read it over the API are not seen here."
    )
    return message % {"days": days}, advice


_Words = Callable[[Finding, Segment, Actor], tuple[str, str]]
_WORDS: dict[Kind, _Words] = {
    Kind.ASTRAY: _of_astray,
    Kind.CONTRADICTION: _of_contradiction,
    Kind.MISSING: _of_missing,
    Kind.LATE: _of_late,
    Kind.EMPTY_FIELD: _of_empty_field,
    Kind.DUPLICATE: _of_duplicate,
    Kind.UNCHANGING: _of_unchanging,
    Kind.UNUSED: _of_unused,
}
