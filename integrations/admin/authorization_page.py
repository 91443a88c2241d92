"""What the pages of a connection show."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from integrations import delivery_log
from integrations.admin.authorization_panels import panels_for
from integrations.admin.authorization_pictures import (
    connection_state,
    counts_in_words,
    instant,
    limits,
    records_in_words,
    sync_badge,
    sync_chart,
    website_badge,
)
from integrations.admin.delivery_pictures import ago, moment
from integrations.models import ConnectionWebsite, VendorCall, VendorConnection, VendorSync
from integrations.vendors import accounts, calls, connections, owners, registry
from integrations.vendors.syncing import subject_of
from workspace import access
from workspace.access import actor_of
from workspace.admin import job_context
from workspace.admin.pictures import number
from workspace.models import Job, Website

_SYNCS, _CALLS_SHOWN = 40, 5


def page_of(request: HttpRequest, connection: VendorConnection) -> dict[str, Any]:
    """What the overview needs; as many queries for much as for little."""
    actor = actor_of(request)
    vendor = registry.find_vendor(connection.kind)
    syncs = list(connection.syncs.all()[:_SYNCS])
    (counts,) = delivery_log.unfinished([connection.pk]).values()
    log = reverse("admin:integrations_delivery_changelist")
    first_data_by = connection.authorized_at + connections.FIRST_DATA_WITHIN
    may_change = actor.may(connections.CHANGE) and connection.state not in {
        VendorConnection.State.REVOKED,
        VendorConnection.State.REVOKING,
    }
    return {
        "vendor": vendor,
        "badge": connection_state(connection),
        "first_data_by": instant(first_data_by) if connection.state == "first_data" else "",
        "first_data_after": _first_data_after(connection),
        "last_synced": ago(connection.last_synced_at),
        "next_sync": instant(connection.next_sync_at) if connection.next_sync_at else "–",
        "queued": number(counts.queued),
        "failed": number(counts.failed),
        "log_url": f"{log}?connection__id__exact={connection.pk}",
        "may_see_log": actor.may("integrations.view_delivery"),
        "jobs": [job_context(job) | _cancel(job, actor) for job in _running(connection, actor)],
        "rows": _syncs(_newest(syncs), connection),
        "sync_chart": sync_chart(syncs),
        "limits": limits(connection),
        "calls": _calls(calls.calls_of(connection, _CALLS_SHOWN), actor),
        "websites": _websites(connection),
        "has_syncs": bool(registry.syncs_of(connection.kind)),
        "has_websites": bool(vendor and vendor.has_websites),
        "may_change": may_change,
        "others": _others(connection) if may_change and vendor and vendor.has_websites else [],
        "beside": accounts.beside(connection) if may_change and vendor else [],
        "told": owners.told_in_words(connection) if connection.revoked_at is None else "",
        "panels": panels_for(request, connection),
    }


def syncs_context(connection: VendorConnection) -> dict[str, Any]:
    """What the page of synchronizations needs."""
    syncs = list(connection.syncs.all()[:_SYNCS])
    return {"rows": _syncs(syncs, connection), "sync_chart": sync_chart(syncs)}


def calls_context(request: HttpRequest, connection: VendorConnection) -> dict[str, Any]:
    """What the page of calls needs."""
    return {
        "calls": _calls(calls.calls_of(connection), actor_of(request)),
        "days": calls.KEPT.days,
        "limits": limits(connection),
    }


def _first_data_after(connection: VendorConnection) -> str:
    """How long it took until the first data were there, in hours and minutes."""
    if connection.first_synced_at is None:
        return ""
    seconds = max(0, int((connection.first_synced_at - connection.authorized_at).total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02d} min" if seconds >= 60 else f"{seconds} s"


def _running(connection: VendorConnection, actor: access.Actor) -> list[Job]:
    """What is being done with it that this person may know of."""
    jobs = Job.objects.filter(
        subject=subject_of(connection.pk), state__in=[Job.State.QUEUED, Job.State.RUNNING]
    )
    found = list(jobs.select_related("user", "api_user").order_by("pk"))
    return found if actor.may("integrations.view_vendorconnection") else []


def _cancel(job: Job, actor: access.Actor) -> dict[str, Any]:
    """Where one cancels it, for who may."""
    if not access.may_cancel(job, actor) or job.cancel_requested:
        return {"cancel_url": ""}
    return {"cancel_url": reverse("admin:workspace_job_action", args=[job.pk, "cancel_job"])}


def _newest(syncs: list[VendorSync]) -> list[VendorSync]:
    """The last one of each kind, the newest first."""
    found: dict[str, VendorSync] = {}
    for one in syncs:
        found.setdefault(one.name, one)
    return list(found.values())


def _syncs(syncs: list[VendorSync], connection: VendorConnection) -> list[dict[str, Any]]:
    labels = {one.name: one.label for one in registry.syncs_of(connection.kind)}
    now = timezone.now()
    return [
        {
            "label": labels.get(one.name, one.name),
            "badge": sync_badge(one),
            "at": moment(one.started_at),
            "seconds": number(round(one.took(now).total_seconds())),
            "words": counts_in_words(one),
            "error": one.error,
        }
        for one in syncs
    ]


def _calls(found: list[VendorCall], actor: access.Actor) -> list[dict[str, Any]]:
    is_whole = calls.may_read(actor)
    return [
        {
            "call": calls.told(one, is_whole=is_whole),
            "at": moment(one.at),
            "is_bad": one.status is None or one.status >= 400,
            "said": one.status or one.error,
        }
        for one in found
    ]


def _websites(connection: VendorConnection) -> list[dict[str, Any]]:
    """Its websites, those that left at the end."""
    rows = connection.connection_websites.select_related("website")
    order = list(ConnectionWebsite.State)
    return [
        {
            "row": one,
            "badge": website_badge(one),
            "is_attached": one.state == ConnectionWebsite.State.ATTACHED,
            "deleted": records_in_words(one.deleted_count) if one.deleted_count else "",
            "left_at": instant(one.left_at) if one.left_at else "",
        }
        for one in sorted(rows, key=lambda one: (order.index(_state(one)), one.website.name))
    ]


def _state(row: ConnectionWebsite) -> ConnectionWebsite.State:
    return ConnectionWebsite.State(row.state)


def _others(connection: VendorConnection) -> list[Website]:
    """The websites that it could be for, too."""
    mine = connection.connection_websites.exclude(state=ConnectionWebsite.State.LEFT)
    return list(Website.objects.exclude(pk__in=mine.values("website_id")))
