"""What uses a segment: asked before it is taken away, and shown on its page.

Whatever names a segment registers how to find those that do, also rooms on floors above, as they
do with facts: other segments and exports here, actions and saved criteria in their modules,
mechanisms, distributions and journeys in theirs. Names are told to who may know of the thing; of
the others only how many there are, so that nobody breaks what he cannot see.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext

from segments.export_schedules import visible_schedules
from segments.exports import visible_exports
from segments.facts import is_named_by, references
from segments.models import Export, ExportSchedule, Segment
from workspace import access
from workspace.access import Actor


def _to_everyone(_actor: Actor) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that uses a segment, or `count` things that the actor may not know of.

    Those that find it give `name`, and where there are some its key, the address of its page, its
    state in a word, and as `effect` what becomes of it when the members go. With `needs_active`
    that is so as soon as the segment is inactive: its last members count for nothing there.
    `is_visible` says who may know of it. `kind` and `label` come from the registration.
    """

    name: str
    key: str = ""
    url: str = ""
    state: Any = ""
    effect: Any = ""
    needs_active: bool = False
    is_visible: Callable[[Actor], bool] = _to_everyone
    kind: str = ""
    label: Any = ""
    count: int = 1
    is_hidden: bool = False


Find = Callable[[Segment], Iterable[Use]]
FindIds = Callable[[], Iterable[int]]


@dataclass(frozen=True, slots=True)
class _Kind:
    label: Any
    find: Find
    find_ids: FindIds | None = None


_kinds: dict[str, _Kind] = {}


def register_use(kind: str, label: Any, find: Find, *, find_ids: FindIds | None = None) -> None:
    """Let `find` tell which things of a kind ("journey") use a segment; once for each kind.

    `label` is the kind as people call one of it. `find` gives what is in use or planned, not what
    is over, in a constant number of queries. `find_ids` gives the ids of all segments that things
    of the kind use, at once: without it each segment is asked about by itself.
    """
    if _kinds.setdefault(kind, _Kind(label, find, find_ids)).find is not find:
        raise ValueError(f"Two finders are registered for {kind}.")


def uses_of(segment: Segment, *, actor: Actor) -> list[Use]:
    """What uses a segment, kind after kind, by name.

    The things of a kind that the actor may not know of are told in one line without their names.
    """
    return [
        use
        for kind, registered in _kinds.items()
        for use in told_to(actor, registered.find(segment), kind=kind, label=registered.label)
    ]


def told_to(actor: Actor, uses: Iterable[Use], *, kind: str, label: Any) -> list[Use]:
    """Uses of one kind by name, those that the actor may not know of in one line at the end."""
    every = [replace(use, kind=kind, label=label) for use in uses]
    seen = [use for use in every if use.is_visible(actor)]
    found = sorted(seen, key=lambda use: (use.name.casefold(), use.key))
    if hidden := len(every) - len(seen):
        name = ngettext("%(count)d that you may not see", "%(count)d that you may not see", hidden)
        told = name % {"count": hidden}
        found.append(Use(told, kind=kind, label=label, count=hidden, is_hidden=True))
    return found


def used_ids(segments: Iterable[Segment]) -> set[int]:
    """The ids of those of the segments that anything at all uses, whoever may know of that."""
    asked = {segment.pk: segment for segment in segments}
    found = set[int]()
    for registered in _kinds.values():
        if registered.find_ids is not None:
            found.update(asked.keys() & set(registered.find_ids()))
            continue
        # A room that cannot tell of all at once is asked about each that is not known as used.
        for pk in asked.keys() - found:
            if any(True for _use in registered.find(asked[pk])):
                found.add(pk)
    return found


def _segments(segment: Segment) -> list[Use]:
    return [
        Use(
            other.name,
            key=other.key,
            url=reverse("admin:segments_segment_change", args=[other.pk]),
            state=other.get_status_display(),
            is_visible=_knows(other),
        )
        for other in is_named_by(segment.key)
    ]


def _named_ids() -> Iterable[int]:
    living = set(
        Segment.objects.exclude(status=Segment.Status.ARCHIVED).values_list("key", flat=True)
    )
    named = {key for naming, keys in references().items() if naming in living for key in keys}
    return Segment.objects.filter(key__in=named).values_list("pk", flat=True)


def _knows(other: Segment) -> Callable[[Actor], bool]:
    return lambda actor: actor.may("segments.view_segment") and access.is_visible(other, actor)


def _exports(segment: Segment) -> list[Use]:
    """The files that are still to be written."""
    unfinished = (Export.State.QUEUED, Export.State.RUNNING)
    return [
        Use(
            f"{export.get_format_display()} #{export.pk}",
            key=str(export.pk),
            url=reverse("admin:segments_segment_export", args=[segment.pk]),
            state=export.get_state_display(),
            is_visible=_may_fetch(export),
        )
        for export in segment.exports.filter(state__in=unfinished)
    ]


def _may_fetch(export: Export) -> Callable[[Actor], bool]:
    return lambda actor: visible_exports(actor).filter(pk=export.pk).exists()


def _schedules(segment: Segment) -> list[Use]:
    """What exports it again and again, as long as it is not switched off."""
    return [
        Use(
            schedule.name,
            key=str(schedule.pk),
            url=reverse("admin:segments_exportschedule_change", args=[schedule.pk]),
            state=schedule.get_mode_display(),
            effect=gettext_lazy("stops, and says why"),
            is_visible=_may_see_schedule(schedule),
        )
        for schedule in segment.exportschedules.filter(enabled=True)
    ]


def _may_see_schedule(schedule: ExportSchedule) -> Callable[[Actor], bool]:
    return lambda actor: visible_schedules(actor).filter(pk=schedule.pk).exists()


def _exported_ids() -> Iterable[int]:
    unfinished = Export.objects.filter(state__in=(Export.State.QUEUED, Export.State.RUNNING))
    return unfinished.filter(segment__isnull=False).values_list("segment_id", flat=True)


def _scheduled_ids() -> Iterable[int]:
    schedules = ExportSchedule.objects.filter(enabled=True, segment__isnull=False)
    return schedules.values_list("segment_id", flat=True)


register_use("segment", gettext_lazy("Segment"), _segments, find_ids=_named_ids)
register_use(
    "export_schedule", gettext_lazy("Export schedule"), _schedules, find_ids=_scheduled_ids
)
register_use("export", gettext_lazy("Export"), _exports, find_ids=_exported_ids)
