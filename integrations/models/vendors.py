"""External authorizations: accounts at vendors' systems, and what was said to them."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models.connections import Connection
from workspace.models import Job, Website


class VendorConnection(Connection):
    """An account at a vendor's system that somebody authorized (behaviours AT-05 to AT-18).

    `settings` are those of the vendor's connector, `sealed_secret` an object of credentials by the
    names of the vendor's fields; it is "" once access was revoked. It `is_enabled` while it works:
    not where it is paused, revoked, or where the vendor refused the credentials (`error` says so).
    `account_name`, `account_id` and `endpoint` are what the vendor told of the account, as far as
    it did. `rate_limits` are what it said last of each of its limits:
    `{scope: {"limit", "remaining", "reset_at"}}`.

    Revoking deletes the credentials. Where the data at the vendor are deleted first, it is being
    revoked since `revoking_at` and keeps them until that is done. `told_at` is when somebody was
    told of the error by mail, `told_to` who.
    """

    class State(models.TextChoices):
        AUTHORIZED = "authorized", _("authorized")
        FIRST_DATA = "first_data", _("first data on its way")
        PAUSED = "paused", _("paused")
        ERROR = "error", _("error")
        REVOKING = "revoking", _("being revoked")
        REVOKED = "revoked", _("revoked")

    connection = models.OneToOneField(
        Connection,
        on_delete=models.CASCADE,
        parent_link=True,
        primary_key=True,
        related_name="vendor",
    )
    account_name = models.CharField(_("account"), max_length=200, blank=True, default="")
    account_id = models.CharField(max_length=100, blank=True, default="", editable=False)
    endpoint = models.CharField(max_length=300, blank=True, default="", editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Who is told when the vendor refuses the credentials."),
    )
    authorized_at = models.DateTimeField(_("authorized"))
    paused_at = models.DateTimeField(null=True, editable=False)
    revoking_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    told_at = models.DateTimeField(null=True, editable=False)
    told_to = models.CharField(max_length=300, blank=True, default="", editable=False)
    error = models.CharField(max_length=500, blank=True, default="", editable=False)
    error_at = models.DateTimeField(null=True, editable=False)
    sync_hours = models.PositiveSmallIntegerField(_("synchronized every … hours"), default=24)
    next_sync_at = models.DateTimeField(null=True, editable=False)
    first_synced_at = models.DateTimeField(null=True, editable=False)
    last_synced_at = models.DateTimeField(_("last synchronized"), null=True, editable=False)
    rate_limits = models.JSONField(default=dict, editable=False)

    class Meta:
        verbose_name = _("external authorization")
        verbose_name_plural = _("external authorizations")
        ordering = ["kind", "name", "id"]
        permissions = [("sync_vendorconnection", "Can synchronize with vendors at once")]
        constraints = [
            models.CheckConstraint(
                condition=Q(sync_hours__gte=1) & Q(sync_hours__lte=744),
                name="integrations_vendorconnection_syncs",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(next_sync_at__isnull=True),
                name="integrations_vendorconnection_revoked_is_still",
            ),
            models.CheckConstraint(
                condition=Q(revoking_at__isnull=True)
                | Q(revoked_at__isnull=True, next_sync_at__isnull=True),
                name="integrations_vendorconnection_revoking_is_still",
            ),
        ]

    @property
    def state(self) -> str:
        """In one word, how it stands."""
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.revoking_at is not None:
            return self.State.REVOKING
        if self.error:
            return self.State.ERROR
        if self.paused_at is not None:
            return self.State.PAUSED
        if self.first_synced_at is None and self.next_sync_at is not None:
            return self.State.FIRST_DATA
        return self.State.AUTHORIZED

    @classmethod
    def in_state(cls, state: str) -> Q:
        """The connections whose `state` this is."""
        is_revoked = Q(revoked_at__isnull=False)
        is_revoking = ~is_revoked & Q(revoking_at__isnull=False)
        is_there = Q(revoked_at__isnull=True, revoking_at__isnull=True)
        works = is_there & Q(error="", paused_at__isnull=True)
        is_first = Q(first_synced_at__isnull=True, next_sync_at__isnull=False)
        found: dict[str, Q] = {
            cls.State.REVOKED: is_revoked,
            cls.State.REVOKING: is_revoking,
            cls.State.ERROR: is_there & ~Q(error=""),
            cls.State.PAUSED: is_there & Q(error="", paused_at__isnull=False),
            cls.State.FIRST_DATA: works & is_first,
            cls.State.AUTHORIZED: works & ~is_first,
        }
        return found[state]


class ConnectionWebsite(models.Model):
    """A website that a connection is for, or was: then its data at the vendor are deleted.

    attached → leaving (the trash can, and then Update Websites: AT-15, AT-16) → left, at
    `left_at`, when the vendor has deleted all. `deleted_count` is what the vendor said.
    """

    class State(models.TextChoices):
        ATTACHED = "attached", _("attached")
        LEAVING = "leaving", _("its data are being deleted")
        LEFT = "left", _("its data were deleted")

    connection = models.ForeignKey(
        VendorConnection, on_delete=models.CASCADE, related_name="connection_websites"
    )
    website = models.ForeignKey(Website, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.ATTACHED)
    attached_at = models.DateTimeField()
    leaving_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    deleted_count = models.BigIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("website of a connection")
        verbose_name_plural = _("websites of connections")
        ordering = ["attached_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "website"],
                condition=~Q(state="left"),
                name="integrations_connectionwebsite_once",
            ),
            models.CheckConstraint(
                condition=Q(state="attached", leaving_at__isnull=True, left_at__isnull=True)
                | Q(state="leaving", leaving_at__isnull=False, left_at__isnull=True)
                | Q(state="left", leaving_at__isnull=False, left_at__isnull=False),
                name="integrations_connectionwebsite_times",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.website_id}"


class VendorCall(models.Model):
    """One request to a vendor and its answer, secrets blanked, both cut. Kept for a week."""

    id = models.BigAutoField(primary_key=True)
    connection = models.ForeignKey(
        VendorConnection, on_delete=models.CASCADE, db_index=False, related_name="calls"
    )
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    url = models.CharField(max_length=500)
    request = models.TextField(blank=True, default="")
    status = models.SmallIntegerField(null=True)
    answer = models.TextField(blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    milliseconds = models.IntegerField()

    class Meta:
        verbose_name = _("call of a vendor")
        verbose_name_plural = _("calls of vendors")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["connection", "-id"], name="integrations_vendorcall_of"),
            models.Index(fields=["at"], name="integrations_vendorcall_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class VendorSync(models.Model):
    """One synchronization with a vendor: what was done, and what came of it.

    `name` is that of the registered synchronization ("metrics"); there is one at a time of each
    connection and name. `counts` are its own words ("sent", "refused", "skipped_non_members").
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    id = models.BigAutoField(primary_key=True)
    connection = models.ForeignKey(
        VendorConnection, on_delete=models.CASCADE, db_index=False, related_name="syncs"
    )
    name = models.CharField(max_length=40)
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("synchronization")
        verbose_name_plural = _("synchronizations")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["connection", "name", "-id"], name="integrations_vendorsync_of")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running", finished_at__isnull=True)
                | (~Q(state="running") & Q(finished_at__isnull=False)),
                name="integrations_vendorsync_is_over_or_not",
            )
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.name}"

    def took(self, now: datetime) -> Any:
        """How long it lasted, or lasts."""
        return (self.finished_at or now) - self.started_at
