"""Deliveries on the screen: what went out, what came of it, each attempt."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter

from integrations import deliveries
from integrations.admin.bodies import coloured
from integrations.admin.contact_names import contacts_named
from integrations.admin.dead_letters import DeadLetterPages
from integrations.admin.delivery_pictures import delivery_badge, moment
from integrations.models import Connection, Delivery
from workspace.access import actor_of
from workspace.admin import (
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)
from workspace.admin.lists import CappedPaginator
from workspace.exactjson import exact_dumps

State = Delivery.State
# The kinds of connections that have a screen of their own.
_SCREENS = {
    Connection.Kind.WEBHOOK: "webhook",
    Connection.Kind.WEB_PUSH: "pushconnection",
    Connection.Kind.FCM: "pushconnection",
    Connection.Kind.DOTDIGITAL: "vendorconnection",
    Connection.Kind.EMARSYS: "vendorconnection",
    Connection.Kind.SEGMENT: "vendorconnection",
}


@admin.register(Delivery)
class DeliveryAdmin(DeadLetterPages, ReadOnlyAdmin, ObjectActionsAdmin):
    """Nobody edits what was sent; what failed can be sent again."""

    list_display: Any = ("what", "state_badge", "over", "about", "tried", "created", "said")
    list_display_links = None
    list_filter = (
        "state",
        "connection",
        ("kind", FieldTextFilter),
        ("subject", FieldTextFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("=key",)
    search_help_text = gettext_lazy("By the id of a message, whole")
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    rows_name = gettext_lazy("deliveries")
    show_full_result_count = False
    list_before_template = "integrations/dead_letters_link.html"
    paginator = CappedPaginator
    list_select_related = ("connection",)
    empty_state = EmptyState(
        gettext_lazy(
            "What we send to webhooks and mail servers stands here, with each attempt and what was"
            " answered: for 30 days where it was delivered, for 90 where it failed."
        ),
        icon="outbox",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Delivery]":
        return deliveries.visible_deliveries(actor_of(request)).order_by("-pk")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                rows = list(shown.result_list)
                contacts = contacts_named(request, [one.contact_id for one in rows])
                for one in rows:
                    one.known = contacts.get(one.contact_id or 0)
        return answer

    @admin.display(description=gettext_lazy("type"))
    def what(self, delivery: Delivery) -> SafeString:
        return format_html(
            '<a class="rg-strong rg-break" href="{}">{}</a>',
            reverse("admin:integrations_delivery_change", args=[delivery.pk]),
            delivery.kind,
        )

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, delivery: Delivery) -> SafeString:
        return delivery_badge(delivery)

    @admin.display(description=gettext_lazy("to"))
    def over(self, delivery: Delivery) -> str:
        return delivery.connection.name

    @admin.display(description=gettext_lazy("contact"))
    def about(self, delivery: Any) -> SafeString:
        if delivery.known is None:
            return format_html('<span class="rg-faint">{}</span>', "–")
        page = reverse("admin:contacts_contact_change", args=[delivery.contact_id])
        return format_html('<a class="rg-link rg-break" href="{}">{}</a>', page, delivery.known)

    @admin.display(description=gettext_lazy("attempts"))
    def tried(self, delivery: Delivery) -> int:
        return delivery.attempts

    @admin.display(description=gettext_lazy("queued"))
    def created(self, delivery: Delivery) -> SafeString:
        return moment(delivery.created_at)

    @admin.display(description=gettext_lazy("last error"))
    def said(self, delivery: Delivery) -> SafeString:
        text = Truncator(delivery.last_error).chars(120)
        return format_html('<span class="rg-small rg-break">{}</span>', text)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One delivery: what it says, and each attempt."""
        delivery = self.get_object(request, object_id)
        if delivery is None or request.method == "POST":
            raise Http404
        known = contacts_named(request, [delivery.contact_id])
        screen = _SCREENS.get(delivery.connection.kind)
        context = page_context(self, request, title=delivery.kind)
        context |= {
            "delivery": delivery,
            "buttons": self.buttons(request, delivery),
            "badge": delivery_badge(delivery),
            "contact": known.get(delivery.contact_id or 0),
            "connection_url": (
                reverse(f"admin:integrations_{screen}_change", args=[delivery.connection_id])
                if screen
                else ""
            ),
            "body": coloured(exact_dumps(_in_order(deliveries.document_of(delivery)))),
            "created": moment(delivery.created_at),
            "due": moment(delivery.due_at) if delivery.state == State.QUEUED else "",
            "finished": moment(delivery.finished_at),
            "tries": [
                {"try": one, "at": moment(one.at)} for one in delivery.tries.order_by("-pk")[:50]
            ],
        }
        return TemplateResponse(request, "integrations/delivery.html", context)

    @object_action(
        gettext_lazy("Send again"),
        permission=deliveries.RETRY,
        icon="replay",
        consequence=gettext_lazy(
            "The same message is sent under the same id, with all its attempts before it. Whoever"
            " got it already knows it by that id."
        ),
        is_offered=lambda delivery: (
            delivery.state in {State.FAILED, State.CANCELLED, State.QUEUED}
            and delivery.payload != deliveries.FORGOTTEN
        ),
    )
    def retry(self, request: HttpRequest, delivery: Delivery) -> str:
        deliveries.retry_delivery(delivery.pk, actor=actor_of(request), at=timezone.now())
        if not delivery.connection.is_enabled:
            words = _("It waits: “%(name)s” is disabled, and is sent to when it is enabled.")
            return words % {"name": delivery.connection.name}
        return _("It is on its way.")


def _in_order(payload: Any) -> Any:
    """A payload as it is sent: the database keeps the names of a document in its own order."""
    if not isinstance(payload, dict):
        return payload
    first = [name for name in ("id", "type", "created_at", "data") if name in payload]
    return {name: payload[name] for name in dict.fromkeys([*first, *payload])}
