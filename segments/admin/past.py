"""The past of a segment on the screen: who was in then, who came and went, and lists of them."""

from datetime import datetime
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.models import Contact
from segments import fixed_lists, past, past_files, versions
from segments.admin.from_file import FileSegmentForm
from segments.errors import PastNotYet
from segments.fixed_lists import Choice
from segments.members import Member
from segments.models import Calculation, Segment
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import number
from workspace.errors import DomainError

_PAGE = 50


class PastPages(PagesAdmin):
    """Two calculations compared, and segments made of those who were in, came or went."""

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            found: URLPattern = path(route, wrapped, name=f"segments_segment_{name}")
            return found

        return [
            at("<path:object_id>/history/compare/", self.compare_view, "compare"),
            at("<path:object_id>/make-list/", self.make_list_view, "make_list"),
            at("<path:object_id>/past-file/", self.past_file_view, "past_file"),
            *super().get_urls(),
        ]

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Who entered and who left between two calculations."""
        segment: Segment = self.visible_or_404(request, object_id)
        begin, end = _span(request, segment)
        since = past.logged_at(begin) if begin is not None else None
        until = past.logged_at(end)
        flow = past.flow_between(segment, since=since, until=until)
        asked = request.GET.get("kind")
        kind: past.Kind = "left" if asked == "left" else "entered"
        if asked is None and not flow.entered and flow.left:
            kind = "left"
        after = _whole(request.GET.get("after")) or 0
        found = past.flow_page(
            segment, kind, since=since, until=until, after=after, limit=_PAGE + 1
        )
        context = self.thing_context(request, segment, page="history", title=_("History"))
        marks = {"to": end.pk} | ({"from": begin.pk} if begin is not None else {})
        context.update(
            **_listed(request, found, after),
            begin=begin,
            end=end,
            kind=kind,
            entered=number(flow.entered),
            left=number(flow.left),
            net=f"{flow.net:+,}".replace("-", "−"),
            kinds=[
                ("entered", _("Entered"), number(flow.entered), _query(marks, kind="entered")),
                ("left", _("Left"), number(flow.left), _query(marks, kind="left")),
            ],
            list_url=_list_url(request, segment, _query(marks, kind=kind)) if found else "",
            file_url=_file_url(request, segment, _query(marks, kind=kind)) if found else "",
        )
        return TemplateResponse(request, "segments/compare.html", context)

    def past_file_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Those who were in, came or went, as CSV."""
        segment: Segment = self.visible_or_404(request, object_id)
        actor = actor_of(request)
        if not actor.may("segments.export_segment"):
            raise PermissionDenied
        choice = _choice(request, segment)
        # Given away with the answer, which closes it.
        stream = TemporaryFile()  # noqa: SIM115
        try:
            past_files.write_file(choice, stream, actor=actor, at=timezone.now())
        except DomainError as error:
            stream.close()
            self.message_user(request, str(error), messages.ERROR)
            back = reverse("admin:segments_segment_history", args=[segment.pk])
            return HttpResponseRedirect(back)
        stream.seek(0)
        name = f"{segment.key}-{choice.kind}-{choice.until:%Y-%m-%d}.csv"
        return FileResponse(stream, as_attachment=True, filename=name, content_type="text/csv")

    def make_list_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new segment of those who were in, came or went; then the job that fills it."""
        segment: Segment = self.visible_or_404(request, object_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        choice = _choice(request, segment)
        actor = actor_of(request)
        is_post = request.method == "POST"
        form = FileSegmentForm(
            request.POST if is_post else None,
            actor=actor,
            initial={"name": f"{segment.name[:120]}: {choice.title}"[:200]},
        )
        for name in ("refresh_mode", "refresh_amount", "refresh_unit"):
            del form.fields[name]
        if is_post and form.is_valid():
            given = form.settings()
            given.pop("refresh_unit", None)
            try:
                made, _job = fixed_lists.request_list(
                    choice, actor=actor, at=timezone.now(), **given
                )
            except DomainError as error:
                form.add_problems(error)
            else:
                message = _("“%(name)s” is being filled.") % {"name": made}
                self.message_user(request, message, messages.SUCCESS)
                return HttpResponseRedirect(
                    reverse("admin:segments_segment_change", args=[made.pk])
                )
        context = self.thing_context(request, segment, page="history", title=segment.name)
        context.update(
            form=form,
            media=self.media + form.media,
            choice_title=choice.title,
            count=number(past_files.count(choice)),
        )
        return TemplateResponse(request, "segments/make_list.html", context)


def _file_url(request: HttpRequest, segment: Segment, query: str) -> str:
    """Where these are downloaded; empty for who may not export."""
    if not actor_of(request).may("segments.export_segment"):
        return ""
    return reverse("admin:segments_segment_past_file", args=[segment.pk]) + query


def members_then_page(admin: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """Who was in at the moment that the address names, and by which criteria."""
    context = admin.thing_context(request, segment, page="members", title=_("Members"))
    context["as_of_text"] = text = request.GET.get("as_of", "")
    at = _moment(text)
    try:
        if at is None:
            raise PastNotYet(_("That is no date and time."))
        moment = past.look_back(segment, at=at, now=timezone.now())
        after, before = _whole(request.GET.get("after")), _whole(request.GET.get("before"))
        if before is not None:
            found = past.last_before(segment, at=at, before=before, limit=_PAGE + 1)
        else:
            found = past.members_page_at(segment, at=at, after=after or 0, limit=_PAGE + 1)
    except DomainError as error:
        context["refusal"] = str(error)
        return TemplateResponse(request, "segments/members_then.html", context)
    version = moment.version
    query = _query({}, kind="members", until=at.isoformat())
    context.update(
        **_listed(request, found, after or 0, before),
        moment=moment,
        count=number(moment.count),
        version=version,
        sentence=versions.sentence_of(segment, version, actor=actor_of(request))
        if version is not None
        else "",
        list_url=_list_url(request, segment, query) if moment.count else "",
        file_url=_file_url(request, segment, query) if moment.count else "",
    )
    return TemplateResponse(request, "segments/members_then.html", context)


def _listed(
    request: HttpRequest, found: list[Member], after: int, before: int | None = None
) -> dict[str, Any]:
    """One page of contacts for the template, of one more than it shows."""
    is_more = len(found) > _PAGE
    shown = found[-_PAGE:] if before is not None else found[:_PAGE]
    may_see = actor_of(request).may("contacts.view_contact")
    names = Contact.objects.in_bulk([one.contact_id for one in shown]) if may_see else {}
    has_next = bool(shown) and (before is not None or is_more)
    has_previous = bool(shown) and (is_more if before is not None else bool(after))
    return {
        "rows": [(member, names.get(member.contact_id)) for member in shown],
        "next": shown[-1].contact_id if has_next else None,
        "previous": shown[0].contact_id if has_previous else None,
        "may_see": may_see,
    }


def _span(request: HttpRequest, segment: Segment) -> tuple[Calculation | None, Calculation]:
    """The two calculations that the address names, in their order; the first may be missing."""
    ids = [_whole(request.GET.get(name)) for name in ("from", "to")]
    found = {
        one.pk: one
        for one in Calculation.objects.filter(
            segment_id=segment.pk, pk__in=[pk for pk in ids if pk is not None]
        )
    }
    if any(pk is not None and pk not in found for pk in ids) or ids[1] is None:
        raise Http404
    begin, end = found.get(ids[0] or 0), found[ids[1]]
    if begin is not None and past.logged_at(begin) > past.logged_at(end):
        begin, end = end, begin
    return begin, end


def _choice(request: HttpRequest, segment: Segment) -> Choice:
    kind: Any = request.GET.get("kind")
    if kind == "members":
        until = _moment(request.GET.get("until", ""))
        if until is None:
            raise Http404
        return Choice(segment, "members", until)
    if kind not in {"entered", "left"}:
        raise Http404
    begin, end = _span(request, segment)
    since = past.logged_at(begin) if begin is not None else None
    return Choice(segment, kind, past.logged_at(end), since)


def _list_url(request: HttpRequest, segment: Segment, query: str) -> str:
    """Where a segment of these is made; empty for who may not make any."""
    if not actor_of(request).may("segments.add_segment"):
        return ""
    return reverse("admin:segments_segment_make_list", args=[segment.pk]) + query


def _query(marks: dict[str, Any], **more: str) -> str:
    return f"?{urlencode({**marks, **more})}"


def _moment(text: str) -> datetime | None:
    """The instant that a person or a link means; without an offset in the workspace's zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return timezone.make_aware(at) if at.tzinfo is None else at
    except (ValueError, OverflowError):
        return None


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None
