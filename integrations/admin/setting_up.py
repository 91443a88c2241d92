"""The page "Set up" of a source: its key, what to copy, and whether something has arrived."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import sources
from integrations.admin.badges import outcome_badge
from integrations.admin.snippets import snippets
from integrations.models import ReceivedEvent, Source
from workspace.access import actor_of
from workspace.admin import PagesAdmin

_CHANGE = "integrations.change_source"


class SetUpPages(PagesAdmin):
    """How one sends to a source."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.first_event_view)
        name = "integrations_source_first_event"
        return [path("<int:object_id>/setup/first/", view, name=name), *super().get_urls()]

    def setup_view(self, request: HttpRequest, source: Source) -> HttpResponse:
        """The key, what to copy, and a sign that turns when the first event arrives."""
        now = timezone.now()
        may_change = actor_of(request).may(_CHANGE)
        keys = sources.shown_keys(source, actor=actor_of(request)) if may_change else []
        write_key = next((key.text for key in keys if key.retires_at is None), "")
        shown_key = write_key or _("YOUR_WRITE_KEY")
        context = self.thing_context(request, source, page="setup", title=_("Set up"))
        context.update(
            may_change=may_change,
            write_key=write_key,
            base_url=settings.BASE_URL,
            snippets=snippets(source.kind, base_url=settings.BASE_URL, write_key=shown_key),
            is_webhook=source.kind == Source.Kind.WEBHOOK,
            first_event=self._first_event(source),
            first_event_url=reverse("admin:integrations_source_first_event", args=[source.pk]),
            debugger_url=reverse("admin:integrations_source_debugger", args=[source.pk]),
        )
        if context["is_webhook"]:
            context.update(self._webhook(request, source, now, may_change))
        return TemplateResponse(request, "integrations/set_up.html", context)

    def _webhook(
        self, request: HttpRequest, source: Source, now: Any, may_change: bool
    ) -> dict[str, Any]:
        secrets = sources.signing_secrets(source, at=now) if may_change else []
        address = reverse("webhook_segment", args=[source.key])
        return {
            "webhook_url": f"{settings.BASE_URL}{address}",
            "signing_secret": secrets[0] if secrets else "",
            "secret_url": reverse(
                "admin:integrations_source_action", args=[source.pk, "new_signing_secret"]
            ),
        }

    def first_event_view(self, request: HttpRequest, object_id: int) -> JsonResponse:
        """Whether an event has arrived, for the page that waits for it."""
        source = self.visible_or_404(request, str(object_id))
        event = self._first_event(source)
        if event is None:
            return JsonResponse({"has_arrived": False})
        return JsonResponse({"has_arrived": True, "text": event["text"], "badge": event["badge"]})

    def _first_event(self, source: Source) -> dict[str, Any] | None:
        newest = ReceivedEvent.objects.filter(source_id=source.pk).order_by("-pk").first()
        if newest is None:
            return None
        words = {"type": newest.type, "name": newest.name or "–"}
        return {
            "text": _("%(type)s “%(name)s” arrived.") % words
            if newest.name
            else _("An event of the type %(type)s arrived.") % words,
            "badge": str(outcome_badge(newest.outcome)),
            "at": newest.received_at,
        }
