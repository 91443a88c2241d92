"""Validation rules: under which conditions a card is given or pays."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import KeyField
from loyalty.models.campaigns import Campaign, Voucher
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder


class ValidationRule(models.Model):
    """Conditions by name. What the document may say is in docs/validation_rules.md.

    Whom a rule refuses is told `message`, unless the part that refused has one of its own.
    """

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    document = models.JSONField(
        _("conditions"), default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    message = models.CharField(_("message"), max_length=300, blank=True, default="")
    # As Voucherify's clients sent it, if they did.
    original = models.JSONField(null=True, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("validation rule")
        verbose_name_plural = _("validation rules")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class RuleAssignment(models.Model):
    """A rule holds for one campaign, voucher or distribution."""

    rule = models.ForeignKey(ValidationRule, on_delete=models.PROTECT, related_name="assignments")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, null=True, related_name="rule_assignments"
    )
    voucher = models.ForeignKey(
        Voucher, on_delete=models.CASCADE, null=True, related_name="rule_assignments"
    )
    distribution = models.ForeignKey(
        "Distribution", on_delete=models.CASCADE, null=True, related_name="rule_assignments"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("assignment of a rule")
        verbose_name_plural = _("assignments of rules")
        constraints = [
            models.CheckConstraint(
                name="loyalty_ruleassignment_of_one_thing",
                condition=Q(campaign__isnull=False, voucher__isnull=True, distribution__isnull=True)
                | Q(campaign__isnull=True, voucher__isnull=False, distribution__isnull=True)
                | Q(campaign__isnull=True, voucher__isnull=True, distribution__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["rule", "campaign"], name="loyalty_ruleassignment_campaign_once"
            ),
            models.UniqueConstraint(
                fields=["rule", "voucher"], name="loyalty_ruleassignment_voucher_once"
            ),
            models.UniqueConstraint(
                fields=["rule", "distribution"], name="loyalty_ruleassignment_distribution_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} → {self.campaign_id or self.voucher_id or self.distribution_id}"
