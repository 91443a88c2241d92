"""What keeps cheats away: keys that may do little, and what looked suspicious."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from workspace.models import ApiUser


class ClientKey(models.Model):
    """A publishable key: what a web page or app may show to everybody, so it may do little.

    It works from the allowed origins only ("https://shop.example"), and is limited for each
    address that calls.
    """

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=120)
    api_user = models.ForeignKey(
        ApiUser, on_delete=models.CASCADE, related_name="client_keys", verbose_name=_("API user")
    )
    application_id = models.CharField(max_length=40, unique=True)
    token = models.CharField(max_length=60, unique=True)
    origins = ArrayField(models.CharField(max_length=200), verbose_name=_("allowed origins"))
    may_validate = models.BooleanField(_("may validate"), default=True)
    may_redeem = models.BooleanField(_("may redeem"), default=False)
    may_send_events = models.BooleanField(_("may send events"), default=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("publishable key")
        verbose_name_plural = _("publishable keys")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Suspicion(models.Model):
    """Somebody who behaves like a cheat: what was seen, and whether he is blocked.

    `subject` names who: "ip:203.0.113.7", "contact:12", "api_user:3", "client_key:2".
    """

    class Kind(models.TextChoices):
        UNKNOWN_CODES = "unknown_codes", _("many unknown codes")
        VELOCITY = "velocity", _("many in a short time")
        MANY_CARDS = "many_cards", _("many cards from one address")
        BY_HAND = "by_hand", _("blocked by hand")

    class State(models.TextChoices):
        OPEN = "open", _("to be looked at")
        BLOCKED = "blocked", _("blocked")
        CLEARED = "cleared", _("cleared")

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("what was seen"), max_length=13, choices=Kind)
    subject = models.CharField(_("who"), max_length=120)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.OPEN)
    count = models.PositiveIntegerField(_("how often"), default=1)
    details = models.JSONField(default=dict)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))
    # None: until somebody unblocks.
    blocked_until = models.DateTimeField(_("blocked until"), null=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("suspicious activity")
        verbose_name_plural = _("suspicious activity")
        ordering = ["-last_at", "-id"]
        permissions = [("block_suspicion", "Can block and unblock")]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=~Q(state="cleared"),
                name="loyalty_suspicion_once_while_open",
            )
        ]
        indexes = [
            models.Index(
                fields=["subject"], name="loyalty_suspicion_blocked", condition=Q(state="blocked")
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
