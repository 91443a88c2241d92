"""What one can do with a connection for push messages: switch it, change its key, try it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations import dead_letters, deliveries, delivery_log
from integrations.admin.push_forms import AppTrialForm
from integrations.models import PushConnection, PushSubscription
from integrations.push import connections, subscriptions, trial
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.pictures import number

Kind = PushSubscription.Kind


def _before_new_key(connection: PushConnection) -> str:
    count = subscriptions.open_counts().get(Kind.WEB_PUSH, 0)
    text = ngettext(
        "%(n)s browser is bound to the present key, and gets nothing more until it comes to a page"
        " of yours with our script; it is not asked again. What waits for it fails.",
        "%(n)s browsers are bound to the present key, and get nothing more until they come to a"
        " page of yours with our script; they are not asked again. What waits for them fails.",
        count,
    )
    return f"{text % {'n': number(count)}} {_('This cannot be undone.')}"


def _failed(connection: PushConnection) -> int:
    return delivery_log.unfinished([connection.pk])[connection.pk].failed


class PushButtons(PagesAdmin, ObjectActionsAdmin):
    """The buttons on the overview of a connection."""

    @object_action(
        gettext_lazy("Send test"),
        permission=connections.CHANGE,
        icon="send",
        consequence=gettext_lazy("A message that says that it works is sent to one app, at once."),
        is_offered=lambda connection: connection.is_enabled and connection.kind == Kind.FCM,
        form_class=AppTrialForm,
    )
    def send_test(
        self, request: HttpRequest, connection: PushConnection, form: AppTrialForm
    ) -> str:
        trial.send_trial(
            connection.pk,
            recipient={"token": form.cleaned_data["token"]},
            actor=actor_of(request),
            at=timezone.now(),
        )
        return _("FCM took it: it appears in a moment.")

    @object_action(
        gettext_lazy("Enable"),
        permission=connections.CHANGE,
        icon="play_arrow",
        consequence=gettext_lazy("What waits is sent, the oldest first."),
        is_offered=lambda connection: not connection.is_enabled,
    )
    def enable(self, request: HttpRequest, connection: PushConnection) -> str:
        connections.enable_connection(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("It is enabled.")

    @object_action(
        gettext_lazy("Disable"),
        permission=connections.CHANGE,
        icon="pause",
        consequence=gettext_lazy(
            "Nothing more is sent over it, and nobody can subscribe. What waits goes on waiting;"
            " journeys leave these devices out meanwhile."
        ),
        is_offered=lambda connection: connection.is_enabled,
    )
    def disable(self, request: HttpRequest, connection: PushConnection) -> str:
        connections.disable_connection(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("It is disabled.")

    @object_action(
        gettext_lazy("Send failed again"),
        permission=deliveries.RETRY,
        icon="replay",
        consequence=gettext_lazy(
            "What failed is sent again, under the same ids. Devices that are gone fail again."
        ),
        is_offered=lambda connection: _failed(connection) > 0,
    )
    def retry_failed(self, request: HttpRequest, connection: PushConnection) -> str:
        count = dead_letters.retry_dead_letters(
            connection.pk, actor=actor_of(request), at=timezone.now()
        )
        text = ngettext("%(n)s is sent again.", "%(n)s are sent again.", count)
        return text % {"n": number(count)}

    @object_action(
        gettext_lazy("New key"),
        permission=connections.CHANGE,
        icon="autorenew",
        variant="danger",
        consequence=_before_new_key,
        confirm=gettext_lazy("Make a new key"),
        is_offered=lambda connection: connection.kind == Kind.WEB_PUSH,
    )
    def new_key(self, request: HttpRequest, connection: PushConnection) -> str:
        count = connections.rotate_key(actor=actor_of(request), at=timezone.now())
        text = ngettext(
            "The key is new; %(n)s browser has to come back.",
            "The key is new; %(n)s browsers have to come back.",
            count,
        )
        return text % {"n": number(count)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was sent over it stays known: it is disabled instead.
        return False
