"""Gift-card campaigns, their codes, and which code was given to whom."""

from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, KeyField
from workspace.models import ApiUser, Job


class Campaign(models.Model):
    """A batch of gift cards with common terms. Money is in minor units of `currency` (ISO 4217).

    Only an active campaign gives codes to contacts; cards that are out can be redeemed until the
    campaign ends or is disabled. With `refill` codes are made whenever fewer than
    `refill_below` are left, `refill_count` at a time: the campaign never runs dry.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        DISABLED = "disabled", _("disabled")

    class Creation(models.TextChoices):
        NONE = "none", _("no codes yet")
        IN_PROGRESS = "in_progress", _("codes are being made")
        DONE = "done", _("codes are there")
        FAILED = "failed", _("failed")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    groups = models.ManyToManyField(
        Group, blank=True, related_name="campaigns", verbose_name=_("user groups")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.ACTIVE)
    amount_minor = models.BigIntegerField(_("value"))
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    # How a code looks: {"length", "charset", "prefix", "postfix", "pattern", "check_digit"}.
    code_config = models.JSONField(_("pattern of codes"), default=dict, blank=True)
    refill = models.BooleanField(_("never runs dry"), default=False)
    refill_below = models.PositiveIntegerField(_("refill below"), default=100)
    refill_count = models.PositiveIntegerField(_("codes at a time"), default=1000)
    is_static = models.BooleanField(_("no codes may be added"), default=False)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    # ISO 8601 durations as they were given; what they mean is in `loyalty.validity`.
    valid_after_publication = models.CharField(
        _("valid after publication"), max_length=40, blank=True, default=""
    )
    validity_interval = models.CharField(max_length=40, blank=True, default="")
    validity_duration = models.CharField(max_length=40, blank=True, default="")
    # ISO weekdays, 1 is Monday; none: every day.
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("weekdays"), default=list, blank=True
    )
    join_once = models.BooleanField(
        _("join once"), default=True, help_text=_("A contact gets one code at most.")
    )
    redemption_limit = models.PositiveIntegerField(
        _("redemptions of a card at most"), null=True, blank=True
    )
    holdout_percent = models.PositiveSmallIntegerField(
        _("set aside, in per cent"),
        default=0,
        help_text=_("So many of those whom distributions reach get nothing, for comparison."),
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    creation = models.CharField(
        max_length=11, choices=Creation, default=Creation.NONE, editable=False
    )
    job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    voucher_count = models.BigIntegerField(_("codes"), default=0, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["name", "id"]
        permissions = [
            ("generate_codes_campaign", "Can generate and import codes"),
            ("publish_campaign", "Can give codes to contacts"),
            ("export_campaign", "Can export codes"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["name"], name="loyalty_campaign_name_once"),
            models.CheckConstraint(
                name="loyalty_campaign_value_is_positive", condition=Q(amount_minor__gt=0)
            ),
            models.CheckConstraint(
                name="loyalty_campaign_ends_after_start",
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(ends_at__gt=F("starts_at")),
            ),
            models.CheckConstraint(
                name="loyalty_campaign_holdout_is_a_part", condition=Q(holdout_percent__lte=90)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CodeBatch(models.Model):
    """Codes that came into a campaign together, with one posting in the ledger of cards."""

    class Kind(models.TextChoices):
        GENERATED = "generated", _("generated")
        IMPORTED = "imported", _("imported")
        REFILL = "refill", _("refill")
        SINGLE = "single", _("single code")

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="batches")
    kind = models.CharField(max_length=9, choices=Kind)
    code_count = models.BigIntegerField(_("codes"))
    amount_minor = models.BigIntegerField(_("value of all"))
    actor_label = models.CharField(max_length=200, blank=True, default="")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("batch of codes")
        verbose_name_plural = _("batches of codes")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="loyalty_codebatch_has_codes",
                condition=Q(code_count__gt=0, amount_minor__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} #{self.pk}"


class Voucher(models.Model):
    """A code worth money. `balance_minor` is what is left, before what is locked in sessions.

    It is `initial_minor` plus what the ledger of cards says: the database keeps that number, and
    lets nobody write it but through a posting. Codes are kept and compared in upper case.
    Whether it is published, used up, expired… follows from its columns: `loyalty.states`.
    """

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False)
    batch = models.ForeignKey(
        CodeBatch, on_delete=models.PROTECT, db_index=False, db_constraint=False
    )
    code = models.CharField(_("code"), max_length=80)
    initial_minor = models.BigIntegerField(_("value"))
    balance_minor = models.BigIntegerField(_("balance"))
    redeemed_minor = models.BigIntegerField(_("redeemed"), default=0, db_default=0)
    redeemed_count = models.IntegerField(_("redemptions"), default=0, db_default=0)
    redemption_limit = models.PositiveIntegerField(null=True)
    holder = models.ForeignKey(
        Contact,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        db_constraint=False,
        related_name="vouchers",
        verbose_name=_("holder"),
    )
    published_at = models.DateTimeField(_("published"), null=True)
    starts_at = models.DateTimeField(_("valid from"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)
    # When what was left of it was booked as expired.
    expired_at = models.DateTimeField(null=True)
    is_enabled = models.BooleanField(_("enabled"), default=True, db_default=True)
    metadata = models.JSONField(null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        ordering = ["-id"]
        permissions = [("change_balance_voucher", "Can add to and take from balances")]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="loyalty_voucher_code_once"),
            models.CheckConstraint(
                name="loyalty_voucher_code_is_upper", condition=Q(code=Upper("code"))
            ),
            models.CheckConstraint(
                name="loyalty_voucher_value_is_positive", condition=Q(initial_minor__gt=0)
            ),
            models.CheckConstraint(
                name="loyalty_voucher_balance_not_negative", condition=Q(balance_minor__gte=0)
            ),
            models.CheckConstraint(
                name="loyalty_voucher_redeemed_not_negative",
                condition=Q(redeemed_minor__gte=0, redeemed_count__gte=0),
            ),
            models.CheckConstraint(
                name="loyalty_voucher_within_limit",
                condition=Q(redemption_limit__isnull=True)
                | Q(redeemed_count__lte=F("redemption_limit")),
            ),
            models.CheckConstraint(
                name="loyalty_voucher_published_has_holder",
                condition=Q(holder__isnull=True) | Q(published_at__isnull=False),
            ),
        ]
        indexes = [
            # From here unpublished codes are taken, the oldest first.
            models.Index(
                fields=["campaign", "id"],
                name="loyalty_voucher_pool",
                condition=Q(published_at__isnull=True, is_enabled=True),
            ),
            models.Index(
                fields=["campaign", "published_at"],
                name="loyalty_voucher_published",
                condition=Q(published_at__isnull=False),
            ),
            models.Index(
                fields=["holder", "id"],
                name="loyalty_voucher_holder",
                condition=Q(holder__isnull=False),
            ),
            models.Index(
                fields=["expires_at"],
                name="loyalty_voucher_expiry",
                condition=Q(expires_at__isnull=False, expired_at__isnull=True),
            ),
            # What is valid again when its campaign gets more time.
            models.Index(
                fields=["campaign", "id"],
                name="loyalty_voucher_expired",
                condition=Q(expired_at__isnull=False),
            ),
            # What expires when its campaign ends.
            models.Index(
                fields=["campaign"],
                name="loyalty_voucher_unexpired",
                condition=Q(expired_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Publication(models.Model):
    """A code given to a contact, or why none was. Once for each `source_id`.

    `is_only` where the campaign may be joined once: the database lets no second one in.
    """

    class State(models.TextChoices):
        SUCCESS = "success", _("succeeded")
        FAILURE = "failure", _("failed")

    id = models.BigAutoField(primary_key=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, db_index=False)
    voucher = models.ForeignKey(
        Voucher,
        on_delete=models.PROTECT,
        null=True,
        db_constraint=False,
        related_name="publications",
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, db_constraint=False, related_name="publications"
    )
    distribution = models.ForeignKey(
        "Distribution", on_delete=models.SET_NULL, null=True, related_name="publications"
    )
    source_id = models.CharField(_("source id"), max_length=200, null=True)  # noqa: DJ001  unique
    channel = models.CharField(_("channel"), max_length=40, blank=True, default="")
    tracking_id = models.CharField(max_length=120, blank=True, default="")
    metadata = models.JSONField(default=dict)
    is_only = models.BooleanField(default=False)
    state = models.CharField(max_length=7, choices=State, default=State.SUCCESS)
    failure_code = models.CharField(max_length=60, blank=True, default="")
    failure_message = models.CharField(max_length=500, blank=True, default="")
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        ordering = ["-id"]
        constraints = [
            # What was refused may be tried again.
            models.UniqueConstraint(
                fields=["source_id"],
                condition=Q(state="success"),
                name="loyalty_publication_source_once",
            ),
            models.UniqueConstraint(
                fields=["voucher"],
                condition=Q(state="success"),
                name="loyalty_publication_code_once",
            ),
            models.UniqueConstraint(
                fields=["campaign", "contact"],
                condition=Q(is_only=True, state="success"),
                name="loyalty_publication_join_once",
            ),
            models.CheckConstraint(
                name="loyalty_publication_success_has_code",
                condition=Q(state="failure") | Q(voucher__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "-id"], name="loyalty_publication_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.voucher_id} → {self.contact_id}"


class Holdout(models.Model):
    """A contact whom a campaign reached and gave nothing on purpose, to compare with."""

    pk = models.CompositePrimaryKey("campaign_id", "contact_id")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_constraint=False)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("contact set aside")
        verbose_name_plural = _("contacts set aside")

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.contact_id}"
