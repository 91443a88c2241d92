"""What mail servers and providers told of e-mails after these were sent."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact


class MailReport(models.Model):
    """One time that somebody told us of an address that a mail of ours went to.

    `source` is who told it (a provider, "dsn" for a mail that came back), `report` names the
    telling: what is told twice is kept once. `delivery_key` is that of the delivery, which may be
    gone from the outbox. A soft bounce `counts` until a mail to the address arrived.
    """

    class Kind(models.TextChoices):
        HARD_BOUNCE = "hard_bounce", _("address does not exist")
        SOFT_BOUNCE = "soft_bounce", _("not taken for now")
        COMPLAINT = "complaint", _("complaint")
        UNSUBSCRIBE = "unsubscribe", _("unsubscribed at the provider")

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("what"), max_length=12, choices=Kind)
    address = models.CharField(_("address"), max_length=320)
    source = models.CharField(_("told by"), max_length=40)
    report = models.CharField(max_length=200)
    delivery_key = models.CharField(_("delivery"), max_length=200, blank=True, default="")
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        related_name="mail_reports",
        verbose_name=_("contact"),
    )
    detail = models.CharField(_("said"), max_length=500, blank=True, default="")
    counts = models.BooleanField(default=True)
    at = models.DateTimeField(_("at"))
    heard_at = models.DateTimeField()

    class Meta:
        verbose_name = _("bounce or complaint")
        verbose_name_plural = _("bounces and complaints")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "report"], name="integrations_mailreport_once"
            )
        ]
        indexes = [
            models.Index(fields=["address"], name="integrations_mailreport_for"),
            models.Index(fields=["heard_at"], name="integrations_mailreport_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"
