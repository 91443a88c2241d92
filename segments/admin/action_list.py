"""The actions on all segments, on the screen, and the buttons that cancel and undo."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segments import action_runs, action_undo, actions
from segments.admin.acting import action_badge, result_text, shown_actions, when_text
from segments.admin.action_forms import ICONS
from segments.models import SegmentAction
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, ReadOnlyAdmin, object_action


class _UndoForm(forms.Form):
    run = forms.IntegerField(widget=forms.HiddenInput())


@admin.register(SegmentAction)
class SegmentActionAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """The actions on all segments that one may see."""

    list_display = ("name_and_status", "of_segment", "moment", "result", "author", "created_at")
    list_display_links = None
    list_filter = ("state", "kind", "timing")
    search_fields = ("key", "segment__name", "author")
    list_per_page = 50
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-pk",)
    empty_state = EmptyState(
        gettext_lazy(
            "An action gives or takes a tag, a category or a consent for all members of a segment,"
            " or writes them to a file: at once, at a time, or after each refresh. Add one from"
            " the page of a segment."
        ),
        icon="bolt",
        steps=(
            (
                gettext_lazy("Go to the segments"),
                "admin:segments_segment_changelist",
                "donut_small",
                "segments.view_segment",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SegmentAction]":
        return shown_actions(actions.known_actions(actor_of(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("segments.view_segment"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "segment__id__exact" or super().lookup_allowed(lookup, value, request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """An action is shown on the page of its segment."""
        action = self.get_object(request, object_id)
        if action is None:
            return HttpResponseRedirect(reverse("admin:segments_segmentaction_changelist"))
        return HttpResponseRedirect(self.page_of(request, action))

    def page_of(self, request: HttpRequest, thing: Any) -> str:
        """Where to go after a button."""
        return reverse("admin:segments_segment_actions", args=[thing.segment_id])

    @admin.display(description=gettext_lazy("action"))
    def name_and_status(self, action: SegmentAction) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-link rg-break" href="{}#action-{}">'
            '<span class="material-symbols-outlined" style="vertical-align: bottom"'
            ' aria-hidden="true">{}</span> {} {}</a><span>{}</span></span>',
            reverse("admin:segments_segment_actions", args=[action.segment_id]),
            action.pk,
            ICONS[SegmentAction.Kind(action.kind)],
            action.get_kind_display().capitalize(),
            action.key,
            action_badge(action),
        )

    @admin.display(description=gettext_lazy("segment"))
    def of_segment(self, action: SegmentAction) -> SafeString:
        address = reverse("admin:segments_segment_change", args=[action.segment_id])
        return format_html('<a class="rg-link" href="{}">{}</a>', address, action.segment.name)

    @admin.display(description=gettext_lazy("when"))
    def moment(self, action: SegmentAction) -> str:
        return when_text(action)

    @admin.display(description=gettext_lazy("result"))
    def result(self, action: Any) -> str:
        parts = result_text(action, action.newest_runs[0]) if action.newest_runs else []
        return " · ".join(parts) or action.reason or "–"

    @object_action(
        gettext_lazy("Cancel"),
        permission=action_runs.PERMISSION,
        consequence=gettext_lazy("It is not done, or done no more."),
        variant="danger",
        is_offered=lambda action: action.state in actions.UNFINISHED,
    )
    def cancel_action(self, request: HttpRequest, action: SegmentAction) -> str:
        actions.cancel_action(action, actor=actor_of(request), at=timezone.now())
        return _("The action “%(action)s” was cancelled.") % {"action": action}

    @object_action(
        gettext_lazy("Undo"),
        permission=action_runs.PERMISSION,
        consequence=gettext_lazy("What a run changed and is still so is taken back."),
        is_offered=lambda action: actions.run_to_undo(action) is not None,
        form_class=_UndoForm,
    )
    def undo_run(self, request: HttpRequest, action: SegmentAction, form: forms.Form) -> str:
        run = actions.run_to_undo(action, run_id=form.cleaned_data["run"])
        if run is None:
            return _("There is no such run.")
        action_undo.request_undo(run, actor=actor_of(request), at=timezone.now())
        return _("The action “%(action)s” is being undone.") % {"action": action}
