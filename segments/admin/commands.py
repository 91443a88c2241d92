"""What one can do with a segment from its row in the list.

A command is a link to where it is done; what asks first is asked on the segment's page, whose
dialog says what will happen. Two are done at once: to refresh, and to end a calculation.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from segments.models import Segment
from segments.sections import Section, section_of
from workspace.access import Actor

Status = Segment.Status


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the menu; one that `is_post` acts, the others lead somewhere."""

    title: str
    icon: str
    url: str
    is_post: bool = False
    is_grave: bool = False


def commands_of(segment: Segment, actor: Actor, *, at: datetime) -> list[Command]:
    """What this person may do with a segment now, in the order of the menu."""
    is_archived = segment.status == Status.ARCHIVED
    is_over = section_of(segment, at=at) is Section.ARCHIVE
    may_act = segment.status == Status.ACTIVE and not is_over
    commands: list[Command] = []
    if may_act and actor.may("segments.run_actions_segment"):
        commands.append(Command(_("Add action"), "add_task", f"{_page(segment, 'actions')}?add=1"))
    listed = _("List of executed actions") if is_over else _("List of actions")
    commands.append(Command(listed, "checklist", _page(segment, "actions")))
    if actor.may("contacts.view_contact"):
        commands.append(Command(_("Go to contacts"), "group", _contacts(segment)))
    commands.append(Command(_("Preview"), "visibility", _page(segment, "settings")))
    if not is_archived and actor.may("segments.change_segment"):
        commands.append(Command(_("Edit settings"), "edit", _page(segment, "change")))
    if actor.may("segments.add_segment"):
        commands.append(Command(_("Copy"), "content_copy", _dialog(segment, "copy")))
    commands.append(Command(_("History"), "monitoring", _page(segment, "history")))
    if not is_archived and actor.may("segments.export_segment"):
        commands.append(Command(_("Export"), "download", _page(segment, "export")))
    return commands + _refreshing(segment, actor) + _ending(segment, actor)


def _refreshing(segment: Segment, actor: Actor) -> list[Command]:
    if segment.status != Status.ACTIVE or not actor.may("segments.refresh_segment"):
        return []
    if segment.refresh_requested_at is not None:
        url = _action(segment, "cancel_calculation")
        return [Command(_("Cancel the calculation"), "cancel", url, is_post=True)]
    if not segment.is_calculable:
        return []
    return [Command(_("Refresh now"), "sync", _action(segment, "refresh_now"), is_post=True)]


def _ending(segment: Segment, actor: Actor) -> list[Command]:
    commands: list[Command] = []
    if actor.may("segments.inactivate_segment"):
        if segment.status == Status.ACTIVE:
            url = _dialog(segment, "set_inactive")
            commands.append(Command(_("Set inactive"), "pause_circle", url))
        elif segment.status == Status.INACTIVE:
            url = _dialog(segment, "set_active")
            commands.append(Command(_("Set active"), "play_circle", url))
    if segment.status == Status.INACTIVE and actor.may("segments.archive_segment"):
        url = _dialog(segment, "archive")
        commands.append(Command(_("Delete (archive)"), "inventory_2", url, is_grave=True))
    return commands


def _page(segment: Segment, name: str) -> str:
    return reverse(f"admin:segments_segment_{name}", args=[segment.pk])


def _dialog(segment: Segment, name: str) -> str:
    return f"{_page(segment, 'change')}#dialog-{name}"


def _action(segment: Segment, name: str) -> str:
    return reverse("admin:segments_segment_action", args=[segment.pk, name])


def _contacts(segment: Segment) -> str:
    listed = reverse("admin:contacts_contact_changelist")
    return f"{listed}?{urlencode({'segment': segment.key})}"
