"""The card on a connection's page: which segments are imported over it, and how they stand."""

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.admin.authorization_panels import Panel, register_panel
from integrations.admin.delivery_pictures import ago
from integrations.models import VendorConnection
from integrations.vendors.importers import importer_of
from segments.admin.importing import address_of_import, state_badge
from segments.lifecycle import known_segments
from segments.models import ImportedSegment
from workspace.access import actor_of
from workspace.admin.pictures import number

_SHOWN = 20


def _panel(request: HttpRequest, connection: VendorConnection) -> Panel | None:
    if importer_of(connection.kind) is None:
        return None
    actor = actor_of(request)
    living = ImportedSegment.objects.filter(connection=connection, stopped_at__isnull=True)
    known = living.filter(segment__in=known_segments(actor)).select_related("segment")
    count, shown = known.count(), list(known.order_by("remote_name", "pk")[:_SHOWN])
    url = ""
    if actor.may("segments.add_segment") and connection.is_enabled:
        url = address_of_import(connection)
    context = {
        "rows": [_row(one) for one in shown] if actor.may("segments.view_segment") else [],
        "more": number(count - len(shown)) if count > len(shown) else "",
        "url": url,
    }
    html = render_to_string("segments/imported_panel.html", context, request)
    links: list[tuple[Any, str]] = [(_("Import segments"), url)] if url else []
    return Panel(gettext_lazy("Imported segments"), html, links)


def _row(imported: ImportedSegment) -> dict[str, Any]:
    return {
        "imported": imported,
        "url": reverse("admin:segments_segment_imported", args=[imported.pk]),
        "badge": state_badge(imported),
        "last": ago(imported.last_sync_at),
        "there": number(imported.source_count),
        "matched": number(imported.matched_count),
    }


register_panel("imported segments", _panel)
