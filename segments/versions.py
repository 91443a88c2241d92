"""The versions of a segment: what it was made of, since when, what each changed, and going back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from segments import contact_lists, facts, lifecycle, membership
from segments.criteria import Catalog, CriteriaInvalid, explain_clause, parse
from segments.differences import Difference, differences
from segments.errors import SegmentNotCalculated, VersionInForce, VersionUnknown
from segments.masks import mask_criteria
from segments.models import ContactList, Segment, SegmentVersion
from workspace import audit
from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class VersionTold:
    """A version as one reader may know it: what it says, and how it differs from the one before."""

    version: SegmentVersion
    sentence: str
    difference: tuple[Difference, ...]

    @property
    def difference_sentences(self) -> list[str]:
        """The sentences alone."""
        return [one.sentence for one in self.difference]


def tell_versions(
    segment: Segment, versions: Sequence[SegmentVersion], *, actor: Actor
) -> list[VersionTold]:
    """What versions of a segment say and changed; a constant number of queries.

    Segments that the actor may not know of stand in the sentences without their names. The first
    version differs from nothing.
    """
    if not versions:
        return []
    teller = _Teller(facts.reading_catalog(actor))
    # Those before the first of a page are on the next page.
    numbers = {version.number for version in versions}
    numbers |= {number - 1 for number in numbers}
    known = segment.versions.filter(number__in=numbers).select_related("contact_list")
    by_number = {version.number: version for version in known}
    return [
        VersionTold(
            version,
            teller.sentence(segment, by_number[version.number]),
            tuple(teller.difference(by_number.get(version.number - 1), by_number[version.number])),
        )
        for version in versions
    ]


def version_at(segment: Segment, *, at: datetime) -> SegmentVersion | None:
    """The version that was in force at an instant; None before there was one."""
    then = segment.versions.filter(created_at__lte=at).order_by("-number")
    return then.select_related("contact_list").first()


def sentence_of(segment: Segment, version: SegmentVersion, *, actor: Actor) -> str:
    """What a version says, for one reader."""
    return _Teller(facts.reading_catalog(actor)).sentence(segment, version)


@transaction.atomic
def restore(segment: Segment, number: int, *, actor: Actor, at: datetime) -> Segment:
    """Make what an earlier version said a new version, and have it calculated where it is active.

    Raises VersionUnknown, VersionInForce where the segment says the same already, SegmentArchived,
    and CriteriaRefused where the criteria became wrong meanwhile or name segments that the actor
    may not know of.
    """
    held = lifecycle.hold_to_change(segment, actor=actor)
    version = held.versions.select_related("contact_list").filter(number=number).first()
    if version is None:
        message = _("Segment “%(name)s” has no version %(number)d.")
        raise VersionUnknown(message % {"name": held.name, "number": number})
    before = held.version_number
    if held.source == Segment.Source.CRITERIA:
        # As the actor reads it: what is hidden from him is refused without its key.
        criteria = mask_criteria(version.criteria, actor)
        restored = lifecycle.update_segment(held, actor=actor, at=at, criteria=criteria)
    else:
        restored = _restore_list(held, version.contact_list, actor=actor, at=at)
    if restored.version_number == before:
        message = _("Segment “%(name)s” says what version %(number)d says already.")
        raise VersionInForce(message % {"name": held.name, "number": number})
    audit.record(
        actor=actor,
        action="segment.version_restored",
        subject=restored,
        changes={"version": [before, restored.version_number], "as_version": [None, number]},
        at=at,
    )
    return restored


def _restore_list(
    held: Segment, found: ContactList | None, *, actor: Actor, at: datetime
) -> Segment:
    if found is None or found.forgotten_at is not None:
        message = _("The list of that version of segment “%(name)s” is not there any more.")
        raise SegmentNotCalculated(message % {"name": held.name})
    if found.pk == held.contact_list_id:
        return held
    restored = lifecycle.take_list(held, found, actor=actor, at=at)
    if restored.status == Segment.Status.ACTIVE:
        membership.queue_refresh(restored, actor=actor, cause="changed", at=at)
        restored.refresh_from_db()
    return restored


@dataclass(frozen=True, slots=True)
class _Teller:
    """Puts criteria into words for one reader."""

    catalog: Catalog

    def sentence(self, segment: Segment, version: SegmentVersion) -> str:
        if segment.source != Segment.Source.CRITERIA:
            return contact_lists.describe_list(version.contact_list, segment.source)
        try:
            tree = parse(version.criteria, self.catalog, facts.zone(), translate=_)
        except CriteriaInvalid as refused:
            return _("These criteria are not valid any more: %(reason)s") % {
                "reason": refused.problems[0].message
            }
        return facts.explain(tree)

    def difference(self, before: SegmentVersion | None, after: SegmentVersion) -> list[Difference]:
        if before is None:
            return []
        told = differences(before.criteria, after.criteria, self.phrase)
        if before.contact_list_id != after.contact_list_id:
            told.append(_other_list(before.contact_list, after.contact_list))
        return told

    def phrase(self, node: dict[str, Any]) -> str:
        """A rule or group as a part of a sentence; of what cannot be read any more its field."""
        node = {key: value for key, value in node.items() if key != "disabled"}
        document = node if "rules" in node else {"combinator": "and", "rules": [node]}
        try:
            tree = parse(document, self.catalog, facts.zone(), translate=_)
        except CriteriaInvalid:
            if isinstance(name := node.get("field"), str):
                return _("a criterion on “%(field)s” that is not valid any more") % {"field": name}
            return _("a group of criteria that are not valid any more")
        return explain_clause(tree, translate=_)


def _other_list(before: ContactList | None, after: ContactList | None) -> Difference:
    words = {
        "old": before.title if before else "–",
        "new": after.title if after else "–",
        "rows": after.row_count if after else 0,
        "matched": after.matched_count if after else 0,
    }
    message = _(
        "The list “%(old)s” was replaced by “%(new)s”: %(rows)d rows, %(matched)d in the base."
    )
    return Difference("changed", message % words)
