"""Schedules of exports on the screen: what is exported again and again, and what stopped."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from segments import export_schedules
from segments.admin.exporting import answer_form, list_tabs, maker_of, may_export_anything
from segments.models import Export, ExportSchedule, Segment
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, ReadOnlyAdmin, object_action
from workspace.admin.pictures import badge


def rhythm_of(schedule: ExportSchedule) -> str:
    """When it runs, in words."""
    if schedule.mode == ExportSchedule.Mode.AFTER_REFRESH:
        return _("after each refresh")
    count = schedule.amount or 1
    if schedule.unit == Segment.Unit.HOUR:
        return ngettext("every hour", "every %(count)d hours", count) % {"count": count}
    return ngettext("every day", "every %(count)d days", count) % {"count": count}


def schedule_badge(schedule: ExportSchedule) -> SafeString:
    """Whether it runs, as a word with a colour."""
    if schedule.enabled:
        return badge(_("on"), "good", "event_repeat")
    if schedule.stopped_reason:
        return badge(_("stopped"), "bad", "error")
    return badge(_("off"), "neutral", "pause_circle")


@admin.register(ExportSchedule)
class ExportScheduleAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """What is exported again and again."""

    list_display = ("name_and_state", "rhythm", "next_run", "last_run_at", "made_by")
    list_display_links = ("name_and_state",)
    search_fields = ("name", "segment__name", "segment__key")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-pk",)
    sortable_by = ()
    change_list_template = "segments/export_list.html"
    show_add_link = False
    empty_state = EmptyState(
        gettext_lazy(
            "A schedule makes the same export again: every day, every few hours, or after each"
            " refresh of its segment. Choose it in the form of a new export."
        ),
        icon="event_repeat",
    )

    class Media:
        js = ("segments/exports.js",)
        css = {"all": ("segments/exports.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ExportSchedule]":
        last = Export.objects.filter(schedule=OuterRef("pk")).order_by("-pk")
        schedules = export_schedules.visible_schedules(actor_of(request))
        return schedules.annotate(last_export_id=Subquery(last.values("pk")[:1])).order_by("-pk")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # They are seen by who sees the files that they make; asked on the login page, too.
        return bool(request.user.has_perm("segments.view_export"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **list_tabs(request, "schedules")}
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The same form as for a new export, with the buttons of the schedule."""
        schedule = self.get_object(request, object_id)
        if schedule is None:
            raise Http404
        if not self.has_view_permission(request, schedule):
            raise PermissionDenied
        answer = answer_form(self, request, kept=schedule)
        context: Any = getattr(answer, "context_data", None)
        if context is not None:
            may_write = export_schedules.is_own(schedule, actor_of(request))
            context.update(
                buttons=self.buttons(request, schedule),
                state=schedule_badge(schedule),
                rhythm=rhythm_of(schedule),
                may_write=may_write,
            )
            if not may_write:
                context["form"].builder.is_read_only = True
                for field in context["form"].fields.values():
                    field.disabled = True
        return answer

    @admin.display(description=gettext_lazy("schedule"))
    def name_and_state(self, schedule: ExportSchedule) -> SafeString:
        reason: Any = ""
        if schedule.stopped_reason:
            reason = format_html(
                '<span class="rg-small rg-minus">{}</span>', schedule.stopped_reason
            )
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<span class="rg-row">{}<span class="rg-faint rg-small">{} · {}</span></span>{}</span>',
            schedule.name,
            schedule_badge(schedule),
            schedule.subject_name,
            schedule.get_format_display(),
            reason,
        )

    @admin.display(description=gettext_lazy("when"))
    def rhythm(self, schedule: ExportSchedule) -> str:
        return rhythm_of(schedule)

    @admin.display(description=gettext_lazy("next run"))
    def next_run(self, schedule: ExportSchedule) -> Any:
        if not schedule.enabled or schedule.next_run_at is None:
            return "–"
        return _("now due") if schedule.next_run_at <= timezone.now() else schedule.next_run_at

    @admin.display(description=gettext_lazy("created by"))
    def made_by(self, schedule: ExportSchedule) -> str:
        return maker_of(schedule)

    @object_action(
        gettext_lazy("Run now"),
        permission=lambda actor, schedule: export_schedules.is_own(schedule, actor),
        icon="play_arrow",
        consequence=gettext_lazy(
            "One file more is made at once, as who made the schedule. Its times stay as they are."
        ),
    )
    def run_now(self, request: HttpRequest, schedule: ExportSchedule) -> HttpResponse:
        export = export_schedules.run_now(schedule, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("The file is being written."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:segments_export_change", args=[export.pk]))

    @object_action(
        gettext_lazy("Switch on"),
        permission=lambda actor, schedule: export_schedules.is_own(schedule, actor),
        icon="play_circle",
        consequence=gettext_lazy(
            "It makes files again from its next time on. What was missed is not made up for."
        ),
        is_offered=lambda schedule: not schedule.enabled,
    )
    def switch_on(self, request: HttpRequest, schedule: ExportSchedule) -> str:
        self._switch(request, schedule, enabled=True)
        return _("“%(name)s” is on.") % {"name": schedule}

    @object_action(
        gettext_lazy("Switch off"),
        permission=lambda actor, schedule: export_schedules.is_own(schedule, actor),
        icon="pause_circle",
        consequence=gettext_lazy(
            "It makes no more files until you switch it on. Those that are there stay their week."
        ),
        is_offered=lambda schedule: schedule.enabled,
    )
    def switch_off(self, request: HttpRequest, schedule: ExportSchedule) -> str:
        self._switch(request, schedule, enabled=False)
        return _("“%(name)s” is off.") % {"name": schedule}

    @object_action(
        gettext_lazy("Delete"),
        permission=lambda actor, schedule: export_schedules.is_own(schedule, actor),
        icon="delete",
        variant="danger",
        consequence=gettext_lazy(
            "The schedule is gone and makes no more files. Those that are there stay their week."
        ),
        confirm=gettext_lazy("Delete for ever"),
    )
    def delete(self, request: HttpRequest, schedule: ExportSchedule) -> HttpResponse:
        name = str(schedule)
        export_schedules.delete_schedule(schedule, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": name}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:segments_exportschedule_changelist"))

    def _switch(self, request: HttpRequest, schedule: ExportSchedule, *, enabled: bool) -> None:
        if not may_export_anything(request):
            raise PermissionDenied
        export_schedules.update_schedule(
            schedule, actor=actor_of(request), at=timezone.now(), enabled=enabled
        )
