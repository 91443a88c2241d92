"""The versions of a segment on the screen: what each changed, side by side, and going back."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from segments import versions
from segments.admin.forms import written
from segments.masks import Mask
from segments.models import Segment
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_PAGE = 30
_ICONS = {
    "added": ("add", "rg-plus"),
    "removed": ("remove", "rg-minus"),
    "changed": ("edit", ""),
    "moved": ("move_down", ""),
    "combined": ("join", ""),
    "negated": ("block", ""),
    "switched": ("toggle_on", ""),
    "ordered": ("swap_vert", ""),
}


class VersionPages(PagesAdmin):
    """Going back to an earlier version."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.restore_view))
        name = "segments_segment_restore"
        own = path("<path:object_id>/versions/<int:number>/restore/", view, name=name)
        return [own, *super().get_urls()]

    def restore_view(self, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        """Make what a version said a new version."""
        segment: Segment = self.visible_or_404(request, object_id)
        actor = actor_of(request)
        if not actor.may("segments.change_segment"):
            raise PermissionDenied
        try:
            restored = versions.restore(segment, number, actor=actor, at=timezone.now())
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            message = _("Version %(number)d is in force again, as version %(new)d.")
            words = {"number": number, "new": restored.version_number}
            self.message_user(request, message % words, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:segments_segment_versions", args=[segment.pk]))


def versions_page(admin: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """What a segment was made of, the newest first, each with what it changed."""
    actor = actor_of(request)
    rows = segment.versions.all()
    after = request.GET.get("after", "")
    if after.isdecimal() and len(after) < 9:
        rows = rows.filter(number__lt=int(after))
    found = list(rows[: _PAGE + 1])
    shown = found[:_PAGE]
    # One more, to say what came before the last one of the page.
    told = versions.tell_versions(segment, found, actor=actor)
    mask = Mask(actor)
    may_restore = actor.may("segments.change_segment") and segment.status != Segment.Status.ARCHIVED
    context = admin.thing_context(request, segment, page="versions", title=_("Versions"))
    context.update(
        rows=[
            {
                "version": one.version,
                "is_current": one.version.number == segment.version_number,
                "badge": badge(_("in force"), "good", "check"),
                "sentence": one.sentence,
                "before": before.sentence if before is not None else "",
                "before_number": before.version.number if before is not None else 0,
                "difference": [
                    (*_ICONS[difference.kind], difference.sentence) for difference in one.difference
                ],
                "text": written(mask.of(one.version.criteria)),
            }
            for one, before in zip(told[: len(shown)], [*told[1:], None], strict=False)
        ],
        is_from_criteria=segment.source == Segment.Source.CRITERIA,
        may_restore=may_restore,
        is_active=segment.status == Segment.Status.ACTIVE,
        next_number=segment.version_number + 1,
        members=number(segment.member_count),
        next=str(shown[-1].number) if len(found) > _PAGE else "",
    )
    return TemplateResponse(request, "segments/versions.html", context)
