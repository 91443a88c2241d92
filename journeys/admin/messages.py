"""Messages on the screen: each that journeys sent or left out, as its receiver saw it."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    FieldTextFilter,
    RangeDateTimeFilter,
)

from integrations.admin.contact_names import contacts_named
from integrations.admin.delivery_pictures import delivery_badge, moment
from journeys.admin.message_badges import CHANNEL_ICONS, message_badge, message_badges
from journeys.messages import log
from journeys.messages.reactions import machine_visits_of, reactions_to
from journeys.messages.rendered import sent_mail
from journeys.models import Journey, Message
from workspace import access
from workspace.access import actor_of
from workspace.admin import (
    CappedPaginator,
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)

_DELIVERIES_SHOWN = 20
# An e-mail in a frame: it may show pictures, and do nothing.
_MAIL_POLICY = {
    "default-src": [NONE],
    "script-src": [NONE],
    "connect-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "img-src": ["https:", "http:", "data:"],
    "font-src": ["https:", "data:"],
    "form-action": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [SELF],
    "sandbox": [],
}


class JourneyFilter(DropdownFilter):
    """By journey, of those that one may know of."""

    title = gettext_lazy("journey")
    parameter_name = "journey"

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        known = access.visible(Journey.objects.order_by("name"), actor_of(request))
        return [(str(pk), name) for pk, name in known.values_list("pk", "name")[:500]]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if not self.value():
            return queryset
        if self.value() not in dict(self.lookup_choices):
            return queryset.none()
        return queryset.filter(journey_id=self.value())


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin, ObjectActionsAdmin):
    """Nobody edits what was sent; what failed or was left out can be sent again."""

    list_display: Any = ("what", "state_shown", "to", "of", "reacted", "at")
    list_filter = (
        JourneyFilter,
        ("state", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("lane", ChoicesDropdownFilter),
        ("node", FieldTextFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("address",)
    search_help_text = gettext_lazy("An e-mail address, whole, or the number of a contact")
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    empty_state = EmptyState(
        gettext_lazy(
            "Every e-mail and push message of a journey stands here: those that were sent, with"
            " what their receivers did, and those that were left out, with the reason."
        ),
        icon="mail",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Message]":
        known = log.visible_messages(actor_of(request))
        return known.select_related("journey").order_by("-pk")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        return log.of_receiver(queryset, search_term), False

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

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.mail_view)
        return [
            path("<path:object_id>/mail/", view, name="journeys_message_mail"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("message"))
    def what(self, message: Message) -> SafeString:
        return format_html(
            '<span class="rg-strong rg-iconed">'
            '<span class="material-symbols-outlined" aria-hidden="true">{}</span>'
            '<span class="rg-break">{}</span></span>',
            CHANNEL_ICONS[Message.Channel(message.channel)],
            message.subject or message.get_channel_display(),
        )

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, message: Message) -> SafeString:
        return message_badge(message)

    @admin.display(description=gettext_lazy("to"))
    def to(self, message: Any) -> SafeString:
        if message.known is None:
            return format_html('<span class="rg-faint">#{}</span>', message.contact_id)
        page = reverse("admin:contacts_contact_change", args=[message.contact_id])
        return format_html('<a class="rg-link rg-break" href="{}">{}</a>', page, message.known)

    @admin.display(description=gettext_lazy("journey"))
    def of(self, message: Message) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<span class="rg-faint rg-small">{}</span></span>',
            message.journey,
            message.node,
        )

    @admin.display(description=gettext_lazy("reaction"))
    def reacted(self, message: Message) -> str:
        found = (
            (message.clicked_at, _("clicked")),
            (message.opened_at, _("opened")),
            (message.bounced_at, _("came back")),
        )
        return next((words for at, words in found if at is not None), "–")

    @admin.display(description=gettext_lazy("when"))
    def at(self, message: Message) -> SafeString:
        return moment(message.sent_at or message.created_at)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One message: what it said, what became of it, what its receiver did."""
        message = self.get_object(request, object_id)
        if message is None or request.method == "POST":
            raise Http404
        actor = actor_of(request)
        deliveries = []
        if actor.may("integrations.view_delivery"):
            found = log.deliveries_of(message).select_related("connection").order_by("pk")
            deliveries = [(one, delivery_badge(one)) for one in found[:_DELIVERIES_SHOWN]]
        may_read = actor.may("contacts.view_contact")
        context = page_context(self, request, title=message.subject or _("Message"))
        context |= {
            "message": message,
            "buttons": self.buttons(request, message),
            "badges": message_badges(message),
            "contact": contacts_named(request, [message.contact_id]).get(message.contact_id),
            "may_read": may_read,
            "mail": sent_mail(message) if may_read else None,
            "mail_url": reverse("admin:journeys_message_mail", args=[message.pk]),
            "reactions": [(one, moment(one.at)) for one in reactions_to(message)],
            "machines": [(one, moment(one.at)) for one in machine_visits_of(message)],
            "deliveries": deliveries,
            "created": moment(message.created_at),
            "due": moment(message.due_at) if message.state == Message.State.PLANNED else "",
            "sent": moment(message.sent_at),
        }
        return TemplateResponse(request, "journeys/message.html", context)

    @method_decorator(xframe_options_sameorigin)
    @method_decorator(csp_replace(_MAIL_POLICY))
    def mail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The HTML of an e-mail, for the frame in which it is shown."""
        message = self.get_object(request, object_id)
        if message is None or not self.has_view_permission(request, message):
            raise Http404
        mail = sent_mail(message) if actor_of(request).may("contacts.view_contact") else None
        if mail is None or not mail.html:
            raise Http404
        answer = HttpResponse(mail.html)
        answer["Cache-Control"] = "no-store"
        answer["Referrer-Policy"] = "no-referrer"
        return answer

    @object_action(
        gettext_lazy("Send again"),
        permission=log.RESEND,
        icon="replay",
        consequence=gettext_lazy(
            "It is sent to this one contact, if nothing stands against it now: consent and"
            " suppression hold for it as for any other."
        ),
        is_offered=log.may_send_again,
    )
    def send_again(self, request: HttpRequest, message: Message) -> str:
        log.send_again(message.pk, actor=actor_of(request), at=timezone.now())
        return _("It is on its way.")
