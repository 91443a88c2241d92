"""Messages that journeys send, and what became of each."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from integrations.models import Template
from journeys.models.journeys import Journey, JourneyVersion, Lane
from journeys.models.participants import Participant


class Message(models.Model):
    """What one participant is sent over one channel by one activity: once, whatever happens.

    The tick writes it in the transaction that moves the participant. Then it is written out and
    handed to the outbox, under the key "message:<id>":

    planned → queued → sent, or failed; planned or queued → left_out, where `reason` says why.

    `due_at` is later than `created_at` where quiet hours ask for it. What the receiver did stands
    in the times below, each the first time, and in `open_count` and `click_count`. `visits` are
    the looks of programs, and those of the first seconds (`journeys.messages.machines`).
    """

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        PUSH = "push", _("push message")
        WEBHOOK = "webhook", _("webhook")
        VENDOR = "vendor", _("vendor's system")

    class State(models.TextChoices):
        PLANNED = "planned", _("planned")
        QUEUED = "queued", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        LEFT_OUT = "left_out", _("left out")

    class Reason(models.TextChoices):
        NO_ADDRESS = "no_address", _("has no address")
        NO_CONSENT = "no_consent", _("did not consent")
        SUPPRESSED = "suppressed", _("the address is suppressed")
        CAP = "cap", _("had enough messages")
        ERASED = "erased", _("erased")
        STOPPED = "stopped", _("the journey was stopped")
        NO_TEMPLATE = "no_template", _("the template could not be filled")
        CONTROL = "control", _("in the control group")

    id = models.BigAutoField(primary_key=True)
    journey = models.ForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, related_name="messages"
    )
    version = models.ForeignKey(
        JourneyVersion, on_delete=models.CASCADE, db_index=False, related_name="messages"
    )
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE, db_default=Lane.LIVE)
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, db_index=False, related_name="messages"
    )
    node = models.CharField(max_length=63)
    channel = models.CharField(_("channel"), max_length=7, choices=Channel)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.DO_NOTHING,
        db_index=False,
        db_constraint=False,
        related_name="messages",
    )
    template = models.ForeignKey(
        Template, on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    purpose = models.CharField(max_length=63, blank=True, default="", db_default="")
    state = models.CharField(
        _("state"), max_length=8, choices=State, default=State.PLANNED, db_default="planned"
    )
    reason = models.CharField(
        _("why not"), max_length=12, choices=Reason, blank=True, default="", db_default=""
    )
    error = models.CharField(max_length=500, blank=True, default="", db_default="")
    delivery_id = models.BigIntegerField(null=True)
    subject = models.CharField(_("subject"), max_length=300, blank=True, default="", db_default="")
    address = models.CharField(_("to"), max_length=320, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created"))
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True)
    opened_at = models.DateTimeField(_("opened"), null=True)
    clicked_at = models.DateTimeField(_("clicked"), null=True)
    bounced_at = models.DateTimeField(_("bounced"), null=True)
    complained_at = models.DateTimeField(_("complained"), null=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True)
    open_count = models.PositiveIntegerField(default=0, db_default=0)
    click_count = models.PositiveIntegerField(default=0, db_default=0)
    visits = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["-id"]
        permissions = [("resend_message", "Can send messages again")]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "node", "channel"], name="journeys_message_once"
            ),
            models.CheckConstraint(
                condition=(Q(state="left_out") & ~Q(reason=""))
                | (~Q(state="left_out") & Q(reason="")),
                name="journeys_message_says_why_not",
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False),
                name="journeys_message_sent_when",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="journeys_message_planned",
                condition=Q(state="planned"),
            ),
            # For caps: how many a contact had lately.
            models.Index(fields=["contact", "-created_at"], name="journeys_message_contact"),
            models.Index(fields=["version", "node", "-id"], name="journeys_message_of"),
            models.Index(fields=["journey", "-id"], name="journeys_message_journey"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.node} {self.state}"
