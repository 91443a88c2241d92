"""Writing a segment: from a starting point to the form, saving, generating, looking at it only."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import lifecycle, membership
from segments.admin.forms import SegmentForm
from segments.admin.reading import settings_context
from segments.admin.saved_criteria import KeepForm
from segments.admin.starting import chosen_start, starting_page
from segments.members import count_members
from segments.models import Segment
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError

_GENERATE, _WITH_ACTION = "_generate", "_with_action"


class SegmentWriting(PagesAdmin, ObjectActionsAdmin):
    """The form of a segment, and the same to look at only."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self._page("count_view"))
        own = path("<path:object_id>/count/", view, name="segments_segment_count")
        return [own, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new segment: first what it begins with, then the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        title = _("New segment")
        if request.method == "POST":
            return self._form_view(request, None)
        start = chosen_start(request)
        if start is None:
            return starting_page(request, page_context(self, request, title=title))
        return self._shown(request, SegmentForm(actor=actor_of(request), start=start), None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A segment: how it stands, its settings and its criteria."""
        segment = self.visible_or_404(request, object_id)
        if not self.has_change_permission(request, segment):
            if request.method == "POST":
                raise PermissionDenied
            return self._settings(request, segment, page="")
        return self._form_view(request, segment)

    def settings_view(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        """Settings and criteria, to look at (IP-32)."""
        return self._settings(request, segment, page="settings")

    def count_view(self, request: HttpRequest, segment: Segment) -> HttpResponseBase:
        """How many records are in it now, counted (AT-33)."""
        count = count_members(segment)
        at = segment.calculated_at
        text = ngettext("%(count)s record", "%(count)s records", count) % {"count": number(count)}
        since = date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else ""
        is_running = segment.refresh_requested_at is not None
        if is_running:
            note = _("It is being calculated: the number is that of before.")
        elif since:
            note = _("As of %(at)s.") % {"at": since}
        else:
            note = _("It was not calculated yet.")
        answer = {"count": number(count), "count_number": count, "text": text, "note": note}
        return JsonResponse({**answer, "is_running": is_running})

    def standing(self, request: HttpRequest, segment: Segment) -> dict[str, Any]:
        """How a segment stands, for the top of its page."""
        raise NotImplementedError

    def _form_view(self, request: HttpRequest, segment: Segment | None) -> HttpResponse:
        actor = actor_of(request)
        is_post = request.method == "POST"
        form = SegmentForm(request.POST if is_post else None, actor=actor, segment=segment)
        if is_post and form.is_valid() and (saved := self._save(request, form, segment)):
            return HttpResponseRedirect(self._after(request, saved))
        return self._shown(request, form, segment)

    def _shown(
        self, request: HttpRequest, form: SegmentForm, segment: Segment | None
    ) -> HttpResponse:
        title = segment.name if segment else _("New segment")
        if segment is None:
            context = page_context(self, request, title=title)
        else:
            context = self.thing_context(request, segment, page="", title=title)
            context.update(self.standing(request, segment))
            # The bar of the form has it, and minds what is not saved yet.
            buttons = context["buttons"]
            context["buttons"] = [one for one in buttons if one["name"] != "refresh_now"]
        actor = actor_of(request)
        context.update(
            form=form,
            media=self.media + form.media,
            may_generate=segment is not None
            and segment.status == Segment.Status.ACTIVE
            and segment.is_calculable
            and actor.may("segments.refresh_segment"),
            keep_form=KeepForm(actor=actor) if actor.may("segments.add_savedcriteria") else None,
            may_act=self.may_open(request, "actions"),
        )
        return TemplateResponse(request, "segments/segment_form.html", context)

    def _settings(self, request: HttpRequest, segment: Segment, *, page: str) -> HttpResponse:
        form = SegmentForm(actor=actor_of(request), segment=segment)
        form.builder.is_read_only = True
        title = _("Preview") if page else segment.name
        context = self.thing_context(request, segment, page=page, title=title)
        context.update(self.standing(request, segment))
        if page:
            context.update(buttons=[], links=[])
        context.update(
            settings_context(request, segment),
            form=form,
            media=self.media + form.media,
            may_write=self.has_change_permission(request, segment),
        )
        return TemplateResponse(request, "segments/segment_settings.html", context)

    def _save(
        self, request: HttpRequest, form: SegmentForm, segment: Segment | None
    ) -> Segment | None:
        """The segment as it is now saved; None where something was refused, which is shown."""
        arguments: dict[str, Any] = {
            **form.settings(),
            **{name: form.cleaned_data[name] for name in ("criteria",) if name in form.fields},
            "actor": actor_of(request),
            "at": timezone.now(),
        }
        try:
            if segment is None:
                saved = lifecycle.create_segment(**arguments)
            else:
                saved = lifecycle.update_segment(segment, **arguments)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": saved}, messages.SUCCESS)
        return saved

    def _after(self, request: HttpRequest, segment: Segment) -> str:
        """Where to go after saving; what was asked for besides is done on the way."""
        if _GENERATE in request.POST:
            try:
                membership.request_refresh(segment, actor=actor_of(request), at=timezone.now())
            except DomainError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                text = _("“%(name)s” is being generated.") % {"name": segment}
                self.message_user(request, text, messages.SUCCESS)
        if _WITH_ACTION in request.POST:
            return reverse("admin:segments_segment_actions", args=[segment.pk]) + "?add=1"
        return self.page_of(request, segment)
