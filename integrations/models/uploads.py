"""Metrics of contacts that were uploaded to a vendor: each record, and the imports that carry them.

A million records and more for each website: keys to the contact, the website and the connection are
not checked by the database, and what changes is written by one statement for many.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from integrations.models.vendors import VendorConnection
from workspace.models import Website


class UploadPlace(models.Model):
    """Where the records of a website are at the vendor of a connection.

    `name` is the vendor's own word for it (collection and identifier): where the settings say
    another one, what is at the old place is deleted first. `account` says whose it is, "" as long
    as that was not settled. Of several connections that keep one website at one place of one
    account each has a `number`, with which its keys end from 2 on: so none of them replaces or
    deletes what another one keeps there.

    `full_at` is when the first upload of all contacts was done. `deleted_count` counts while the
    records are being deleted; `job` is the vendor's name of what does it.
    """

    connection = models.ForeignKey(
        VendorConnection, on_delete=models.CASCADE, db_index=False, related_name="upload_places"
    )
    website = models.ForeignKey(Website, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=330)
    account = models.CharField(max_length=550, blank=True, default="")
    number = models.PositiveSmallIntegerField(default=1)
    full_at = models.DateTimeField(null=True)
    deleted_count = models.BigIntegerField(default=0)
    job = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("place of uploaded metrics")
        verbose_name_plural = _("places of uploaded metrics")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "website"], name="integrations_uploadplace_once"
            ),
            models.UniqueConstraint(
                fields=["account", "name", "website", "number"],
                condition=~Q(account=""),
                name="integrations_uploadplace_keys_are_its_own",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.website_id}: {self.name}"

    @property
    def suffix(self) -> str:
        """With what the keys of its records end, after the contact's name."""
        number = "" if self.number == 1 else f".{self.number}"
        return f":{self.website.key}{number}"


class UploadChunk(models.Model):
    """One import: records that were sent together.

    submitting → submitted, once the vendor has told its `import_id`; then done, or failed as a
    whole. One whose answer was lost is lost: nobody knows whether it arrived, and its records are
    sent again. Kept for a month.
    """

    class State(models.TextChoices):
        SUBMITTING = "submitting", _("being sent")
        SUBMITTED = "submitted", _("being imported")
        DONE = "done", _("imported")
        FAILED = "failed", _("failed")
        LOST = "lost", _("answer lost: sent again")

    id = models.BigAutoField(primary_key=True)
    connection = models.ForeignKey(
        VendorConnection, on_delete=models.CASCADE, db_index=False, related_name="upload_chunks"
    )
    website = models.ForeignKey(Website, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.SUBMITTING)
    import_id = models.CharField(max_length=100, blank=True, default="")
    record_count = models.IntegerField(_("records"), default=0)
    byte_count = models.BigIntegerField(_("bytes"), default=0)
    refused_count = models.IntegerField(_("refused"), default=0)
    began_at = models.DateTimeField(_("sent"))
    finished_at = models.DateTimeField(_("done"), null=True)

    class Meta:
        verbose_name = _("upload of metrics")
        verbose_name_plural = _("uploads of metrics")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["connection", "website", "-id"], name="integrations_uploadchunk_of"
            ),
            models.Index(fields=["finished_at"], name="integrations_uploadchunk_age"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(state__in=["submitting", "submitted"], finished_at__isnull=True)
                    | (~Q(state__in=["submitting", "submitted"]) & Q(finished_at__isnull=False))
                ),
                name="integrations_uploadchunk_is_over_or_not",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["submitting", "lost"]) | ~Q(import_id=""),
                name="integrations_uploadchunk_is_named",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.website_id} {self.import_id}"


class UploadedRecord(models.Model):
    """The metrics of a contact on a website, as one record at a vendor.

    `key` names it there: the contact's name and its place's ("ann@shop.test:main"). A contact
    whose name changed has two for a while: the new one, and the old one that is to be deleted.

    due → sending → sent, or refused with a `reason`; sent → due when the values changed, or
    leaving when the contact has no record any more; leaving → gone, with the row. `digest` is that
    of what is there: null for nothing, zero where nobody knows. `wanted` is what was sent last.
    """

    class State(models.TextChoices):
        DUE = "due", _("to be sent")
        SENDING = "sending", _("being imported")
        SENT = "sent", _("there")
        REFUSED = "refused", _("refused")
        LEAVING = "leaving", _("to be deleted there")

    pk = models.CompositePrimaryKey("contact_id", "connection_id", "website_id", "key")
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    connection = models.ForeignKey(
        VendorConnection,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="uploaded_records",
    )
    website = models.ForeignKey(
        Website, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    key = models.TextField()
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.DUE)
    digest = models.UUIDField(null=True)
    wanted = models.UUIDField(null=True)
    reason = models.CharField(_("reason"), max_length=60, blank=True, default="", db_default="")
    chunk = models.ForeignKey(
        UploadChunk,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    at = models.DateTimeField(_("last told"), null=True)

    class Meta:
        verbose_name = _("uploaded record")
        verbose_name_plural = _("uploaded records")
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["connection", "website", "state", "contact"],
                name="integrations_uploaded_open",
                condition=~Q(state="sent"),
            ),
            models.Index(
                fields=["chunk"],
                name="integrations_uploaded_in_chunk",
                condition=Q(chunk__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(state="sending", chunk__isnull=False))
                | (~Q(state="sending") & Q(chunk__isnull=True)),
                name="integrations_uploadedrecord_is_sent_in",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "leaving"]) | Q(digest__isnull=False),
                name="integrations_uploadedrecord_is_there",
            ),
        ]

    def __str__(self) -> str:
        return self.key
