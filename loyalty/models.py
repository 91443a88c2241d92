"""Who belongs to the loyalty programme."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact


class Member(models.Model):
    """A contact's membership in the loyalty programme: at most one, left or not.

    Whoever left keeps the row with `left_at`; criteria count only those who did not.
    """

    contact = models.OneToOneField(
        Contact, on_delete=models.CASCADE, primary_key=True, related_name="loyalty_member"
    )
    card_number = models.CharField(_("card number"), max_length=60, blank=True, default="")
    tier = models.CharField(_("tier"), max_length=60, blank=True, default="", db_default="")
    points = models.BigIntegerField(_("points"), default=0, db_default=0)
    joined_at = models.DateTimeField(_("joined"))
    left_at = models.DateTimeField(_("left"), null=True, blank=True)
    is_demo = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        verbose_name = _("loyalty member")
        verbose_name_plural = _("loyalty members")
        constraints = [
            models.CheckConstraint(
                condition=Q(left_at__isnull=True) | Q(left_at__gte=models.F("joined_at")),
                name="loyalty_member_left_after_joining",
            )
        ]
        indexes = [
            models.Index(
                fields=["points"], name="loyalty_member_points", condition=Q(left_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id}"
