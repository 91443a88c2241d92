"""Where something is sent to."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _


class Connection(models.Model):
    """Where something is sent to: a webhook, a mail server.

    `settings` are those of the kind (a webhook's `url`), `sealed_secret` is encrypted. A webhook
    hears of the `event_types` that it names. One that failed for too long is disabled by itself,
    and `disabled_reason` says why.

    After several `failures` in a row it rests until `breaker_until`; then a single message tries
    whether it takes anything again. `paced_at` is up to when what it takes in a second was used.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", _("webhook")
        EMAIL = "email", _("e-mail")
        WEB_PUSH = "web_push", _("push to browsers")
        FCM = "fcm", _("push to apps")
        ADDRESS = "address", _("address that is called")
        DOTDIGITAL = "dotdigital", "Dotdigital"
        EMARSYS = "emarsys", "Emarsys"
        SEGMENT = "segment", "Twilio Segment"

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    settings = models.JSONField(default=dict, blank=True)
    sealed_secret = models.TextField(blank=True, default="", editable=False)
    event_types = ArrayField(
        models.CharField(max_length=80), verbose_name=_("hears of"), default=list, blank=True
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    disabled_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    failures = models.SmallIntegerField(default=0, db_default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, editable=False)
    paced_at = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"), "kind", name="integrations_connection_name_once"
            ),
            # A subscription names its kind only.
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(kind__in=["web_push", "fcm"]),
                name="integrations_connection_one_for_push",
            ),
            models.CheckConstraint(
                condition=Q(failures__gte=0), name="integrations_connection_failures"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Webhooks(models.Manager["Webhook"]):
    """The connections that are webhooks."""

    def get_queryset(self) -> "models.QuerySet[Webhook]":
        """Nothing but webhooks."""
        return super().get_queryset().filter(kind=Connection.Kind.WEBHOOK)


class Webhook(Connection):
    """A connection to an address of somebody else's, with screens and rights of its own."""

    objects: ClassVar[Webhooks] = Webhooks()

    class Meta:
        proxy = True
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name", "id"]


class PushConnections(models.Manager["PushConnection"]):
    """The connections to browsers and apps."""

    def get_queryset(self) -> "models.QuerySet[PushConnection]":
        """Nothing but those."""
        kinds = [Connection.Kind.WEB_PUSH, Connection.Kind.FCM]
        return super().get_queryset().filter(kind__in=kinds)


class PushConnection(Connection):
    """A connection to the devices of contacts; there is one for each kind of device at most."""

    objects: ClassVar[PushConnections] = PushConnections()

    class Meta:
        proxy = True
        verbose_name = _("push connection")
        verbose_name_plural = _("push connections")
        ordering = ["kind", "id"]
