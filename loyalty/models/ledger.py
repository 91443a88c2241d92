"""The ledger of cards: every movement of money, from one account to another."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from loyalty.models.campaigns import Campaign, CodeBatch, Voucher


class CardPosting(models.Model):
    """Money that went from one account to another, once. Written only by `loyalty.ledger`.

    One row has both sides, so that the ledger is balanced at every moment, not only at the end of
    a transaction. Nothing is changed or deleted; a correction is a reversal. A posting of a whole
    batch (its codes when they are made) names no voucher; every later one names the card.
    `cause` counts once in the workspace ("redemption:12").
    """

    class Account(models.TextChoices):
        ISSUED = "issued", _("issued")
        CARDS = "cards", _("on cards")
        REDEEMED = "redeemed", _("redeemed")
        EXPIRED = "expired", _("expired")
        ADJUSTED = "adjusted", _("adjusted")

    class Kind(models.TextChoices):
        ISSUE = "issue", _("codes made")
        REDEMPTION = "redemption", _("redemption")
        ROLLBACK = "rollback", _("rollback")
        ADDITION = "addition", _("added")
        REMOVAL = "removal", _("removed")
        EXPIRY = "expiry", _("expired")
        REINSTATEMENT = "reinstatement", _("valid again")

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False)
    voucher = models.ForeignKey(
        Voucher, on_delete=models.PROTECT, null=True, db_index=False, related_name="postings"
    )
    batch = models.ForeignKey(CodeBatch, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    debit = models.CharField(_("from"), max_length=8, choices=Account)
    credit = models.CharField(_("to"), max_length=8, choices=Account)
    amount_minor = models.BigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    # What the card had afterwards; of a batch nothing.
    balance_minor = models.BigIntegerField(_("balance"), null=True)
    cause = models.CharField(_("cause"), max_length=200)
    redemption = models.ForeignKey(
        "Redemption", on_delete=models.PROTECT, null=True, related_name="postings"
    )
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="reversed_by"
    )
    source_id = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    actor_label = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("posting of a card")
        verbose_name_plural = _("ledger of cards")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["cause"], name="loyalty_cardposting_once_per_cause"),
            models.CheckConstraint(
                name="loyalty_cardposting_moves_something",
                condition=Q(amount_minor__gt=0) & ~Q(debit=F("credit")),
            ),
            models.CheckConstraint(
                name="loyalty_cardposting_touches_cards",
                condition=Q(debit="cards") | Q(credit="cards"),
            ),
            models.CheckConstraint(
                name="loyalty_cardposting_of_a_card_or_batch",
                condition=Q(voucher__isnull=False) | Q(kind="issue", batch__isnull=False),
            ),
            models.UniqueConstraint(fields=["batch"], name="loyalty_cardposting_batch_once"),
            models.CheckConstraint(
                name="loyalty_cardposting_batch_is_issued",
                condition=Q(kind="issue", voucher__isnull=True, batch__isnull=False)
                | ~Q(kind="issue") & Q(voucher__isnull=False, batch__isnull=True),
            ),
            models.CheckConstraint(
                name="loyalty_cardposting_kind_says_accounts",
                condition=Q(kind="issue", debit="issued", credit="cards")
                | Q(kind="redemption", debit="cards", credit="redeemed")
                | Q(kind="rollback", debit="redeemed", credit="cards")
                | Q(kind="addition", debit="adjusted", credit="cards")
                | Q(kind="removal", debit="cards", credit="adjusted")
                | Q(kind="expiry", debit="cards", credit="expired")
                | Q(kind="reinstatement", debit="expired", credit="cards"),
            ),
            models.CheckConstraint(
                name="loyalty_cardposting_of_a_redemption",
                condition=Q(kind__in=["redemption", "rollback"], redemption__isnull=False)
                | ~Q(kind__in=["redemption", "rollback"]) & Q(redemption__isnull=True),
            ),
            # A reversal moves the same money back; the trigger compares.
            models.CheckConstraint(
                name="loyalty_cardposting_reverses_its_like",
                condition=Q(kind__in=["rollback", "reinstatement"], reverses__isnull=False)
                | Q(kind="removal")
                | Q(kind__in=["issue", "redemption", "addition", "expiry"], reverses__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["voucher", "-id"],
                name="loyalty_cardposting_voucher",
                condition=Q(voucher__isnull=False),
            ),
            models.Index(fields=["campaign", "at"], name="loyalty_cardposting_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.debit} → {self.credit} {self.amount_minor} {self.currency}"
