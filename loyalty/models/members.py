"""Who belongs to the loyalty programme, the ledger of their points, and how points are earned."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, KeyField


class Member(models.Model):
    """A contact's membership in the loyalty programme: at most one, left or not.

    Whoever left keeps the row with `left_at`; criteria count only those who did not. The points
    are what the ledger says: the database writes them, nobody else. Those with which a row is made
    are a line of the ledger by themselves, and what it has when it is deleted expires.
    """

    contact = models.OneToOneField(
        Contact, on_delete=models.CASCADE, primary_key=True, related_name="loyalty_member"
    )
    card_number = models.CharField(_("card number"), max_length=60, blank=True, default="")
    tier = models.CharField(_("tier"), max_length=60, blank=True, default="", db_default="")
    points = models.BigIntegerField(_("points"), default=0, db_default=0)
    points_earned = models.BigIntegerField(
        _("points ever earned"), default=0, db_default=0, editable=False
    )
    points_spent = models.BigIntegerField(
        _("points ever spent"), default=0, db_default=0, editable=False
    )
    joined_at = models.DateTimeField(_("joined"))
    left_at = models.DateTimeField(_("left"), null=True, blank=True)
    is_demo = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        verbose_name = _("loyalty member")
        verbose_name_plural = _("loyalty members")
        constraints = [
            models.CheckConstraint(
                condition=Q(left_at__isnull=True) | Q(left_at__gte=F("joined_at")),
                name="loyalty_member_left_after_joining",
            ),
            models.UniqueConstraint(
                fields=["card_number"],
                condition=~Q(card_number=""),
                name="loyalty_member_one_for_each_card",
            ),
        ]
        indexes = [
            models.Index(
                fields=["points"], name="loyalty_member_points", condition=Q(left_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id}"


class PointsPosting(models.Model):
    """Points that went from one account to another, once. Written only by `loyalty.points`.

    Nothing here is changed or deleted; a correction is a reversal. What a merge, an erasure and
    the removal of demo data may do stands in the migration `points_of_members`. One of the two
    accounts is the member's own, so that each row is a balanced entry by itself, and
    `Member.points` is what came into it less what went out: the database keeps that number and
    lets nobody else write it.
    `cause` counts once for a contact ("event:17:abc"). Points that came in with `expires_at` and
    were not spent until then expire.
    """

    class Account(models.TextChoices):
        MEMBER = "member", _("member")
        ISSUED = "issued", _("issued")
        SPENT = "spent", _("spent")
        EXPIRED = "expired", _("expired")
        ADJUSTED = "adjusted", _("adjusted")

    pk = models.CompositePrimaryKey("contact_id", "id")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, db_constraint=False)
    id = models.BigIntegerField(editable=False)
    debit = models.CharField(_("from"), max_length=8, choices=Account)
    credit = models.CharField(_("to"), max_length=8, choices=Account)
    points = models.BigIntegerField(_("points"))
    cause = models.CharField(_("cause"), max_length=200)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    reverses_id = models.BigIntegerField(null=True)
    rule = models.ForeignKey(
        "EarnRule", on_delete=models.PROTECT, null=True, db_constraint=False, related_name="+"
    )
    actor_label = models.CharField(max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"))
    expires_at = models.DateTimeField(_("expires"), null=True)

    class Meta:
        # The id is an identity of the database; the triggers are in the migrations, too.
        managed = False
        db_table = "loyalty_pointsposting"
        verbose_name = _("posting of points")
        verbose_name_plural = _("postings of points")

    def __str__(self) -> str:
        return f"{self.contact_id}: {self.debit} → {self.credit} {self.points}"

    @property
    def step(self) -> int:
        """What the member got, below 0 what went."""
        return self.points if self.credit == self.Account.MEMBER else -self.points


class EarnRule(models.Model):
    """What members earn by an event: so many points each, and for each whole unit of an amount.

    At most `daily_limit` points a member and day (of the workspace's time zone) by this rule.
    """

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    event_name = models.CharField(_("event"), max_length=200)
    points_per_event = models.PositiveIntegerField(_("points for each"), default=0)
    points_per_unit = models.DecimalField(
        _("points for each unit of the amount"),
        max_digits=12,
        decimal_places=4,
        default=Decimal(0),
    )
    amount_property = models.CharField(
        _("property with the amount"), max_length=200, blank=True, default=""
    )
    daily_limit = models.PositiveIntegerField(_("points a day at most"), null=True, blank=True)
    expires_after_days = models.PositiveIntegerField(
        _("points expire after, in days"), null=True, blank=True
    )
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    is_enabled = models.BooleanField(_("in force"), default=True)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("earn rule")
        verbose_name_plural = _("earn rules")
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                name="loyalty_earnrule_gives_something",
                condition=Q(points_per_event__gt=0) | Q(points_per_unit__gt=0),
            ),
            models.CheckConstraint(
                name="loyalty_earnrule_ends_after_start",
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(ends_at__gt=F("starts_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Programme(models.Model):
    """How the loyalty programme works as a whole: one row, which is missing until it is changed.

    Tiers are mechanisms of the kind "tier"; what a member earned in the last `tier_window_days`
    decides which one he has.
    """

    name = models.CharField(_("name"), max_length=120, blank=True, default="")
    tier_window_days = models.PositiveIntegerField(
        _("points of the last days"),
        default=365,
        validators=[MinValueValidator(1), MaxValueValidator(36_500)],
    )
    card_prefix = models.CharField(
        _("card numbers begin with"),
        max_length=6,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"\A[0-9]*\Z", _("Digits only."))],
    )

    class Meta:
        verbose_name = _("loyalty programme")
        verbose_name_plural = _("loyalty programme")

    def __str__(self) -> str:
        return self.name or str(_("loyalty programme"))
