"""Segments mirrored at vendors, and who is on their lists there."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import ConsentDefinition, Contact
from integrations.models import VendorConnection


class Audience(models.Model):
    """A segment mirrored as a list at a vendor.

    active ⇄ paused; both → ending, where its list is to be deleted there first; then the row goes.
    `list_name` is written before the list is made, `list_id` after. `consent` restricts it to those
    who gave that consent. The counts are those of the last synchronization: how many are on the
    list, how many have no address, are held back, and were refused. `lost_at` is when the answer to
    an addition was lost.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        ENDING = "ending", _("its list is being deleted")

    id = models.AutoField(primary_key=True)
    segment = models.ForeignKey(
        "segments.Segment", on_delete=models.CASCADE, related_name="audiences"
    )
    connection = models.ForeignKey(
        VendorConnection,
        on_delete=models.PROTECT,
        related_name="audiences",
        verbose_name=_("external authorization"),
    )
    name = models.CharField(_("name of the list"), max_length=128)
    consent = models.ForeignKey(
        ConsentDefinition,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("only with the consent"),
    )
    state = models.CharField(_("state"), max_length=6, choices=State, default=State.ACTIVE)
    list_id = models.CharField(max_length=100, blank=True, default="", editable=False)
    list_name = models.CharField(max_length=128, blank=True, default="", editable=False)
    created_at = models.DateTimeField(_("since"))
    last_sync_at = models.DateTimeField(_("last synchronized"), null=True, editable=False)
    lost_at = models.DateTimeField(null=True, editable=False)
    there_count = models.BigIntegerField(_("on the list"), default=0, editable=False)
    nameless_count = models.BigIntegerField(default=0, editable=False)
    held_back_count = models.BigIntegerField(default=0, editable=False)
    refused_count = models.BigIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("audience")
        verbose_name_plural = _("audiences")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "connection"], name="segments_audience_once"
            ),
            models.UniqueConstraint(
                fields=["connection", "list_id"],
                condition=~Q(list_id=""),
                name="segments_audience_list_once",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="segments_audience_is_named"),
            models.CheckConstraint(
                condition=Q(list_id="") | ~Q(list_name=""), name="segments_audience_list_is_named"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AudienceMember(models.Model):
    """Somebody on the list of an audience, under one address. Written by `segments.audiences`.

    due → adding → there, or refused with a `reason`; there → leaving → gone, with the row.
    `may_be_there` where it is on the list, or perhaps is. `remote_id` is the vendor's.
    """

    class State(models.TextChoices):
        DUE = "due", _("to be added")
        ADDING = "adding", _("being added")
        THERE = "there", _("on the list")
        REFUSED = "refused", _("refused")
        LEAVING = "leaving", _("to be taken off")

    pk = models.CompositePrimaryKey("contact_id", "audience_id", "address")
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    audience = models.ForeignKey(
        Audience,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="members",
    )
    address = models.TextField()
    state = models.CharField(max_length=7, choices=State, default=State.DUE)
    may_be_there = models.BooleanField(default=False)
    remote_id = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=60, blank=True, default="", db_default="")
    at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("member of an audience")
        verbose_name_plural = _("members of audiences")
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["audience", "state", "contact"], name="segments_audiencemember_state"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["there", "leaving"]) | Q(may_be_there=True),
                name="segments_audiencemember_is_there",
            )
        ]

    def __str__(self) -> str:
        return f"{self.audience_id} {self.contact_id}"
