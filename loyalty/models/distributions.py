"""Distributions: who does this gets a card of that campaign, over this channel."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, KeyField
from integrations.models import Connection, Template
from loyalty.models.campaigns import Campaign, Publication
from segments.models import Segment
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder


class Distribution(models.Model):
    """When something happens to a contact, a card of the campaign is published and sent.

    `trigger_key` says what of the kind: an event's name, a campaign's or a tier's key; a segment
    is named by `segment`. `audience` are criteria that the contact has to satisfy besides.

    draft → active ⇄ paused. While it is not active it collects nothing, and what waits goes on
    waiting. `waits_until` is when an active one tries again that could give no code.
    """

    class Trigger(models.TextChoices):
        SEGMENT_ENTERED = "segment_entered", _("enters a segment")
        SEGMENT_LEFT = "segment_left", _("leaves a segment")
        EVENT = "event", _("does something")
        PUBLICATION = "publication", _("gets a card")
        REDEMPTION = "redemption", _("redeems a card")
        TIER_CHANGED = "tier_changed", _("changes the tier")
        MANUAL = "manual", _("is sent by hand")

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")

    class Channel(models.TextChoices):
        NONE = "none", _("none")
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")
        VENDOR = "vendor", _("connected system")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    trigger = models.CharField(_("when a contact"), max_length=15, choices=Trigger)
    trigger_key = models.CharField(max_length=200, blank=True, default="")
    segment = models.ForeignKey(
        Segment, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    include_present = models.BooleanField(
        _("also who is in it already"),
        default=False,
        help_text=_("Those who are in the segment when the distribution becomes active."),
    )
    audience = models.JSONField(
        _("only those who"),
        null=True,
        blank=True,
        encoder=ExactJSONEncoder,
        decoder=ExactJSONDecoder,
    )
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="distributions", verbose_name=_("campaign")
    )
    channel = models.CharField(_("channel"), max_length=7, choices=Channel, default=Channel.NONE)
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    template = models.ForeignKey(
        Template, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(_("state"), max_length=6, choices=State, default=State.DRAFT)
    paused_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    waits_until = models.DateTimeField(null=True, editable=False)
    waits_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    waiting_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    activated_at = models.DateTimeField(null=True, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("distribution")
        verbose_name_plural = _("distributions")
        ordering = ["name", "id"]
        permissions = [("activate_distribution", "Can activate and pause distributions")]
        constraints = [
            models.CheckConstraint(
                name="loyalty_distribution_names_its_segment",
                condition=~Q(trigger__in=["segment_entered", "segment_left"])
                | Q(segment__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["segment"],
                name="loyalty_distribution_following",
                condition=Q(state="active"),
            )
        ]

    def __str__(self) -> str:
        return self.name


class DistributionTask(models.Model):
    """That a distribution has to give a card to a contact, for one cause; then what came of it.

    Written in the transaction of what triggered it, so that none is lost; done in one transaction
    with the publication, so that none is done twice.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("waiting")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        HELD_OUT = "held_out", _("set aside")
        FAILED = "failed", _("failed")

    id = models.BigAutoField(primary_key=True)
    distribution = models.ForeignKey(
        Distribution, on_delete=models.CASCADE, db_index=False, related_name="tasks"
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    cause = models.CharField(max_length=200)
    context = models.JSONField(default=dict)
    state = models.CharField(
        max_length=8, choices=State, default=State.PENDING, db_default="pending"
    )
    attempts = models.SmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField()
    problem = models.CharField(max_length=500, blank=True, default="", db_default="")
    publication = models.ForeignKey(
        Publication, on_delete=models.SET_NULL, null=True, db_constraint=False, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("task of a distribution")
        verbose_name_plural = _("tasks of distributions")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["distribution", "contact", "cause"],
                name="loyalty_distributiontask_once_per_cause",
            )
        ]
        indexes = [
            # By distribution, so that what waits for one holds up nobody else's.
            models.Index(
                fields=["distribution", "due_at", "id"],
                name="loyalty_distributiontask_due",
                condition=Q(state="pending"),
            ),
            models.Index(fields=["distribution", "-id"], name="loyalty_distributiontask_list"),
            models.Index(fields=["contact"], name="loyalty_distributiontask_of"),
            models.Index(
                fields=["distribution", "state", "finished_at"],
                name="loyalty_distributiontask_count",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.distribution_id} {self.contact_id} {self.state}"
