"""Connections for push messages on the screen: their keys, their devices, a test to oneself."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from integrations import delivery_log, sources
from integrations.admin.delivery_pictures import ago, connection_badge, resting_until, strip
from integrations.admin.push_buttons import PushButtons
from integrations.admin.push_forms import ConnectionForm, NewAppConnectionForm
from integrations.admin.push_snippets import app_snippets, browser_snippets
from integrations.models import PushConnection, PushSubscription, Source
from integrations.push import connections, subscriptions, trial
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, page_context
from workspace.admin.pictures import number
from workspace.encryption import SecretUnreadable
from workspace.errors import DomainError

Kind = PushSubscription.Kind


@admin.register(PushConnection)
class PushConnectionAdmin(PushButtons):
    """The ways by which messages come to browsers and apps."""

    list_display: Any = (
        "name_and_state",
        "to_what",
        "devices",
        "lately",
        "waiting",
        "last_success",
    )
    list_display_links = None
    sortable_by = ()
    ordering = ("pk",)
    show_full_result_count = False
    actions = None
    thing_pages = (("settings", gettext_lazy("Settings"), "settings_view"),)
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("Connect an app")
    empty_state = EmptyState(
        gettext_lazy(
            "A push message appears on the screen of a browser or phone, also while your shop is"
            " closed there. Browsers need nothing but our script on your pages; for apps connect"
            " your Firebase project."
        ),
        icon="notifications",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.trial_view))
        own = path("<path:object_id>/trial/", view, name="integrations_pushconnection_trial")
        return [own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if actor_of(request).may(connections.CHANGE):
            # It needs nobody: whoever looks for it finds it.
            connections.web_push_connection(at=timezone.now())
        answer: HttpResponse = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data.get("cl")
            if shown is not None:
                _furnish(list(shown.result_list))
        return answer

    @admin.display(description=gettext_lazy("name"))
    def name_and_state(self, connection: PushConnection) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><a class="rg-strong rg-break" href="{}">{}</a>'
            '<span class="rg-row rg-badges">{}</span></span>',
            reverse("admin:integrations_pushconnection_change", args=[connection.pk]),
            connection.name,
            connection_badge(connection),
        )

    @admin.display(description=gettext_lazy("to"))
    def to_what(self, connection: PushConnection) -> str:
        project = connection.settings.get("project_id")
        return (
            f"{connection.get_kind_display()} ({project})"
            if project
            else (connection.get_kind_display())
        )

    @admin.display(description=gettext_lazy("devices"))
    def devices(self, connection: Any) -> SafeString:
        return format_html('<span class="rg-num">{}</span>', number(connection.row["devices"]))

    @admin.display(description=gettext_lazy("lately"))
    def lately(self, connection: Any) -> SafeString:
        return strip(connection.row["tries"])

    @admin.display(description=gettext_lazy("waiting · failed"))
    def waiting(self, connection: Any) -> SafeString:
        counts = connection.row["counts"]
        return format_html(
            '<span class="rg-num">{}</span> · <span class="rg-num {}">{}</span>',
            number(counts.queued),
            "rg-minus" if counts.failed else "rg-faint",
            number(counts.failed),
        )

    @admin.display(description=gettext_lazy("last success"))
    def last_success(self, connection: PushConnection) -> SafeString:
        return ago(connection.last_success_at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # That to browsers is there by itself, and one to apps is all there can be.
        return bool(super().has_add_permission(request)) and connections.app_connection() is None

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form for a Firebase project."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewAppConnectionForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                connection = connections.create_app_connection(
                    **form.cleaned_data, actor=actor_of(request), at=timezone.now()
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                self.message_user(request, _("The app is connected. Send it a test."))
                page = reverse("admin:integrations_pushconnection_change", args=[connection.pk])
                return HttpResponseRedirect(page)
        context = page_context(self, request, title=_("Connect an app"))
        context |= {"form": form, "may_change": True, "is_new": True}
        return TemplateResponse(request, "integrations/push_form.html", context)

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
        connection = self.visible_or_404(request, object_id)
        _furnish([connection])
        is_web = connection.kind == Kind.WEB_PUSH
        make_snippets = browser_snippets if is_web else app_snippets
        actor = actor_of(request)
        devices_page = reverse("admin:integrations_pushsubscription_changelist")
        log = reverse("admin:integrations_delivery_changelist")
        trial_page = reverse("admin:integrations_pushconnection_trial", args=[connection.pk])
        context = self.thing_context(request, connection, page="", title=connection.name)
        context |= {
            "buttons": self.buttons(request, connection),
            "badge": connection_badge(connection),
            "rests_until": resting_until(connection),
            "is_web": is_web,
            "queued": number(connection.row["counts"].queued),
            "failed": number(connection.row["counts"].failed),
            "strip": strip(connection.row["tries"]),
            "devices": number(connection.row["devices"]),
            "last_success": ago(connection.last_success_at),
            "snippets": make_snippets(settings.BASE_URL, _write_key(actor)),
            "may_try": connection.is_enabled and actor.may(connections.CHANGE),
            "trial_url": trial_page if is_web else "",
            "key_url": reverse("push_key"),
            "worker_url": reverse("push_regulars-sw"),
            "devices_url": f"{devices_page}?kind__exact={connection.kind}",
            "may_see_devices": actor.may(subscriptions.VIEW),
            "log_url": f"{log}?connection__id__exact={connection.pk}",
            "may_see_log": actor.may("integrations.view_delivery"),
            "sources_url": reverse("admin:integrations_source_changelist"),
        }
        return TemplateResponse(request, "integrations/push_connection.html", context)

    def settings_view(self, request: HttpRequest, connection: PushConnection) -> HttpResponse:
        """How messages go over it."""
        may_change = actor_of(request).may(connections.CHANGE)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        form = ConnectionForm(
            request.POST if request.method == "POST" else None,
            is_for_apps=connection.kind == Kind.FCM,
            initial={
                "name": connection.name,
                "ttl_seconds": str(connections.ttl_of(connection)),
                "urgency": connections.urgency_of(connection),
            },
        )
        if form.is_bound and form.is_valid():
            try:
                connections.change_connection(
                    connection.pk,
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
        context = self.thing_context(request, connection, page="settings", title=_("Settings"))
        context |= {"form": form, "may_change": may_change, "is_new": False}
        return TemplateResponse(request, "integrations/push_form.html", context)

    def trial_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test to the browser that asks for it; what came of it as JSON."""
        connection = self.visible_or_404(request, object_id)
        try:
            trial.send_trial(
                connection.pk,
                recipient=trial.read_subscription(request.POST.get("subscription", "")),
                actor=actor_of(request),
                at=timezone.now(),
            )
        except DomainError as error:
            return JsonResponse({"message": str(error)}, status=error.status)
        return JsonResponse({"message": _("The push service took it: it appears in a moment.")})


def _write_key(actor: Actor) -> str:
    """That of the first website or app; nothing where there is none, or it is not theirs to see."""
    if not actor.may("integrations.change_source"):
        return ""
    source = Source.objects.filter(kind=Source.Kind.WEB, is_enabled=True).order_by("pk").first()
    try:
        keys = [] if source is None else sources.shown_keys(source, actor=actor)
    except SecretUnreadable:
        return ""
    return next((key.text for key in keys if key.retires_at is None), "")


def _furnish(shown: list[Any]) -> None:
    """Give each connection what its cells show, read at once for all."""
    ids = [connection.pk for connection in shown]
    tries, counts = delivery_log.newest_tries(ids), delivery_log.unfinished(ids)
    devices = subscriptions.open_counts()
    for connection in shown:
        connection.row = {
            "tries": tries[connection.pk],
            "counts": counts[connection.pk],
            "devices": devices.get(connection.kind, 0),
        }
