"""Uses of cards, their undoing, and what sessions hold for a while."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from loyalty.models.campaigns import Voucher
from workspace.models import ApiUser


class Redemption(models.Model):
    """One use of a card, or why it was refused. Several cards on one order have one `parent`.

    `amount_minor` is what the card paid, of an order of `order_minor`. A parent names no voucher
    and no amount of its own.
    """

    class State(models.TextChoices):
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        ROLLED_BACK = "rolled_back", _("rolled back")

    id = models.BigAutoField(primary_key=True)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="parts")
    voucher = models.ForeignKey(
        Voucher,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        db_constraint=False,
        related_name="redemptions",
    )
    contact = models.ForeignKey(
        Contact,
        on_delete=models.PROTECT,
        null=True,
        db_constraint=False,
        related_name="redemptions",
        verbose_name=_("contact"),
    )
    amount_minor = models.BigIntegerField(_("amount"), default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    order_reference = models.CharField(_("order"), max_length=200, blank=True, default="")
    order_minor = models.BigIntegerField(_("amount of the order"), null=True)
    order = models.JSONField(default=dict)
    state = models.CharField(_("state"), max_length=11, choices=State)
    failure_code = models.CharField(max_length=60, blank=True, default="")
    failure_message = models.CharField(max_length=500, blank=True, default="")
    session_key = models.CharField(max_length=120, blank=True, default="")
    tracking_id = models.CharField(max_length=120, blank=True, default="")
    metadata = models.JSONField(default=dict)
    is_client_side = models.BooleanField(default=False)
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        ordering = ["-id"]
        permissions = [("rollback_redemption", "Can roll back redemptions")]
        constraints = [
            models.CheckConstraint(
                name="loyalty_redemption_amount_not_negative", condition=Q(amount_minor__gte=0)
            ),
            # A session is used up once.
            models.UniqueConstraint(
                fields=["session_key", "voucher"],
                condition=~Q(session_key="") & ~Q(state="failed") & Q(voucher__isnull=False),
                name="loyalty_redemption_session_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["voucher", "-id"],
                name="loyalty_redemption_voucher",
                condition=Q(voucher__isnull=False),
            ),
            models.Index(fields=["at"], name="loyalty_redemption_age"),
        ]

    def __str__(self) -> str:
        return f"{self.voucher_id} {self.amount_minor} {self.state}"


class Rollback(models.Model):
    """The undoing of a redemption, or why it was refused. One redemption is undone once."""

    class State(models.TextChoices):
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    id = models.BigAutoField(primary_key=True)
    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="rollbacks")
    amount_minor = models.BigIntegerField(_("amount"), default=0)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    tracking_id = models.CharField(max_length=120, blank=True, default="")
    state = models.CharField(_("state"), max_length=9, choices=State)
    failure_code = models.CharField(max_length=60, blank=True, default="")
    failure_message = models.CharField(max_length=500, blank=True, default="")
    actor_label = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("rollback")
        verbose_name_plural = _("rollbacks")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["redemption"],
                condition=Q(state="succeeded"),
                name="loyalty_rollback_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.redemption_id} {self.state}"


class VoucherLock(models.Model):
    """What a session holds of a card until it expires: one use, and some of the money."""

    session_key = models.CharField(max_length=120)
    voucher = models.ForeignKey(Voucher, on_delete=models.CASCADE, related_name="locks")
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    amount_minor = models.BigIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("lock of a voucher")
        verbose_name_plural = _("locks of vouchers")
        constraints = [
            models.UniqueConstraint(
                fields=["session_key", "voucher"], name="loyalty_voucherlock_once"
            ),
            models.CheckConstraint(
                name="loyalty_voucherlock_amount_not_negative", condition=Q(amount_minor__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.session_key} {self.voucher_id}"
