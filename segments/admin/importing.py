"""Segments of other systems on the screen: choose, import, see the last reading (AN-26)."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanWidget

from integrations.errors import ConnectionUnknown, ConnectorError
from integrations.models import VendorConnection
from integrations.vendors import registry
from integrations.vendors.importers import RemoteSegment, importer_of
from segments.admin.forms import arrange_groups
from segments.imported import importing, offers
from segments.imported.offers import Offer
from segments.imported.staging import SKIPPED_KEPT
from segments.imported.syncing import system_of
from segments.models import ImportedSegment, Segment, SkippedKey
from workspace import jobs
from workspace.access import Actor, actor_of
from workspace.admin import (
    ObjectActionsAdmin,
    PagesAdmin,
    job_context,
    object_action,
    page_context,
)
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_MEDIA = forms.Media(js=("segments/import.js",), css={"all": ("segments/import.css",)})
_SKIPPED_PAGE = 100
_REASONS = {
    SkippedKey.Reason.NON_MEMBER: ("warning", "loyalty"),
    SkippedKey.Reason.UNKNOWN: ("neutral", "person_off"),
    SkippedKey.Reason.UNREADABLE: ("bad", "error"),
}


class ImportForm(forms.Form):
    """Whose the segments will be, and who can be in them."""

    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    members_only = forms.BooleanField(
        label=gettext_lazy("Loyalty members only"),
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy(
            "Who is no member of the loyalty programme is left out, and comes in by joining it."
        ),
    )
    mail_findings = forms.BooleanField(
        label=gettext_lazy("Mail findings to the owner"),
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget(),
    )

    def __init__(self, data: Any = None, *, actor: Actor) -> None:
        super().__init__(data)
        arrange_groups(self, actor)

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field, the others above."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path.split("[")[0]
            self.add_error(name if name in self.fields else None, problem.message)


def is_synchronized(segment: Segment) -> bool:
    """Whether its members are still read from another system."""
    if segment.source != Segment.Source.IMPORTED or segment.status == Segment.Status.ARCHIVED:
        return False
    return ImportedSegment.objects.filter(pk=segment.pk, stopped_at__isnull=True).exists()


class ImportedSegmentPages(PagesAdmin, ObjectActionsAdmin):
    """Importing segments, and the page that says where one comes from."""

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            found: URLPattern = path(route, wrapped, name=f"segments_segment_{name}")
            return found

        return [
            at("import/", self.import_view, "import"),
            at("import/<int:connection_id>/counts/", self.counts_view, "import_counts"),
            at("<path:object_id>/imported/", self.imported_page, "imported"),
            *super().get_urls(),
        ]

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """With the page of where it comes from, for imported segments."""
        tabs = super().tabs_of(request, thing, current)
        if thing.source == Segment.Source.IMPORTED:
            url = reverse("admin:segments_segment_imported", args=[thing.pk])
            is_current = current == "imported"
            tabs.insert(1, {"title": _("Import"), "url": url, "is_current": is_current})
        return tabs

    @object_action(
        gettext_lazy("Synchronize now"),
        permission="segments.refresh_segment",
        icon="cloud_sync",
        consequence=gettext_lazy(
            "A worker reads who is in the segment of the other system: who came in there comes in,"
            " who left it leaves. Until all of it is read its members stay as they are."
        ),
        is_offered=is_synchronized,
    )
    def synchronize_now(self, request: HttpRequest, segment: Segment) -> str:
        importing.request_sync(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is being read.") % {"name": segment}

    @object_action(
        gettext_lazy("Stop importing"),
        permission="segments.change_segment",
        icon="link_off",
        consequence=gettext_lazy(
            "Nothing is read for it any more: it stays as it is, with its last members, and can"
            " still be used. This cannot be taken back; the segment of the other system can be"
            " imported anew, as another one."
        ),
        is_offered=is_synchronized,
    )
    def stop_importing(self, request: HttpRequest, segment: Segment) -> str:
        importing.stop_importing(segment, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is imported no more.") % {"name": segment}

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """The segments of a connection, to choose from."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        known = list(offers.importable_connections(actor))
        chosen = _chosen(request, known)
        context = {
            **page_context(self, request, title=_("Import segments")),
            "media": self.media + _MEDIA,
            "connections": [(one, address_of_import(one), one == chosen) for one in known],
            "connection": chosen,
            "close_url": reverse("admin:segments_segment_changelist"),
            "authorize_url": _authorize_address(actor),
            "systems": ", ".join(
                one.label for one in registry.vendors() if importer_of(one.kind) is not None
            ),
        }
        form = ImportForm(request.POST or None, actor=actor)
        if chosen is not None:
            if request.method == "POST" and form.is_valid():
                answer = self._import(request, chosen, form)
                if answer is not None:
                    return answer
            context |= _listed(chosen, actor, request)
        return TemplateResponse(request, "segments/import.html", {**context, "form": form})

    def counts_view(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        """How many are in each of the segments `ids`, as far as that is known soon."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        wanted = set(request.GET.getlist("id")[:20])
        try:
            connection = offers.find_importable(connection_id, actor=actor)
            found = [Offer(RemoteSegment(remote_id, "")) for remote_id in sorted(wanted)]
            until = timezone.now() + offers.COUNTED_WITHIN
            told = offers.counted(connection, found, actor=actor, until=until)
        except ConnectionUnknown as error:
            raise Http404(str(error)) from error
        except DomainError as error:
            return JsonResponse({"counts": {}, "problem": str(error)})
        counts = {
            one.remote.id: None if one.remote.count is None else number(one.remote.count)
            for one in told
        }
        return JsonResponse({"counts": counts})

    def imported_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Where an imported segment comes from, its last reading, and whom that left out."""
        segment: Segment = self.visible_or_404(request, object_id)
        if segment.source != Segment.Source.IMPORTED:
            raise Http404
        imported = importing.find_imported(segment)
        context = self.thing_context(request, segment, page="imported", title=segment.name)
        context["media"] = self.media + _MEDIA
        own = {"synchronize_now", "stop_importing"}
        context["buttons"] = [one for one in self.buttons(request, segment) if one["name"] in own]
        if imported is not None:
            after = _place(request.GET.get("after", ""))
            reason = request.GET.get("reason", "")
            context |= _told(imported, segment, actor_of(request), reason=reason, after=after)
        return TemplateResponse(request, "segments/imported.html", context)

    def _import(
        self, request: HttpRequest, connection: VendorConnection, form: ImportForm
    ) -> HttpResponse | None:
        given = form.cleaned_data
        try:
            made, _job = importing.import_segments(
                connection,
                request.POST.getlist("segments"),
                actor=actor_of(request),
                at=timezone.now(),
                groups=given.get("groups", []),
                members_only=given["members_only"],
                mail_findings=given["mail_findings"],
            )
        except DomainError as error:
            form.add_problems(error)
            return None
        told = ngettext(
            "%(count)d segment is imported: a worker reads who is in it.",
            "%(count)d segments are imported: a worker reads who is in them.",
            len(made),
        )
        self.message_user(request, told % {"count": len(made)}, messages.SUCCESS)
        if len(made) == 1:
            url = reverse("admin:segments_segment_imported", args=[made[0].pk])
            return HttpResponseRedirect(url)
        return HttpResponseRedirect(reverse("admin:segments_segment_changelist"))


def _chosen(request: HttpRequest, known: list[VendorConnection]) -> VendorConnection | None:
    wanted = request.GET.get("connection", "")
    if not wanted:
        return known[0] if known else None
    for one in known:
        if str(one.pk) == wanted:
            return one
    raise Http404


def _listed(connection: VendorConnection, actor: Actor, request: HttpRequest) -> dict[str, Any]:
    """The rows of the page, or why there are none."""
    chosen = set(request.POST.getlist("segments"))
    try:
        found = offers.offers(connection, actor=actor)
    except DomainError as error:
        return {"refusal": str(error), "is_vendors": isinstance(error, ConnectorError)}
    rows = [
        {
            "offer": one,
            "count": "" if one.remote.count is None else number(one.remote.count),
            "is_chosen": one.remote.id in chosen,
        }
        for one in found
    ]
    return {
        "rows": rows,
        "total": number(len(rows)),
        "counts_url": reverse("admin:segments_segment_import_counts", args=[connection.pk]),
    }


def _told(
    imported: ImportedSegment, segment: Segment, actor: Actor, *, reason: str, after: int
) -> dict[str, Any]:
    """What the page says of an imported segment; of those left out a page `after` a place."""
    skipped = SkippedKey.objects.filter(segment_id=imported.pk, place__gt=after)
    is_filtered = reason in SkippedKey.Reason.values
    if is_filtered:
        skipped = skipped.filter(reason=reason)
    shown = list(skipped.order_by("place")[: _SKIPPED_PAGE + 1]) if _may_look(actor) else []
    is_more, shown = len(shown) > _SKIPPED_PAGE, shown[:_SKIPPED_PAGE]
    further = {"after": shown[-1].place if shown else 0} | (
        {"reason": reason} if is_filtered else {}
    )
    job = jobs.unfinished(f"import:{imported.connection_id}", importing.SYNC_JOB)
    counts = {
        SkippedKey.Reason.NON_MEMBER: imported.non_member_count,
        SkippedKey.Reason.UNKNOWN: imported.unknown_count,
        SkippedKey.Reason.UNREADABLE: imported.unreadable_count,
    }
    page = reverse("admin:segments_segment_imported", args=[segment.pk])
    return {
        "imported": imported,
        "system": system_of(imported),
        "state": state_badge(imported),
        "connection_state": VendorConnection.State(imported.connection.state).label,
        "is_still": not imported.connection.is_enabled,
        "members": number(segment.member_count),
        "figures": {
            name: number(getattr(imported, f"{name}_count"))
            for name in ("source", "matched", "non_member", "unknown", "unreadable", "duplicate")
        },
        "reasons": [
            (one.label, number(count), f"{page}?{urlencode({'reason': one.value})}", one == reason)
            for one, count in counts.items()
            if count
        ],
        "all_url": page,
        "is_filtered": is_filtered,
        "skipped": [
            {
                "key": one.key or "–",
                "badge": badge(one.get_reason_display(), *_REASONS[SkippedKey.Reason(one.reason)]),
            }
            for one in shown
        ],
        "skipped_total": number(sum(counts.values())),
        "next_url": f"{page}?{urlencode(further)}" if is_more else "",
        "is_first": after < 0,
        "connection_url": (
            reverse("admin:integrations_vendorconnection_change", args=[imported.connection_id])
            if actor.may("integrations.view_vendorconnection")
            else ""
        ),
        "kept": number(SKIPPED_KEPT),
        "may_look": _may_look(actor),
        "running": job_context(job) if job is not None and imported.requested_at else None,
    }


def _place(text: str) -> int:
    """After which place the list begins; before the first where nothing is said."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1


def state_badge(imported: ImportedSegment) -> Any:
    """How the import stands, as a word with a colour."""
    if imported.stopped_at is not None:
        return badge(_("imported no more"), "neutral", "link_off")
    if imported.missing_since is not None:
        return badge(_("missing there"), "bad", "cloud_off")
    if imported.error:
        return badge(_("last reading failed"), "bad", "error")
    if imported.last_sync_at is None:
        return badge(_("not read yet"), "neutral", "schedule")
    return badge(_("synchronized"), "good", "cloud_done")


def _may_look(actor: Actor) -> bool:
    return actor.may("contacts.view_contact")


def address_of_import(connection: VendorConnection) -> str:
    """Where the segments of a connection are chosen."""
    return f"{reverse('admin:segments_segment_import')}?{urlencode({'connection': connection.pk})}"


def _authorize_address(actor: Actor) -> str:
    """Where one connects to another system, for who may."""
    if not actor.may("integrations.add_vendorconnection"):
        return ""
    try:
        return reverse("admin:integrations_vendorconnection_changelist")
    except NoReverseMatch:
        return ""
