"""Long work on the screen: who started what, how far it is, what came of it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workspace import access, jobs
from workspace.access import actor_of, may_read_files
from workspace.admin.buttons import ObjectActionsAdmin, object_action
from workspace.admin.lists import CappedPaginator, ReadOnlyAdmin
from workspace.admin.pages import EmptyState, page_context
from workspace.admin.pictures import badge, number
from workspace.job_files import rejected_file
from workspace.models import Job

_TONES = {
    Job.State.QUEUED: ("neutral", "schedule"),
    Job.State.RUNNING: ("info", "sync"),
    Job.State.SUCCEEDED: ("good", "check"),
    Job.State.FAILED: ("bad", "error"),
    Job.State.CANCELLED: ("warning", "block"),
}
_NAMES = {
    "created": gettext_lazy("Created"),
    "updated": gettext_lazy("Updated"),
    "unchanged": gettext_lazy("Unchanged"),
    "rejected": gettext_lazy("Rejected"),
    "accepted": gettext_lazy("Accepted"),
    "duplicates": gettext_lazy("Duplicates"),
    "member_count": gettext_lazy("Members"),
    "members": gettext_lazy("Members"),
    "entered_count": gettext_lazy("Entered"),
    "entered": gettext_lazy("Entered"),
    "left_count": gettext_lazy("Left"),
    "left": gettext_lazy("Left"),
    "rows": gettext_lazy("Rows"),
    "milliseconds": gettext_lazy("Milliseconds"),
}


def job_badge(job: Job) -> SafeString:
    """The state of a job as a word with a colour."""
    return badge(job.get_state_display(), *_TONES[Job.State(job.state)])


def job_text(job: Job) -> str:
    """How far a job is, in words."""
    if job.state == Job.State.QUEUED:
        return _("Waits for a worker.")
    parts = []
    if job.total:
        parts.append(
            _("%(done)s of %(total)s") % {"done": number(job.done), "total": number(job.total)}
        )
    elif job.done:
        parts.append(number(job.done))
    if job.message:
        parts.append(job.message)
    if job.is_finished and job.started_at and job.finished_at:
        seconds = (job.finished_at - job.started_at).total_seconds()
        parts.append(
            _("took %(seconds).1f seconds") % {"seconds": seconds}
            if seconds < 60
            else _("took %(time)s") % {"time": timesince(job.started_at, job.finished_at)}
        )
    return " · ".join(parts) or _("At work.")


def job_context(job: Job) -> dict[str, Any]:
    """What the template of a progress bar needs."""
    share = min(100, round(100 * job.done / job.total)) if job.total else None
    if job.state == Job.State.SUCCEEDED:
        share = 100
    elif job.is_finished and share is None:
        share = 0
    return {
        "job": job,
        "job_badge": job_badge(job),
        "job_text": job_text(job),
        "job_share": share,
    }


@admin.register(Job)
class JobAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """Jobs: one's own, and those of others for who may see them."""

    list_display = ("name_and_kind", "progress", "state_badge", "starter", "created_at")
    list_filter = ("state", "kind")
    list_select_related = ("user", "api_user")
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    ordering = ("-pk",)
    empty_state = EmptyState(
        gettext_lazy(
            "Long work appears here with its progress: imports, exports, refreshes of segments."
        ),
        icon="pending_actions",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Job]":
        shown: QuerySet[Job] = super().get_queryset(request)
        return shown.filter(pk__in=access.visible_jobs(actor_of(request)).values("pk"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A job is visible to who started it; the queryset keeps those of others away.
        return bool(request.user.is_active)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active)

    @admin.display(description=gettext_lazy("job"))
    def name_and_kind(self, job: Job) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span><span class="rg-faint rg-small">{}</span>'
            "</span>",
            job.title,
            job.kind,
        )

    @admin.display(description=gettext_lazy("progress"))
    def progress(self, job: Job) -> str:
        return job_text(job)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, job: Job) -> SafeString:
        return job_badge(job)

    @admin.display(description=gettext_lazy("started by"))
    def starter(self, job: Job) -> str:
        return _starter(job)

    @object_action(
        gettext_lazy("Cancel job"),
        permission=lambda actor, job: access.may_cancel(job, actor),
        icon="block",
        variant="danger",
        consequence=gettext_lazy(
            "The work stops at the next chance. What it has not completed is undone or left as it"
            " was; nothing is half written."
        ),
        confirm=gettext_lazy("Stop it"),
        is_offered=lambda job: not job.is_finished,
    )
    def cancel_job(self, request: HttpRequest, job: Job) -> str:
        stopped = jobs.cancel(job, actor=actor_of(request), at=timezone.now())
        if stopped.is_finished:
            return _("“%(title)s” was cancelled.") % {"title": job.title}
        return _("“%(title)s” is being cancelled.") % {"title": job.title}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:job_id>/progress/", wrap(self.progress_view), name="workspace_job_progress"),
            path("<int:job_id>/file/", wrap(self.file_view), name="workspace_job_file"),
            *super().get_urls(),
        ]

    def progress_view(self, request: HttpRequest, job_id: int) -> JsonResponse:
        """How far a job is, for the page that watches it."""
        job = self._job(request, job_id)
        return JsonResponse(
            {
                "state": job.state,
                "done": job.done,
                "total": job.total or 0,
                "is_finished": job.is_finished,
                "text": job_text(job),
                "badge": str(job_badge(job)),
            }
        )

    def file_view(self, request: HttpRequest, job_id: int) -> HttpResponseBase:
        """The file that a job left: rejected rows with their reasons."""
        job = self._job(request, job_id)
        file = rejected_file(job)
        if file is None or not may_read_files(job, actor_of(request)):
            raise Http404
        return FileResponse(
            file.open("rb"), as_attachment=True, filename=f"rejected-{job.pk}{file.suffix}"
        )

    def _job(self, request: HttpRequest, job_id: int) -> Job:
        job = self.get_queryset(request).filter(pk=job_id).first()
        if job is None:
            raise Http404
        return job

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        file = rejected_file(job) if may_read_files(job, actor_of(request)) else None
        return TemplateResponse(
            request,
            "workspace/job.html",
            {
                **page_context(self, request, title=job.title, thing=job),
                **job_context(job),
                "buttons": self.buttons(request, job),
                "starter": _starter(job),
                "errors": job.result.get("errors", []),
                "facts": _facts(job),
                "file_url": reverse("admin:workspace_job_file", args=[job.pk]) if file else "",
            },
        )


def _starter(job: Job) -> str:
    return str(job.user or job.api_user or _("the system"))


def _facts(job: Job) -> list[tuple[str, str]]:
    facts = []
    for name, value in job.result.items():
        if name in {"errors", "rejected_file", "code"} or isinstance(value, dict | list):
            continue
        label = str(_NAMES.get(name, name.replace("_", " ")))
        facts.append((label, number(value) if isinstance(value, int | float) else str(value)))
    return facts
