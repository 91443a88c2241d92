"""Uploaded metrics on the screen: how many records are at a vendor, which it refused, and why."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.admin.authorization_panels import Panel, register_panel
from integrations.admin.delivery_pictures import ago
from integrations.metric_uploads import records
from integrations.metric_uploads.records import Standing
from integrations.models import UploadChunk, VendorConnection
from integrations.vendors import registry, syncing
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_PAGE = 25
_TONES = {
    UploadChunk.State.SUBMITTING: ("info", "upload"),
    UploadChunk.State.SUBMITTED: ("info", "schedule"),
    UploadChunk.State.DONE: ("good", "check"),
    UploadChunk.State.FAILED: ("bad", "error"),
    UploadChunk.State.LOST: ("warning", "help"),
}


class UploadedRecordPages(PagesAdmin):
    """The tab “Records” of a connection whose vendor takes metrics."""

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """Without that of records where the vendor takes none."""
        tabs = super().tabs_of(request, thing, current)
        if takes_metrics(thing):
            return tabs
        unlisted = reverse("admin:integrations_vendorconnection_records", args=[thing.pk])
        return [tab for tab in tabs if tab["url"] != unlisted]

    def records_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """How the uploads stand, and what was refused, page after page."""
        actor = actor_of(request)
        may_sync = actor.may(records.SYNC)
        if request.method == "POST":
            if not may_sync:
                raise PermissionDenied
            self._upload_again(request, connection)
            return HttpResponseRedirect(request.path)
        website_id, reason = _whole(request.GET.get("website")), request.GET.get("reason", "")[:60]
        after = request.GET.get("after", "")
        found = records.refused_records(
            connection.pk, website_id=website_id, reason=reason, after=_place(after)
        )
        shown = list(found[: _PAGE + 1])
        rest, shown = shown[_PAGE:], shown[:_PAGE]
        standings = records.standings(connection.pk)
        context = self.thing_context(request, connection, page="records", title=_("Records"))
        context.update(
            standings=[standing_row(one) for one in standings],
            reasons=_reasons(standings, chosen=reason),
            chosen=reason,
            rows=shown,
            next=f"{shown[-1].contact_id}|{shown[-1].key}" if rest else "",
            is_first=not after,
            may_see=actor.may("contacts.view_contact"),
            may_sync=may_sync and connection.is_enabled and bool(standings),
            chunks=[_chunk_row(one) for one in records.chunks_of(connection.pk)],
        )
        return TemplateResponse(request, "integrations/uploaded_records.html", context)

    def _upload_again(self, request: HttpRequest, connection: VendorConnection) -> None:
        actor, at = actor_of(request), timezone.now()
        try:
            count = records.upload_again(connection.pk, actor=actor, at=at)
            syncing.request_sync(connection.pk, actor=actor, at=at, names=["metrics"])
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = ngettext("%(n)s record is sent again.", "%(n)s records are sent again.", count)
            self.message_user(request, text % {"n": number(count)}, messages.SUCCESS)


def takes_metrics(connection: VendorConnection) -> bool:
    """Whether metrics are uploaded to this vendor."""
    return any(one.name == "metrics" for one in registry.syncs_of(connection.kind))


def standing_row(one: Standing) -> dict[str, Any]:
    """How the uploads of a website stand, for the template."""
    return {
        "standing": one,
        "sent": number(one.sent),
        "due": number(one.due) if one.due else "",
        "leaving": number(one.leaving) if one.leaving else "",
        "refused": number(one.refused_count),
        "unknown": number(one.unknown_count) if one.unknown_count else "",
        "full": ago(one.full_at) if one.full_at else "",
        "is_bare": one.full_at is not None and not one.is_anything,
    }


def _panel(request: HttpRequest, connection: VendorConnection) -> Panel | None:
    if not takes_metrics(connection):
        return None
    rows = [standing_row(one) for one in records.standings(connection.pk)]
    html = render_to_string("integrations/uploaded_standings.html", {"standings": rows})
    url = reverse("admin:integrations_vendorconnection_records", args=[connection.pk])
    return Panel(gettext_lazy("Metrics of contacts"), html, [(_("Records"), url)])


def _reasons(standings: list[Standing], *, chosen: str) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for one in standings:
        for reason, count in one.refused.items():
            counts[reason] = counts.get(reason, 0) + count
    return [
        {
            "reason": reason,
            "count": number(count),
            "words": records.words_of(reason),
            "is_chosen": reason == chosen,
        }
        for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _chunk_row(one: UploadChunk) -> dict[str, Any]:
    return {
        "chunk": one,
        "badge": chunk_badge(one),
        "records": number(one.record_count),
        "refused": number(one.refused_count) if one.refused_count else "",
        "size": f"{one.byte_count / 1_000_000:.1f} MB",
        "at": ago(one.began_at),
    }


def chunk_badge(chunk: UploadChunk) -> SafeString:
    """What became of an import, as a word with a colour."""
    return badge(chunk.get_state_display(), *_TONES[UploadChunk.State(chunk.state)])


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _place(text: str) -> tuple[int, str] | None:
    contact, _bar, key = text.partition("|")
    return (int(contact), key[:400]) if contact.isascii() and contact.isdecimal() else None


register_panel("metric uploads", _panel)
