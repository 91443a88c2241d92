"""The page "Set up" of a source: its key, what to copy, and whether something has arrived."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import sources, user_hashes
from integrations.admin.api_users import ApiUserPages
from integrations.admin.badges import outcome_badge
from integrations.admin.snippets import snippets
from integrations.models import Outcome, ReceivedEvent, Source
from workspace.access import actor_of

_CHANGE = "integrations.change_source"
# Whether it works is told by the newest events.
_LATELY = 50
_USED = frozenset({Outcome.ACCEPTED, Outcome.MARKED, Outcome.DUPLICATE})


class SetUpPages(ApiUserPages):
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
            snippets=snippets(
                source.kind,
                base_url=settings.BASE_URL,
                write_key=shown_key,
                app_id=source.api_user_id,
            ),
            is_webhook=source.kind == Source.Kind.WEBHOOK,
            is_compatible=source.kind == Source.Kind.VOUCHERIFY,
            first_event=self._first_event(source),
            first_event_url=reverse("admin:integrations_source_first_event", args=[source.pk]),
            debugger_url=reverse("admin:integrations_source_debugger", args=[source.pk]),
        )
        if source.kind == Source.Kind.WEB:
            known = user_hashes.user_secrets(source, at=now) if may_change else []
            context.update(asks_hash=bool(source.user_secret), user_secret="".join(known[:1]))
        if context["is_webhook"]:
            context.update(self._webhook(request, source, now, may_change))
        if context["is_compatible"]:
            context.update(self.api_user_context(source, actor_of(request)))
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
        """Whether an event has arrived, for the page that waits for it; or why none was used."""
        source = self.visible_or_404(request, str(object_id))
        return JsonResponse(self._first_event(source))

    def _first_event(self, source: Source) -> dict[str, Any]:
        newest = ReceivedEvent.objects.filter(source_id=source.pk).order_by("-pk")
        lately = list(newest.only("type", "name", "outcome", "reason")[:_LATELY])
        used = next((event for event in lately if event.outcome in _USED), None)
        if used is not None:
            words = {"type": used.type, "name": used.name}
            text = _("%(type)s “%(name)s” arrived.") if used.name else _("%(type)s arrived.")
            badge = outcome_badge(used.outcome)
            return {"has_arrived": True, "text": text % words, "badge": badge}
        if lately:
            text = _("Something arrived and was not used: %(reason)s")
            badge = outcome_badge(lately[0].outcome)
            words = {"reason": lately[0].reason}
            return {"has_arrived": False, "text": text % words, "badge": badge}
        return {"has_arrived": False, "text": "", "badge": ""}
