"""What somebody asks of an export, checked all at once: an export and a schedule have it alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from segments.errors import (
    CriteriaRefused,
    SegmentArchived,
    SegmentExpired,
    SegmentInactive,
    SegmentUnknown,
)
from segments.export_columns import DEFAULT_COLUMNS, Column, choose_columns
from segments.export_files import PLAIN, Layout
from segments.facts import parse_criteria
from segments.models import ExportSettings, Segment
from workspace import access
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem
from workspace.models import UserGroup

HEADER_LIMIT = 200
_CHOICES = {
    "format": ExportSettings.Format,
    "separator": ExportSettings.Separator,
    "encoding": ExportSettings.Encoding,
    "unfitting": ExportSettings.Unfitting,
    "decimal_mark": ExportSettings.DecimalMark,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose rows, in which columns, written how, for which user groups.

    Without a segment and criteria it is everyone. `headers` are names of columns in the file by
    the columns' own. `groups` are names; None says nothing of them.
    """

    segment: Segment | None = None
    criteria: Any = None
    columns: Sequence[str] = DEFAULT_COLUMNS
    headers: Mapping[str, str] | None = None
    file_format: str = ExportSettings.Format.CSV
    layout: Layout = PLAIN
    groups: Iterable[str] | None = None
    mail_when_ready: bool = False

    def fields(self) -> dict[str, Any]:
        """The fields of an export or a schedule, groups not."""
        return {
            "segment": self.segment,
            "filters": {} if self.criteria is None else {"criteria": self.criteria},
            "columns": list(self.columns),
            "headers": dict(self.headers or {}),
            "format": self.file_format,
            "separator": self.layout.separator,
            "encoding": self.layout.encoding,
            "unfitting": self.layout.unfitting,
            "decimal_mark": self.layout.decimal_mark,
            "mail_when_ready": self.mail_when_ready,
        }


def wanted_of(kept: ExportSettings) -> Wanted:
    """What an export or a schedule was asked for."""
    return Wanted(
        segment=kept.segment,
        criteria=kept.criteria,
        columns=tuple(kept.columns),
        headers=kept.headers,
        file_format=kept.format,
        layout=layout_of(kept),
        groups=[group.name for group in kept.groups.all()],
        mail_when_ready=kept.mail_when_ready,
    )


def layout_of(kept: ExportSettings) -> Layout:
    """How its file is written."""
    return Layout(kept.separator, kept.encoding, kept.unfitting, kept.decimal_mark)


def check_wanted(wanted: Wanted, *, actor: Actor, at: datetime) -> list[Group]:
    """The user groups to which it will belong, where `actor` may have it now.

    Raises NotAllowed, SegmentUnknown, SegmentArchived, SegmentInactive, SegmentExpired, or
    InputInvalid with all faults (CriteriaRefused where the criteria have some).
    """
    may_export(wanted.segment, actor=actor, at=at)
    problems = [*_choice_problems(wanted), *_column_problems(wanted)]
    groups, group_problems = _groups(wanted, actor)
    problems += group_problems
    if wanted.criteria is not None:
        try:
            parse_criteria(wanted.criteria, actor)
        except CriteriaRefused as refused:
            refused.problems = (*problems, *refused.problems)
            raise
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    return groups


def may_export(segment: Segment | None, *, actor: Actor, at: datetime) -> None:
    """Raise what keeps `actor` from exporting the members of a segment, or everyone, now."""
    access.require(actor, "segments.export_segment")
    if segment is None:
        # Who is in a segment is the segment's; whom else we know is not.
        access.require(actor, "contacts.view_contact")
        return
    if not access.is_visible(segment, actor):
        raise SegmentUnknown(segment.key)
    name = {"name": segment.name}
    if segment.status == Segment.Status.ARCHIVED:
        raise SegmentArchived(_("Segment “%(name)s” is archived, and stays so.") % name)
    if segment.status == Segment.Status.INACTIVE:
        message = _("Segment “%(name)s” is inactive. Set it active to export it.")
        raise SegmentInactive(message % name)
    if segment.calculation_state(at=at) == Segment.CalculationState.EXPIRED:
        message = _("The calculation of segment “%(name)s” has expired. Refresh it first.")
        raise SegmentExpired(message % name)


def named_columns(
    columns: Sequence[str], headers: Mapping[str, str], *, of_segment: bool
) -> list[Column]:
    """The columns, named as they are to be called in the file. Raises InputInvalid."""
    chosen = choose_columns(columns, of_segment=of_segment)
    return [replace(column, name=headers.get(column.name, column.name)) for column in chosen]


def _choice_problems(wanted: Wanted) -> Iterable[Problem]:
    given = wanted.fields()
    for name, choices in _CHOICES.items():
        if given[name] not in choices.values:
            known = ", ".join(f"“{value}”" for value in choices.values)
            yield Problem(name, "invalid_choice", _("It is one of %(known)s.") % {"known": known})
    if wanted.file_format != ExportSettings.Format.CSV:
        plain = Wanted().fields()
        for name in ("separator", "encoding", "unfitting", "decimal_mark"):
            if given[name] != plain[name]:
                yield Problem(name, "not_applicable", _("Only a CSV file has a choice here."))


def _column_problems(wanted: Wanted) -> Iterable[Problem]:
    try:
        chosen = choose_columns(wanted.columns, of_segment=wanted.segment is not None)
    except InputInvalid as refused:
        yield from refused.problems
        return
    headers = wanted.headers or {}
    names = {column.name for column in chosen}
    for name, header in headers.items():
        path = f"headers.{name}"
        if name not in names:
            message = _("There is no column “%(name)s” in this export.") % {"name": name}
            yield Problem(path, "unknown_column", message)
        elif not header.strip() or len(header) > HEADER_LIMIT or "\0" in header:
            message = _("A heading has 1 to %(limit)d characters.") % {"limit": HEADER_LIMIT}
            yield Problem(path, "invalid", message)
    if headers:
        called = [headers.get(column.name, column.name) for column in chosen]
        twice = sorted({name for name in called if called.count(name) > 1})
        for name in twice:
            message = _("Two columns are called “%(name)s”.") % {"name": name}
            yield Problem("headers", "not_unique", message)


def _groups(wanted: Wanted, actor: Actor) -> tuple[list[Group], list[Problem]]:
    """The groups of these names; of who says nothing, where one is needed, those that fit."""
    choosable = {group.name: group for group in access.choosable_groups(actor)}
    is_required = access.group_required(UserGroup.Entity.EXPORT)
    if wanted.groups is None:
        return _fitting_groups(wanted.segment, choosable) if is_required else ([], [])
    problems, chosen = [], []
    for index, name in enumerate(wanted.groups):
        if name in choosable:
            chosen.append(choosable[name])
        else:
            message = _("There is no user group “%(name)s” that you may choose.") % {"name": name}
            problems.append(Problem(f"groups[{index}]", "unknown_group", message))
    if is_required and not chosen and not problems:
        problems.append(_group_missing())
    return chosen, problems


def _fitting_groups(
    segment: Segment | None, choosable: Mapping[str, Group]
) -> tuple[list[Group], list[Problem]]:
    """The segment's own, as far as the actor may choose them, else the only one he has."""
    own = [] if segment is None else [group.name for group in segment.groups.all()]
    fitting = [choosable[name] for name in own if name in choosable]
    fitting = fitting or (list(choosable.values()) if len(choosable) == 1 else [])
    return fitting, [] if fitting else [_group_missing()]


def _group_missing() -> Problem:
    return Problem("groups", "required", _("Choose the user group that it belongs to."))
