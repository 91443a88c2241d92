"""What one can do with a webhook: try it, switch it, give it a new secret, delete it."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations import dead_letters, deliveries, delivery_log, webhooks
from integrations.admin.webhook_forms import EnablingForm, SecretForm
from integrations.models import Webhook
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.pictures import number

_CHANGE = "integrations.change_webhook"


def _unfinished(webhook: Webhook) -> delivery_log.Unfinished:
    return delivery_log.unfinished([webhook.pk])[webhook.pk]


def _before_enabling(webhook: Webhook) -> str:
    count = _unfinished(webhook).queued
    waits = ngettext("%(n)s delivery waits for it.", "%(n)s deliveries wait for it.", count) % {
        "n": number(count)
    }
    missed = _("What happened while it was disabled was not queued and is not sent.")
    return f"{waits} {missed}"


def _before_deleting(webhook: Webhook) -> str:
    count = webhook.deliveries.count()
    text = ngettext(
        "%(n)s delivery is deleted with it, sent or not, and with it what we know of how it went.",
        "%(n)s deliveries are deleted with it, sent or not, and what we know of how they went.",
        count,
    )
    return f"{text % {'n': number(count)}} {_('This cannot be undone.')}"


def _before_retrying(webhook: Webhook) -> str:
    count = _unfinished(webhook).failed
    text = ngettext(
        "%(n)s delivery is sent again, under the same id, with all its attempts before it.",
        "%(n)s deliveries are sent again, under the same ids, with all their attempts before them.",
        count,
    )
    return text % {"n": number(count)}


class WebhookButtons(PagesAdmin, ObjectActionsAdmin):
    """The buttons on the overview of a webhook."""

    def show_secret(self, request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
        """The page that shows a secret, once."""
        raise NotImplementedError

    @object_action(
        gettext_lazy("Send test"),
        permission=_CHANGE,
        icon="send",
        consequence=gettext_lazy(
            "A message of the type webhook.test is posted to the address, signed like any other."
            " It is tried once, and disables nothing."
        ),
        is_offered=lambda webhook: webhook.is_enabled,
    )
    def send_test(self, request: HttpRequest, webhook: Webhook) -> Any:
        test = webhooks.send_test(webhook.pk, actor=actor_of(request), at=timezone.now())
        page = reverse("admin:integrations_delivery_change", args=[test.pk])
        text = _("The test is on its way.")
        self.message_user(
            request, format_html('{} <a class="rg-link" href="{}">{}</a>', text, page, _("Look"))
        )
        return HttpResponseRedirect(self.page_of(request, webhook))

    @object_action(
        gettext_lazy("Enable"),
        permission=_CHANGE,
        icon="play_arrow",
        consequence=_before_enabling,
        is_offered=lambda webhook: not webhook.is_enabled,
        form_class=EnablingForm,
    )
    def enable(self, request: HttpRequest, webhook: Webhook, form: EnablingForm) -> str:
        webhooks.enable_webhook(
            webhook.pk,
            waiting=form.cleaned_data["waiting"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        return _("It is enabled.")

    @object_action(
        gettext_lazy("Disable"),
        permission=_CHANGE,
        icon="pause",
        consequence=gettext_lazy(
            "Nothing more is sent to it. What waits goes on waiting; what happens from now on is"
            " not queued for it, and it will not hear of that later."
        ),
        is_offered=lambda webhook: webhook.is_enabled,
    )
    def disable(self, request: HttpRequest, webhook: Webhook) -> str:
        webhooks.disable_webhook(webhook.pk, actor=actor_of(request), at=timezone.now())
        return _("It is disabled.")

    @object_action(
        gettext_lazy("Send failed again"),
        permission=deliveries.RETRY,
        icon="replay",
        consequence=_before_retrying,
        is_offered=lambda webhook: _unfinished(webhook).failed > 0,
    )
    def retry_failed(self, request: HttpRequest, webhook: Webhook) -> str:
        count = dead_letters.retry_dead_letters(
            webhook.pk, actor=actor_of(request), at=timezone.now()
        )
        text = ngettext("%(n)s is sent again.", "%(n)s are sent again.", count)
        return text % {"n": number(count)}

    @object_action(
        gettext_lazy("New secret"),
        permission=_CHANGE,
        icon="autorenew",
        consequence=gettext_lazy(
            "A new secret is made and shown once. For the time that you choose every request bears"
            " two signatures, one for each secret, so that the receiver can change over in peace."
        ),
        confirm=gettext_lazy("Make a new secret"),
        form_class=SecretForm,
    )
    def new_secret(self, request: HttpRequest, webhook: Webhook, form: SecretForm) -> HttpResponse:
        secret = webhooks.rotate_secret(
            webhook.pk, grace=form.grace_time(), actor=actor_of(request), at=timezone.now()
        )
        return self.show_secret(request, webhook, secret)

    @object_action(
        gettext_lazy("Delete"),
        permission="integrations.delete_webhook",
        icon="delete",
        variant="danger",
        consequence=_before_deleting,
        confirm=gettext_lazy("Delete the webhook"),
    )
    def delete_it(self, request: HttpRequest, webhook: Webhook) -> HttpResponse:
        webhooks.delete_webhook(webhook.pk, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” is deleted.") % {"name": webhook.name})
        return HttpResponseRedirect(reverse("admin:integrations_webhook_changelist"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By its button, which says what goes with it.
        return False
