"""The audit trail on the screen: who changed what, when, from what to what."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter

from workspace import traces
from workspace.access import actor_of
from workspace.admin.lists import CappedPaginator, ReadOnlyAdmin
from workspace.admin.pages import EmptyState
from workspace.admin.pictures import badge
from workspace.models import AuditEntry

_SHOWN = 4
_TONES = {
    AuditEntry.ActorKind.USER: ("neutral", "person"),
    AuditEntry.ActorKind.API: ("info", "key"),
    AuditEntry.ActorKind.SYSTEM: ("neutral", "settings"),
}


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Nobody edits the past."""

    list_display = ("at", "who", "what", "on", "from_to")
    list_filter = (
        ("at", RangeDateTimeFilter),
        "actor_kind",
        ("actor_label", FieldTextFilter),
        ("action", FieldTextFilter),
        ("object_type", FieldTextFilter),
        ("object_id", FieldTextFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    rows_name = gettext_lazy("audit entries")
    show_full_result_count = False
    paginator = CappedPaginator
    ordering = ("-pk",)
    fields = ("at", "who", "what", "on", "object_type", "object_id", "all_changes")
    readonly_fields = fields
    empty_state = EmptyState(
        gettext_lazy("Every change by staff, programs and the system itself is written down here."),
        icon="history",
    )

    @admin.display(description=gettext_lazy("who"))
    def who(self, entry: AuditEntry) -> SafeString:
        return badge(entry.actor_label, *_TONES[AuditEntry.ActorKind(entry.actor_kind)])

    @admin.display(description=gettext_lazy("what"))
    def what(self, entry: AuditEntry) -> str:
        return entry.action

    @admin.display(description=gettext_lazy("on"))
    def on(self, entry: AuditEntry) -> str:
        return entry.object_label or entry.object_id or "–"

    @admin.display(description=gettext_lazy("from → to"))
    def from_to(self, entry: AuditEntry) -> SafeString | str:
        return _changes(dict(list(entry.changes.items())[:_SHOWN]), len(entry.changes) - _SHOWN)

    @admin.display(description=gettext_lazy("from → to"))
    def all_changes(self, entry: AuditEntry) -> SafeString | str:
        return _changes(entry.changes, 0)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AuditEntry]":
        shown: QuerySet[AuditEntry] = super().get_queryset(request)
        actor = actor_of(request)
        if actor.is_admin:
            return shown
        return shown.filter(pk__in=traces.visible_entries(actor).values("pk"))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        traces.mask_changes(list(changes.result_list), actor_of(request))
        return changes

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> AuditEntry | None:
        entry: AuditEntry | None = super().get_object(request, object_id, from_field)
        if entry is not None:
            traces.mask_changes([entry], actor_of(request))
        return entry

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("workspace.view_auditentry"))


def _changes(changes: dict[str, Any], more: int) -> SafeString | str:
    if not changes:
        return "–"
    lines = format_html_join(
        "",
        '<span class="rg-small"><span class="rg-faint">{}:</span> {}</span>',
        ((name, _change(change)) for name, change in changes.items()),
    )
    rest = (
        format_html('<span class="rg-faint rg-small">{}</span>', _("and %(n)d more") % {"n": more})
        if more > 0
        else ""
    )
    return format_html('<span class="rg-two-lines rg-break">{}{}</span>', lines, rest)


def _change(change: Any) -> SafeString | str:
    if isinstance(change, list) and len(change) == 2:
        return format_html("{} → {}", _shown(change[0]), _shown(change[1]))
    return _shown(change)


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "∅"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:120]}…"
