"""Browsers and apps on the screen: whose they are, since when, and why they ended."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import RangeDateTimeFilter

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from integrations.admin.contact_names import contacts_named
from integrations.admin.delivery_pictures import ago, moment
from integrations.models import PushSubscription
from integrations.push import subscriptions
from workspace.access import actor_of
from workspace.admin import (
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)
from workspace.admin.lists import CappedPaginator
from workspace.admin.pictures import badge

_SHOWN = 10


class EndedFilter(admin.SimpleListFilter):
    """Those that take messages, or those that ended."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("takes messages")), ("ended", _("ended"))]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[PushSubscription]"
    ) -> "QuerySet[PushSubscription]":
        if self.value() in {"open", "ended"}:
            return queryset.filter(ended_at__isnull=self.value() == "open")
        return queryset


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ReadOnlyAdmin, ObjectActionsAdmin):
    """Nobody edits them; one can be removed."""

    list_display: Any = ("what", "state_badge", "whose", "since", "last_sent")
    list_display_links = None
    list_filter = ("kind", EndedFilter, ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    empty_state = EmptyState(
        gettext_lazy(
            "Browsers and apps of people who allow you to show messages appear here, each with its"
            " person. They subscribe on your website or in your app."
        ),
        icon="devices",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PushSubscription]":
        found: QuerySet[PushSubscription] = super().get_queryset(request)
        return found.defer("sealed_keys")

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
                    one.known = contacts.get(one.contact_id)
        return answer

    @admin.display(description=gettext_lazy("device"))
    def what(self, found: PushSubscription) -> SafeString:
        page = reverse("admin:integrations_pushsubscription_change", args=[found.pk])
        return format_html('<a class="rg-strong rg-break" href="{}">{}</a>', page, name_of(found))

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, found: PushSubscription) -> SafeString:
        return subscription_badge(found)

    @admin.display(description=gettext_lazy("contact"))
    def whose(self, found: Any) -> SafeString:
        if found.known is None:
            return format_html('<span class="rg-faint">#{}</span>', found.contact_id)
        page = reverse("admin:contacts_contact_change", args=[found.contact_id])
        return format_html('<a class="rg-link rg-break" href="{}">{}</a>', page, found.known)

    @admin.display(description=gettext_lazy("since"))
    def since(self, found: PushSubscription) -> SafeString:
        return moment(found.created_at)

    @admin.display(description=gettext_lazy("last message"))
    def last_sent(self, found: PushSubscription) -> SafeString:
        return ago(found.last_sent_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One device: whose it is, and what is known of it."""
        found = self.get_object(request, object_id)
        if found is None or request.method == "POST":
            raise Http404
        contact = contacts_named(request, [found.contact_id]).get(found.contact_id)
        context = page_context(self, request, title=name_of(found))
        context |= {
            "buttons": self.buttons(request, found),
            "badge": subscription_badge(found),
            "device": found,
            "contact": contact,
            "service": subscriptions.service_of(found),
            "since": moment(found.created_at),
            "last_sent": ago(found.last_sent_at),
            "ended": moment(found.ended_at),
        }
        return TemplateResponse(request, "integrations/push_subscription.html", context)

    @object_action(
        gettext_lazy("Remove"),
        permission=subscriptions.DELETE,
        icon="notifications_off",
        variant="danger",
        consequence=gettext_lazy(
            "Nothing more is sent to this device, and what waits for it fails. A browser that"
            " still allows messages subscribes again at its next visit: whoever wants none turns"
            " them off there."
        ),
        confirm=gettext_lazy("Remove the device"),
        is_offered=lambda found: found.ended_at is None,
    )
    def remove(self, request: HttpRequest, found: PushSubscription) -> str:
        subscriptions.remove_subscription(
            found.contact_id, found.pk, actor=actor_of(request), at=timezone.now()
        )
        return _("It is removed.")


def name_of(found: PushSubscription) -> str:
    """What people call a device: what it said of itself, else its kind."""
    return found.device or (_("App") if found.kind == PushSubscription.Kind.FCM else _("Browser"))


def subscription_badge(found: PushSubscription) -> SafeString:
    """Whether it takes messages."""
    if found.ended_at is not None:
        return badge(_("ended"), "neutral", "notifications_off")
    return badge(_("takes messages"), "good", "notifications")


def _devices_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor = actor_of(request)
    if not actor.may(subscriptions.VIEW):
        return None
    found = list(subscriptions.subscriptions_of(contact.pk, actor=actor)[: _SHOWN + 1])
    rows = [
        {
            "device": one,
            "name": name_of(one),
            "badge": subscription_badge(one),
            "since": ago(one.created_at),
        }
        for one in found[:_SHOWN]
    ]
    return {"rows": rows, "is_more": len(found) > _SHOWN}


register_panel(
    Panel("push", gettext_lazy("Devices"), "integrations/push_panel.html", _devices_panel, 35)
)
