"""Browsers and apps that a contact allowed to show messages."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from integrations.models.connections import Connection


class PushSubscription(models.Model):
    """One browser (Web Push) or app (FCM) of a contact.

    `address` is the endpoint of the browser's push service, or the token of the app;
    `sealed_keys` are the browser's two keys as JSON, encrypted. One whose address the service no
    longer knows has `ended_at`, and nothing is sent to it.
    """

    class Kind(models.TextChoices):
        WEB_PUSH = Connection.Kind.WEB_PUSH.value, Connection.Kind.WEB_PUSH.label
        FCM = Connection.Kind.FCM.value, Connection.Kind.FCM.label

    id = models.BigAutoField(primary_key=True)
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="push_subscriptions"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    address = models.CharField(max_length=2000)
    sealed_keys = models.TextField(blank=True, default="", editable=False)
    device = models.CharField(_("device"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("since"), db_default=Now())
    last_sent_at = models.DateTimeField(_("last message"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    ended_reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("push subscription")
        verbose_name_plural = _("push subscriptions")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "address"], name="integrations_pushsubscription_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["contact"],
                name="integrations_push_open",
                condition=Q(ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.device}"
