"""Webhooks on the screen: whether they work, what was sent lately, how a receiver checks it."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import announcements, delivery_counts, delivery_log, webhooks
from integrations.admin.dead_letters import failed_url
from integrations.admin.delivery_pictures import (
    ago,
    connection_badge,
    course_chart,
    delivery_badge,
    moment,
    resting_until,
    strip,
)
from integrations.admin.webhook_buttons import WebhookButtons
from integrations.admin.webhook_forms import WebhookForm
from integrations.admin.webhook_snippets import EXAMPLE, SNIPPETS
from integrations.deliveries import visible_deliveries
from integrations.models import Webhook
from workspace.access import actor_of
from workspace.admin import EmptyState, page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError

_CHANGE = "integrations.change_webhook"
_SHOWN = 15


@admin.register(Webhook)
class WebhookAdmin(WebhookButtons):
    """Addresses of other systems that hear of what happens here."""

    list_display: Any = (
        "name_and_state",
        "address",
        "hears_of",
        "lately",
        "waiting",
        "last_success",
    )
    list_display_links = None
    search_fields = ("name",)
    sortable_by = ()
    ordering = ("name", "pk")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    thing_pages = (
        ("setup", gettext_lazy("Check the signature"), "setup_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("Add webhook")
    empty_state = EmptyState(
        gettext_lazy(
            "A webhook tells another system at once what happens here: who entered a segment, which"
            " card was published, which export is ready. Name its address, tick what it hears of."
        ),
        icon="webhook",
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                _furnish(list(shown.result_list))
        return answer

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_state(self, webhook: Webhook) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-strong rg-break" href="{}">{}</a>'
            '<span class="rg-row rg-badges">{}</span></span>',
            reverse("admin:integrations_webhook_change", args=[webhook.pk]),
            webhook.name,
            connection_badge(webhook),
        )

    @admin.display(description=gettext_lazy("address"))
    def address(self, webhook: Webhook) -> SafeString:
        return format_html('<code class="rg-small rg-break">{}</code>', webhooks.url_of(webhook))

    @admin.display(description=gettext_lazy("hears of"))
    def hears_of(self, webhook: Webhook) -> SafeString:
        names = webhook.event_types
        more = (
            _("%(n)d types") % {"n": len(names)} if len(names) > 1 else names[0] if names else "–"
        )
        return format_html('<span title="{}">{}</span>', ", ".join(names), more)

    @admin.display(description=gettext_lazy("lately"))
    def lately(self, webhook: Any) -> SafeString:
        return strip(webhook.row["tries"])

    @admin.display(description=gettext_lazy("waiting · failed"))
    def waiting(self, webhook: Any) -> SafeString:
        counts = webhook.row["counts"]
        tone = "rg-minus" if counts.failed else "rg-faint"
        return format_html(
            '<span class="rg-num">{}</span> · <span class="rg-num {}">{}</span>',
            number(counts.queued),
            tone,
            number(counts.failed),
        )

    @admin.display(description=gettext_lazy("last success"), ordering="last_success_at")
    def last_success(self, webhook: Webhook) -> SafeString:
        return ago(webhook.last_success_at)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; then the secret, once, with what to do with it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = WebhookForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                webhook, secret = webhooks.create_webhook(
                    **form.cleaned_data, actor=actor_of(request), at=timezone.now()
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                return self.show_secret(request, webhook, secret)
        context = page_context(self, request, title=_("Add webhook"))
        context |= {"form": form, "may_change": True, "is_new": True}
        return TemplateResponse(request, "integrations/webhook_form.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The overview; what may be changed stands on the page Settings."""
        if request.method == "POST":
            raise Http404
        webhook = self.visible_or_404(request, object_id)
        (counts,) = delivery_log.unfinished([webhook.pk]).values()
        tries = delivery_log.newest_tries([webhook.pk])[webhook.pk]
        newest = visible_deliveries(actor_of(request)).filter(connection=webhook)
        labels = {one.name: one.label for one in announcements.registered_types()}
        log = reverse("admin:integrations_delivery_changelist")
        context = self.thing_context(request, webhook, page="", title=webhook.name)
        context |= {
            "buttons": self.buttons(request, webhook),
            "badge": connection_badge(webhook),
            "url": webhooks.url_of(webhook),
            "types": [(name, labels.get(name, "")) for name in webhook.event_types],
            "rests_until": resting_until(webhook),
            "failed_url": failed_url(webhook.pk),
            "queued": number(counts.queued),
            "failed": number(counts.failed),
            "strip": strip(tries),
            "milliseconds": _middle([one.milliseconds for one in tries]),
            "last_success": ago(webhook.last_success_at),
            "rows": [
                {"delivery": one, "badge": delivery_badge(one), "at": moment(one.created_at)}
                for one in newest.order_by("-pk")[:_SHOWN]
            ],
            "log_url": f"{log}?connection__id__exact={webhook.pk}",
            "chart": course_chart(delivery_counts.course_of(webhook.pk, until=timezone.now())),
            "days": delivery_counts.DAYS,
            "may_see_log": actor_of(request).may("integrations.view_delivery"),
        }
        return TemplateResponse(request, "integrations/webhook.html", context)

    def setup_view(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """How a receiver knows that a request comes from us."""
        return self._setup(request, webhook, secret="")

    def show_secret(self, request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
        """The same page with the secret, which is shown this once."""
        answer = self._setup(request, webhook, secret=secret)
        # It is for the person who looks now, not for caches or the browser's history.
        answer["Cache-Control"] = "no-store"
        return answer

    def _setup(self, request: HttpRequest, webhook: Webhook, *, secret: str) -> HttpResponse:
        title = _("Check the signature")
        context = self.thing_context(request, webhook, page="setup", title=title)
        context |= {
            "secret": secret,
            "snippets": SNIPPETS,
            "example": EXAMPLE,
            "overview_url": reverse("admin:integrations_webhook_change", args=[webhook.pk]),
        }
        return TemplateResponse(request, "integrations/webhook_set_up.html", context)

    def settings_view(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        """Where it is, and what it hears of."""
        may_change = actor_of(request).may(_CHANGE)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        form = WebhookForm(
            request.POST if request.method == "POST" else None,
            known=webhook.event_types,
            initial={
                "url": webhooks.url_of(webhook),
                "name": webhook.name,
                "types": webhook.event_types,
            },
        )
        form.fields["name"].required = True
        if form.is_bound and form.is_valid():
            try:
                webhooks.change_webhook(
                    webhook.pk,
                    values=form.cleaned_data,
                    actor=actor_of(request),
                    at=timezone.now(),
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                self.message_user(request, _("The settings are saved."))
                return HttpResponseRedirect(request.path)
        if not may_change:
            for field in form.fields.values():
                field.disabled = True
        context = self.thing_context(request, webhook, page="settings", title=_("Settings"))
        context |= {"form": form, "may_change": may_change, "is_new": False}
        return TemplateResponse(request, "integrations/webhook_form.html", context)


def _furnish(shown: list[Any]) -> None:
    """Give each webhook of the page what its cells show, read at once for all."""
    ids = [webhook.pk for webhook in shown]
    tries, counts = delivery_log.newest_tries(ids), delivery_log.unfinished(ids)
    for webhook in shown:
        webhook.row = {"tries": tries[webhook.pk], "counts": counts[webhook.pk]}


def _middle(values: list[int]) -> str:
    """The one in the middle, in milliseconds."""
    return f"{number(sorted(values)[len(values) // 2])} ms" if values else "–"
