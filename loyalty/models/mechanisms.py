"""What a loyalty programme offers: rewards, offers, challenges, tiers and the like as one model."""

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, KeyField
from segments.models import Segment
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder


class Mechanism(models.Model):
    """One thing that members may enjoy, with the block of restrictions that all kinds share.

    Status: draft → active ⇄ inactive → archived; only what is active can be had. What only one
    kind has is in `settings`: see `loyalty.mechanism_settings`.
    """

    class Kind(models.TextChoices):
        REWARD = "reward", _("reward")
        REWARD_CATEGORY = "reward_category", _("reward category")
        OFFER = "offer", _("offer")
        CHALLENGE = "challenge", _("challenge")
        CONTEST = "contest", _("contest")
        PRIZE_WHEEL = "prize_wheel", _("prize wheel")
        QUIZ = "quiz", _("quiz")
        REFERRAL = "referral", _("referral")
        TIER = "tier", _("tier")
        COUPON = "coupon", _("coupon")
        CAMPAIGN = "campaign", _("campaign")

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        INACTIVE = "inactive", _("inactive")
        ARCHIVED = "archived", _("archived")

    class Match(models.TextChoices):
        ANY = "any", _("any of them")
        ALL = "all", _("all of them")

    class Period(models.TextChoices):
        DAY = "day", _("day")
        WEEK = "week", _("week")
        MONTH = "month", _("month")
        YEAR = "year", _("year")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    kind = models.CharField(_("kind"), max_length=15, choices=Kind)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT)
    groups = models.ManyToManyField(
        Group, blank=True, related_name="mechanisms", verbose_name=_("user groups")
    )
    category = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rewards",
        verbose_name=_("category"),
    )
    segments = models.ManyToManyField(
        Segment, blank=True, related_name="mechanisms", verbose_name=_("segments")
    )
    segment_match = models.CharField(
        _("has to be in"), max_length=3, choices=Match, default=Match.ANY
    )
    lists = models.ManyToManyField(
        Segment, blank=True, related_name="mechanisms_by_list", verbose_name=_("lists")
    )
    hide_restricted = models.BooleanField(_("hide from others"), default=False)
    restricted_message = models.CharField(
        _("message for others"), max_length=300, blank=True, default=""
    )
    stock = models.PositiveIntegerField(_("stock"), null=True, blank=True)
    claimed_count = models.PositiveIntegerField(default=0, editable=False)
    member_limit = models.PositiveIntegerField(_("for each member at most"), null=True, blank=True)
    period_limit = models.PositiveIntegerField(
        _("for each member and period at most"), null=True, blank=True
    )
    period = models.CharField(_("period"), max_length=5, choices=Period, blank=True, default="")
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    cost_points = models.PositiveIntegerField(_("cost in points"), default=0)
    settings = models.JSONField(
        default=dict, blank=True, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("mechanism")
        verbose_name_plural = _("mechanisms")
        ordering = ["kind", "name", "id"]
        permissions = [("claim_mechanism", "Can claim and revoke for members")]
        constraints = [
            models.CheckConstraint(
                name="loyalty_mechanism_within_stock",
                condition=Q(stock__isnull=True) | Q(claimed_count__lte=F("stock")),
            ),
            models.CheckConstraint(
                name="loyalty_mechanism_period_is_whole",
                condition=Q(period_limit__isnull=True) | ~Q(period=""),
            ),
            models.CheckConstraint(
                name="loyalty_mechanism_ends_after_start",
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(ends_at__gt=F("starts_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Claim(models.Model):
    """A member took a reward, was assigned an offer, or reached the goal of a challenge.

    `cause` counts once for a contact and mechanism. A revoked one counts no more.
    """

    class State(models.TextChoices):
        CLAIMED = "claimed", _("claimed")
        USED = "used", _("used")
        REVOKED = "revoked", _("revoked")

    id = models.BigAutoField(primary_key=True)
    contact = models.ForeignKey(
        Contact, on_delete=models.PROTECT, db_constraint=False, related_name="claims"
    )
    mechanism = models.ForeignKey(Mechanism, on_delete=models.PROTECT, related_name="claims")
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.CLAIMED)
    cause = models.CharField(max_length=200)
    cost_points = models.PositiveIntegerField(_("cost in points"), default=0)
    bonus_points = models.PositiveIntegerField(_("bonus points"), default=0)
    expires_at = models.DateTimeField(_("expires"), null=True)
    at = models.DateTimeField(_("at"))
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    actor_label = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "mechanism", "cause"], name="loyalty_claim_once_per_cause"
            ),
            models.CheckConstraint(
                name="loyalty_claim_state_is_dated",
                condition=Q(state="revoked", revoked_at__isnull=False)
                | Q(state="used", used_at__isnull=False, revoked_at__isnull=True)
                | Q(state="claimed", used_at__isnull=True, revoked_at__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["mechanism", "at"], name="loyalty_claim_by_mechanism")]

    def __str__(self) -> str:
        return f"{self.mechanism_id} {self.contact_id} {self.state}"


class ChallengeProgress(models.Model):
    """How far a contact has come in a challenge, since the beginning of its period."""

    pk = models.CompositePrimaryKey("contact_id", "mechanism_id", "period_on")
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    mechanism = models.ForeignKey(
        Mechanism, on_delete=models.CASCADE, db_constraint=False, related_name="progress"
    )
    period_on = models.DateField()
    value = models.DecimalField(max_digits=24, decimal_places=4, default=0)
    reached_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = _("progress in a challenge")
        verbose_name_plural = _("progress in challenges")

    def __str__(self) -> str:
        return f"{self.contact_id} {self.mechanism_id}: {self.value}"
