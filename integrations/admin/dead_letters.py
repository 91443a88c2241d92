"""Dead letters on the screen: what failed for good, by reason, sent again or dropped together."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from integrations import dead_letters, deliveries
from integrations.admin.delivery_pictures import ago, connection_badge, moment
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError

_RETRY, _DROP = "retry", "drop"


class DeadLetterPages(ModelAdmin):
    """The page of what failed, and its buttons."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.dead_letters_view)
        deal = self.admin_site.admin_view(require_POST(self.deal_view))
        return [
            path("failed/", page, name="integrations_delivery_failed"),
            path("failed/deal/", deal, name="integrations_delivery_deal"),
            *super().get_urls(),
        ]

    def dead_letters_view(self, request: HttpRequest) -> HttpResponse:
        """What failed, of all connections or of one, the largest group first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor, connection_id = actor_of(request), _whole(request.GET.get("connection", ""))
        found = dead_letters.find_dead_letters(actor=actor, connection_id=connection_id)
        log = reverse("admin:integrations_delivery_changelist")
        context = page_context(self, request, title=_("What failed"))
        context |= {
            "groups": [
                {
                    "letters": one,
                    "count": number(one.count),
                    "badge": connection_badge(one.connection),
                    "since": moment(one.since),
                    "last": ago(one.last_at),
                    "words": one.reason or _("no reason was said"),
                    "newest_url": reverse(
                        "admin:integrations_delivery_change", args=[one.newest_id]
                    ),
                    "log_url": f"{log}?state__exact=failed"
                    f"&connection__id__exact={one.connection.pk}",
                }
                for one in found
            ],
            "total": number(sum(one.count for one in found)),
            "may_deal": actor.may(deliveries.RETRY),
            "deal_url": reverse("admin:integrations_delivery_deal"),
            "log_url": log,
        }
        return TemplateResponse(request, "integrations/dead_letters.html", context)

    def deal_view(self, request: HttpRequest) -> HttpResponse:
        """Send again or drop what failed of one type over one connection for one reason."""
        actor, connection_id = actor_of(request), _whole(request.POST.get("connection", ""))
        if not actor.may(deliveries.RETRY):
            raise PermissionDenied
        if connection_id is None:
            raise Http404
        drops = request.POST.get("verb") == _DROP
        deal = dead_letters.drop_dead_letters if drops else dead_letters.retry_dead_letters
        try:
            count = deal(
                connection_id,
                kind=request.POST.get("kind"),
                reason=request.POST.get("reason"),
                actor=actor,
                at=timezone.now(),
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            text = ngettext("%(n)s is sent again.", "%(n)s are sent again.", count)
            if drops:
                text = ngettext("%(n)s is dropped.", "%(n)s are dropped.", count)
            self.message_user(request, text % {"n": number(count)})
        return HttpResponseRedirect(reverse("admin:integrations_delivery_failed"))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def failed_url(connection_id: Any) -> str:
    """The page of what failed over one connection."""
    return f"{reverse('admin:integrations_delivery_failed')}?connection={connection_id}"
