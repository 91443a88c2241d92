"""Addresses that nothing is sent to any more."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact


class Suppression(models.Model):
    """An address that must not be written to, whoever has it, and why.

    E-mail addresses stand in small letters. `contact` is who had it when it was noted, for the
    timeline only: what counts is the address.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("does not exist")
        UNSUBSCRIBE = "unsubscribe", _("wants no e-mail")
        COMPLAINT = "complaint", _("complained")
        MANUAL = "manual", _("by hand")

    id = models.BigAutoField(primary_key=True)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel, default=Channel.EMAIL)
    address = models.CharField(_("address"), max_length=320)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    detail = models.CharField(_("said"), max_length=500, blank=True, default="", db_default="")
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="suppressions",
        verbose_name=_("contact"),
    )
    at = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "address"], name="integrations_suppression_once"
            )
        ]

    def __str__(self) -> str:
        return self.address
