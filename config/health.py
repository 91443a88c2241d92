"""Probes for load balancers and supervisors, figures for Prometheus, answers to lost requests."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contacts.models import Contact
from segments.models import Segment
from workspace import sql
from workspace.api import problems
from workspace.checkup import examine_broker, examine_database, examine_migrations
from workspace.keys import find_api_user
from workspace.models import Job

_SCOPE = "workspace:read"


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Whether this process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Whether requests can be served: 503, and which part is missing, where they cannot."""
    findings = [examine_database()]
    if findings[0].is_well:
        findings.append(examine_migrations())
    findings.append(examine_broker())
    is_ready = all(finding.is_well for finding in findings)
    checks = {finding.part: "ok" if finding.is_well else finding.sentence for finding in findings}
    body = {"status": "ok" if is_ready else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus: from this machine, or with a key that has the scope workspace:read.

    They are read from the database at each request, so it does not matter which of the web
    server's processes answers.
    """
    if not _is_local(request) and not _has_key(request):
        return problems.problem(
            status=401,
            code="not_authenticated",
            detail=_("Figures need a key with the scope workspace:read."),
            headers={"WWW-Authenticate": 'Api-Key realm="metrics"'},
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """What the tables say now; estimates where counting would read millions of rows."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        is_up = GaugeMetricFamily("regulars_database_up", "Whether the database answers.")
        try:
            found = [*_jobs(), *_segments(), *_sizes()]
        except (DatabaseError, InterfaceError):
            found = []
            is_up.add_metric([], 0)
        else:
            is_up.add_metric([], 1)
        yield is_up
        yield from found


def _jobs() -> Iterator[GaugeMetricFamily]:
    jobs = GaugeMetricFamily(
        "regulars_jobs",
        "Jobs by kind and state; finished ones of the last day.",
        labels=["kind", "state"],
    )
    recent = "state IN ('queued', 'running') OR finished_at > now() - interval '1 day'"
    for row in sql.rows(
        f"SELECT kind, state, count(*) AS jobs FROM workspace_job WHERE {recent} GROUP BY 1, 2"  # noqa: S608 - both parts are literals
    ):
        jobs.add_metric([row["kind"], row["state"]], row["jobs"])
    yield jobs
    waiting = GaugeMetricFamily(
        "regulars_oldest_queued_job_seconds", "How long the oldest queued job has waited."
    )
    waiting.add_metric(
        [],
        sql.one(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)"
            " FROM workspace_job WHERE state = %s",
            [Job.State.QUEUED],
        ),
    )
    yield waiting


def _segments() -> Iterator[GaugeMetricFamily]:
    segments = GaugeMetricFamily("regulars_segments", "Segments by status.", labels=["status"])
    failed = GaugeMetricFamily("regulars_segments_failed", "Active ones whose refresh failed.")
    late = GaugeMetricFamily(
        "regulars_segments_late", "Active ones whose refresh is overdue by half their interval."
    )
    row = sql.rows(
        """
        SELECT count(*) FILTER (WHERE status = 'active') AS active,
               count(*) FILTER (WHERE status = 'inactive') AS inactive,
               count(*) FILTER (WHERE status = 'archived') AS archived,
               count(*) FILTER (WHERE status = 'active' AND failure <> '') AS failed,
               count(*) FILTER (WHERE status = 'active' AND refresh_mode = 'interval'
                 AND coalesce(calculated_at, created_at) + 1.5 * refresh_amount
                     * CASE refresh_unit WHEN 'day' THEN interval '1 day' ELSE interval '1 hour' END
                     < now()) AS late
        FROM segments_segment
        """
    )[0]
    for status in Segment.Status.values:
        segments.add_metric([status], row[status])
    failed.add_metric([], row["failed"])
    late.add_metric([], row["late"])
    yield from (segments, failed, late)


def _sizes() -> Iterator[GaugeMetricFamily]:
    contacts = GaugeMetricFamily("regulars_contacts", "Contacts, as the planner estimates them.")
    contacts.add_metric([], _estimate([Contact._meta.db_table]))
    yield contacts
    events = GaugeMetricFamily("regulars_events", "Stored events, as the planner estimates them.")
    partitions = sql.rows(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent = 'contacts_event'::regclass"
    )
    events.add_metric([], _estimate([row["name"] for row in partitions]))
    yield events


def _estimate(tables: list[str]) -> int:
    """Rows of the tables by the statistics of the database: no row is read."""
    total: Any = sql.one(
        "SELECT coalesce(sum(greatest(n_live_tup, 0)), 0) FROM pg_stat_user_tables"
        " WHERE relid = ANY (SELECT unnest(%s::text[])::regclass)",
        [tables],
    )
    return int(total)


def _is_local(request: HttpRequest) -> bool:
    """Whether it comes from this machine itself, not through a proxy that runs on it."""
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_key(request: HttpRequest) -> bool:
    keyword, _space, key = request.headers.get("Authorization", "").partition(" ")
    if keyword.lower() not in {"api-key", "bearer"}:
        return False
    api_user = find_api_user(key.strip())
    return api_user is not None and api_user.enabled and _SCOPE in api_user.scopes


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """What Django answers to a request it cannot read; for programs as a problem."""
    if _is_for_programs(request):
        detail = _("The request cannot be read.")
        return problems.problem(status=400, code="bad_request", detail=detail)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """What Django answers to a request it does not allow; for programs as a problem."""
    if _is_for_programs(request):
        detail = _("You may not do this.")
        return problems.problem(status=403, code="permission_denied", detail=detail)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """What Django answers at an address where there is nothing; for programs as a problem."""
    if _is_for_programs(request):
        return problems.not_found()
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """What Django answers where we have a defect; for programs as a problem."""
    return problems.defect() if _is_for_programs(request) else defaults.server_error(request)


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/health/", "/metrics"))
