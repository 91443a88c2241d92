"""Where an imported segment comes from, how its last synchronization went, whom it left out."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models import VendorConnection


class ImportedSegment(models.Model):
    """A segment whose members are those of one at a vendor's, of those whom we know.

    Its keys are names in the namespace `match_by`; as digests they are the segment's list
    (`ContactList`). The counts are those of the last synchronization that succeeded:
    `source_count` keys came, and each was matched, a non-member, unknown, unreadable, or a
    duplicate. `error` is why the last attempt failed, `missing_since` when the vendor had the
    segment no more. `requested_at` waits for somebody's “now”. Once it is `stopped_at` nothing is
    read any more, and the last members stay.
    """

    segment = models.OneToOneField(
        "segments.Segment", on_delete=models.CASCADE, primary_key=True, related_name="imported"
    )
    connection = models.ForeignKey(
        VendorConnection,
        on_delete=models.PROTECT,
        related_name="imported_segments",
        verbose_name=_("external authorization"),
    )
    remote_id = models.CharField(max_length=100)
    remote_name = models.CharField(max_length=300)
    remote_kind = models.CharField(max_length=40, blank=True, default="")
    match_by = models.CharField(max_length=40)
    imported_at = models.DateTimeField()
    requested_at = models.DateTimeField(null=True)
    attempted_at = models.DateTimeField(null=True)
    last_sync_at = models.DateTimeField(_("last synchronized"), null=True)
    source_count = models.BigIntegerField(default=0)
    matched_count = models.BigIntegerField(default=0)
    non_member_count = models.BigIntegerField(default=0)
    unknown_count = models.BigIntegerField(default=0)
    unreadable_count = models.BigIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, default="")
    missing_since = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("imported segment")
        verbose_name_plural = _("imported segments")
        ordering = ["remote_name", "segment"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "remote_id"],
                condition=Q(stopped_at__isnull=True),
                name="segments_importedsegment_once",
            ),
            models.CheckConstraint(
                condition=Q(last_sync_at__isnull=False) | Q(source_count=0),
                name="segments_importedsegment_counts_of_a_sync",
            ),
        ]

    def __str__(self) -> str:
        return self.remote_name

    @property
    def duplicate_count(self) -> int:
        """How many keys named somebody whom another one had named before."""
        told = self.matched_count + self.non_member_count + self.unknown_count
        return max(0, self.source_count - told - self.unreadable_count)


class SkippedKey(models.Model):
    """A key of the last synchronization that made nobody a member, and why.

    Of very many the first are kept; `ImportedSegment` counts them all. `place` is that of the key
    in what the vendor gave.
    """

    class Reason(models.TextChoices):
        NON_MEMBER = "non_member", _("no loyalty member")
        UNKNOWN = "unknown", _("not in the base")
        UNREADABLE = "unreadable", _("cannot be read")

    pk = models.CompositePrimaryKey("segment_id", "place")
    segment = models.ForeignKey(
        ImportedSegment, on_delete=models.CASCADE, db_index=False, related_name="skipped"
    )
    place = models.BigIntegerField()
    key = models.CharField(max_length=320)
    reason = models.CharField(max_length=10, choices=Reason)

    class Meta:
        verbose_name = _("skipped key")
        verbose_name_plural = _("skipped keys")
        ordering = ["segment", "place"]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.place}"
