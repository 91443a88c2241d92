"""The ledger of points on the screen: read-only; a mistake is corrected by a reversal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from contacts.models import Contact
from loyalty.admin.member_standing import Account, what, why
from loyalty.models import PointsPosting
from loyalty.programme import points
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_PAGE = 50
_KINDS = {
    "issued": "issued",
    "spent": "spent",
    "expired": "expired",
    "adjusted": "adjusted",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the ledger as the page shows it."""

    posting: PointsPosting
    kind: SafeString
    step: str
    is_gain: bool
    why: str
    name: str
    is_reversible: bool


def rows_of(contact_id: int, count: int) -> list[Row]:
    """The newest lines of a member."""
    found = PointsPosting.objects.filter(contact_id=contact_id).select_related("rule")
    return _rows(list(found.order_by("-id")[:count]))


def ledger_view(screen: ModelAdmin) -> Callable[[HttpRequest], HttpResponse]:
    """The page with all lines, newest first."""

    def view(request: HttpRequest) -> HttpResponse:
        actor = actor_of(request)
        if not actor.may("loyalty.view_pointsposting"):
            raise PermissionDenied
        asked = {name: request.GET.get(name, "").strip() for name in ("contact", "kind", "before")}
        found = PointsPosting.objects.select_related("rule").order_by("-id")
        contact = _number(asked["contact"].lstrip("#"))
        if asked["contact"]:
            found = found.filter(contact_id=contact or 0)
        if asked["kind"] in _KINDS:
            account = asked["kind"]
            found = found.filter(debit=account) | found.filter(credit=account)
        if before := _number(asked["before"]):
            found = found.filter(id__lt=before)
        some = list(found[: _PAGE + 1])
        context = page_context(screen, request, title=_("Points ledger"))
        older = {name: asked[name] for name in ("contact", "kind") if asked[name]}
        context.update(
            media=screen.media,
            rows=_rows(some[:_PAGE]),
            asked=asked,
            is_filtered=bool(asked["contact"] or asked["kind"]),
            kinds=[(key, Account(key).label) for key in _KINDS],
            older=urlencode({**older, "before": some[_PAGE - 1].id}) if len(some) > _PAGE else "",
            is_newest=not before,
            may_reverse=actor.may(points.PERMISSION),
            may_see_members=actor.may("loyalty.view_member"),
            here=request.get_full_path(),
        )
        return TemplateResponse(request, "loyalty/points_ledger.html", context)

    return view


def reverse_view(request: HttpRequest, posting_id: int) -> HttpResponse:
    """Undo a line, and go back to where one was."""
    actor = actor_of(request)
    if not actor.may(points.PERMISSION):
        raise PermissionDenied
    try:
        posting = points.reverse_posting(
            contact_id=points.owner_of(posting_id),
            posting_id=posting_id,
            reason=request.POST.get("reason", "").strip(),
            actor=actor,
            at=timezone.now(),
        )
    except DomainError as error:
        messages.error(request, str(error))
    else:
        words = {"points": number(points.balance(posting.contact_id))}
        messages.success(request, _("Reversed: %(points)s points now.") % words)
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = reverse("admin:loyalty_points")
    return HttpResponseRedirect(back)


def end_of(day: date) -> datetime:
    """The instant at which a day of the workspace is over."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(settings.TIME_ZONE))


def _rows(postings: Sequence[PointsPosting]) -> list[Row]:
    contacts = Contact.objects.in_bulk({posting.contact_id for posting in postings})
    reversed_ids = set(
        PointsPosting.objects.filter(
            contact_id__in=set(contacts), reverses_id__in=[posting.id for posting in postings]
        ).values_list("reverses_id", flat=True)
    )
    now = timezone.now()
    rows = []
    for posting in postings:
        contact = contacts.get(posting.contact_id)
        name = f"{contact.first_name} {contact.last_name}".strip() if contact else ""
        is_over = posting.expires_at is not None and posting.expires_at <= now
        is_final = posting.reverses_id is not None or posting.credit == Account.EXPIRED or is_over
        rows.append(
            Row(
                posting,
                badge(*what(posting)),
                f"{'+' if posting.step > 0 else '−'}{number(abs(posting.step))}",
                posting.step > 0,
                why(posting, posting.rule),
                name or (contact.email if contact else "") or f"#{posting.contact_id}",
                not is_final and posting.id not in reversed_ids,
            )
        )
    return rows


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
