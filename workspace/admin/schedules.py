"""What happens by itself, and when."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_celery_beat import admin as theirs  # noqa: F401  # Registered first, to be replaced.
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin

from workspace import traces
from workspace.access import actor_of
from workspace.admin.audited import AuditedAdmin
from workspace.admin.lists import ReadOnlyAdmin
from workspace.admin.pages import EmptyState
from workspace.admin.pictures import badge
from workspace.models import User

for model in (ClockedSchedule, SolarSchedule, PeriodicTask, IntervalSchedule, CrontabSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AuditedAdmin, ReadOnlyAdmin):
    """Tasks of the schedule. Those of segments follow the segments' own settings."""

    list_display = ("name", "every", "state", "last_run_at", "runs")
    list_filter = ("enabled",)
    search_fields = ("name",)
    list_select_related = ("interval", "crontab", "solar", "clocked")
    fields = ("name", "task", "description", "every", "enabled", "last_run_at", "total_run_count")
    readonly_fields = ("name", "task", "description", "every", "last_run_at", "total_run_count")
    empty_state = EmptyState(
        gettext_lazy("Refreshes, clean-up and sweeps appear here once the beat process has run."),
        icon="event_repeat",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PeriodicTask]":
        shown: QuerySet[PeriodicTask] = super().get_queryset(request)
        return shown.filter(pk__in=traces.visible_tasks(actor_of(request)).values("pk"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.has_perm(
            "django_celery_beat.change_periodictask"
        )

    @admin.display(description=gettext_lazy("every"))
    def every(self, task: PeriodicTask) -> str:
        return str(task.scheduler or "–")

    @admin.display(description=gettext_lazy("state"))
    def state(self, task: PeriodicTask) -> SafeString:
        return badge(_("on"), "good") if task.enabled else badge(_("off"), "warning")

    @admin.display(description=gettext_lazy("runs"), ordering="total_run_count")
    def runs(self, task: PeriodicTask) -> int:
        return int(task.total_run_count)


class _Schedule(ModelAdmin):
    """A way to say when; chosen by tasks, hidden from the menu."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(_Schedule):
    """Every so often."""


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(_Schedule):
    """At times of the day."""
