"""The outbox: messages on their way out, and each try to send one."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from integrations.models.connections import Connection


class Delivery(models.Model):
    """One message on its way out. Written in the transaction of the fact that it tells of.

    `key` is the same at every attempt, and unique: who enqueues twice sends once. `payload` is
    complete: nothing is looked up when it is sent. `subject` says what it is about
    ("distribution:12").

    queued → in_flight → delivered, or back to queued with a later `due_at`, or failed; queued or
    failed → cancelled; failed or cancelled → queued by hand. `claimed_at` is also the token of
    the claim: who comes back with another one has lost it. `attempts` are those since it was
    queued or asked for again by hand.

    It goes out at least once. One that does not `repeats` goes out at most once instead: where who
    sent it ended before it was known what came of it, it has failed and is not tried again. Of such
    a one `begun_at` is written before it is handed over.

    Those of one connection with the same `order_key` go out one after the other, as they were
    queued: one waits until all before it are over. `keeps_time` is of one that is tried when it is
    due also while its connection rests. `reason` is why it failed, in words that others share.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        IN_FLIGHT = "in_flight", _("being sent")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=200, unique=True)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, db_index=False, related_name="deliveries"
    )
    kind = models.CharField(_("kind"), max_length=80)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.SET_NULL,
        null=True,
        db_constraint=False,
        related_name="deliveries",
        verbose_name=_("contact"),
    )
    subject = models.CharField(max_length=120, blank=True, default="")
    payload = models.JSONField()
    state = models.CharField(
        _("state"), max_length=9, choices=State, default=State.QUEUED, db_default="queued"
    )
    repeats = models.BooleanField(default=True, db_default=True)
    order_key = models.CharField(max_length=120, blank=True, default="", db_default="")
    keeps_time = models.BooleanField(default=False, db_default=False)
    begun_at = models.DateTimeField(null=True)
    attempts = models.SmallIntegerField(_("attempts"), default=0, db_default=0)
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    last_error = models.TextField(_("last error"), blank=True, default="", db_default="")
    reason = models.CharField(_("reason"), max_length=200, blank=True, default="", db_default="")
    reference = models.CharField(max_length=200, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        permissions = [("retry_delivery", "Can send deliveries again")]
        indexes = [
            # By connection, so that one with a long queue holds up nobody else's.
            models.Index(
                fields=["connection", "due_at", "id"],
                name="integrations_delivery_due",
                condition=Q(state="queued"),
            ),
            models.Index(
                fields=["connection", "due_at", "id"],
                name="integrations_delivery_punctual",
                condition=Q(state="queued", keeps_time=True),
            ),
            # Who is before whom.
            models.Index(
                fields=["connection", "order_key", "id"],
                name="integrations_delivery_in_order",
                condition=Q(state__in=["queued", "in_flight"]) & ~Q(order_key=""),
            ),
            models.Index(
                fields=["connection", "claimed_at"],
                name="integrations_delivery_flying",
                condition=Q(state="in_flight"),
            ),
            models.Index(fields=["connection", "-id"], name="integrations_delivery_of"),
            models.Index(
                fields=["subject", "-id"],
                name="integrations_delivery_subject",
                condition=~Q(subject=""),
            ),
            models.Index(fields=["created_at"], name="integrations_delivery_age"),
            models.Index(
                fields=["connection", "-id"],
                name="integrations_delivery_failed",
                condition=Q(state="failed"),
            ),
            models.Index(
                fields=["connection", "kind", "reason"],
                name="integrations_delivery_reasons",
                condition=Q(state="failed"),
            ),
            models.Index(
                fields=["state", "finished_at"],
                name="integrations_delivery_over",
                condition=Q(finished_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="in_flight", claimed_at__isnull=False)
                | ~Q(state="in_flight") & Q(claimed_at__isnull=True),
                name="integrations_delivery_claimed_in_flight",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "in_flight"], finished_at__isnull=True)
                | Q(state__in=["delivered", "failed", "cancelled"], finished_at__isnull=False),
                name="integrations_delivery_finished_when_over",
            ),
            models.CheckConstraint(
                condition=Q(attempts__gte=0), name="integrations_delivery_attempts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class DeliveryCount(models.Model):
    """How many deliveries of a kind came to an end over a connection on a day, by how.

    `day` is one of the workspace's time zone. What is sent again by hand counts again.
    """

    pk = models.CompositePrimaryKey("connection_id", "day", "kind", "state")
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_index=False, related_name="delivery_counts"
    )
    day = models.DateField()
    kind = models.CharField(max_length=80)
    state = models.CharField(max_length=9, choices=Delivery.State)
    delivery_count = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("count of deliveries")
        verbose_name_plural = _("counts of deliveries")

    def __str__(self) -> str:
        return f"{self.connection_id} {self.day} {self.kind} {self.state}: {self.delivery_count}"


class DeliveryAttempt(models.Model):
    """One try to send a delivery, and what came of it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True)
    error = models.TextField(blank=True, default="")
    answer = models.TextField(blank=True, default="")
    milliseconds = models.IntegerField(default=0)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.status or self.error}"
