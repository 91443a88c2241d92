"""Sources of events, what they sent, and what came of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from contacts.models import KeyField
from workspace.models import ApiUser


class Source(models.Model):
    """A website, app, server or system that sends us events, by its write keys.

    A disabled source is refused at the door. One that is compatible with Voucherify is known by its
    API user instead of a write key. `new_traits` says what happens with a trait that
    has no mapping and no attribute of its name.
    """

    class Kind(models.TextChoices):
        SERVER = "server", _("server")
        WEB = "web", _("website or app")
        WEBHOOK = "webhook", _("webhook from Segment")
        CSV = "csv", _("file")
        VOUCHERIFY = "voucherify", _("Voucherify-compatible")

    class NewTraits(models.TextChoices):
        MAKE = "make", _("become custom attributes")
        KEEP_ASIDE = "keep_aside", _("are kept aside")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.SERVER)
    description = models.TextField(_("description"), blank=True, default="")
    is_enabled = models.BooleanField(_("takes events"), default=True)
    new_traits = models.CharField(
        _("new traits"), max_length=10, choices=NewTraits, default=NewTraits.MAKE
    )
    # Encrypted; with it Segment signs what it sends to a webhook.
    signing_secret = models.TextField(blank=True, default="", editable=False)
    # Encrypted; with it the shop's server signs who somebody is (`integrations.user_hashes`).
    user_secret = models.TextField(blank=True, default="", db_default="", editable=False)
    api_user = models.ForeignKey(
        ApiUser, on_delete=models.SET_NULL, null=True, blank=True, related_name="sources"
    )
    last_received_at = models.DateTimeField(_("last event"), null=True, editable=False)
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="integrations_source_name_once"),
            models.UniqueConstraint(
                fields=["api_user"], name="integrations_source_of_api_user_once"
            ),
            models.CheckConstraint(
                condition=Q(api_user__isnull=True) | Q(kind="voucherify"),
                name="integrations_source_api_user_of_kind",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class WriteKey(models.Model):
    """A key by which a source is known. While keys are rotated two of them work.

    `digest` finds it; `sealed` is the key itself, encrypted, for those who may change the source.
    It works until `retires_at`, without one for ever.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="write_keys")
    digest = models.CharField(max_length=64, unique=True)
    sealed = models.TextField()
    hint = models.CharField(max_length=12)
    created_at = models.DateTimeField()
    retires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("write key")
        verbose_name_plural = _("write keys")
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.hint}…"


class InboundRequest(models.Model):
    """A request as it came in, safe on disk before it was answered; deleted once it is digested.

    `call` names the address ("track", "batch", "webhook"…), `body` is the JSON text received.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, db_index=False, related_name="+")
    call = models.CharField(max_length=10)
    body = models.TextField()
    event_count = models.IntegerField()
    attempts = models.SmallIntegerField(default=0, db_default=0)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = _("inbound request")
        verbose_name_plural = _("inbound requests")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.call} {self.pk}"


class Outcome(models.TextChoices):
    """What became of an event that came in."""

    ACCEPTED = "accepted", _("accepted")
    MARKED = "marked", _("accepted with remarks")
    DUPLICATE = "duplicate", _("duplicate")
    REFUSED = "refused", _("not used")
    FAILED = "failed", _("failed")


class ReceivedEvent(models.Model):
    """One event that came in through a source, and what became of it: the debugger's log.

    `body` is the message as JSON text. `occurred_at` is the time it counts for, corrected by
    `sentAt`. Kept for some days; what could not be used is kept in `HeldEvent` besides.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="+"
    )
    received_at = models.DateTimeField()
    occurred_at = models.DateTimeField(null=True)
    type = models.CharField(max_length=10)
    name = models.TextField(blank=True, default="")
    message_id = models.CharField(max_length=100, blank=True, default="")
    contact_id = models.BigIntegerField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcome)
    code = models.CharField(max_length=60, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    body = models.TextField()

    class Meta:
        verbose_name = _("received event")
        verbose_name_plural = _("received events")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["source", "-id"], name="integrations_received_source"),
            models.Index(fields=["received_at"], name="integrations_received_age"),
            models.Index(
                fields=["contact_id"],
                name="integrations_received_contact",
                condition=Q(contact_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class HeldEvent(models.Model):
    """An event, or a part of one, that could not be used: kept until somebody deals with it.

    `problems` are `[{"path", "code", "message", "value"}]`. `outcome` is refused or failed where
    nothing of it was used, marked where the rest was.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        REPLAYED = "replayed", _("replayed")
        DISMISSED = "dismissed", _("dismissed")

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="held_events")
    received_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    type = models.CharField(max_length=10)
    name = models.TextField(blank=True, default="")
    message_id = models.CharField(max_length=100, blank=True, default="")
    contact_id = models.BigIntegerField(null=True, db_index=True)
    outcome = models.CharField(max_length=9, choices=Outcome)
    code = models.CharField(max_length=60)
    reason = models.TextField()
    problems = models.JSONField(default=list)
    body = models.TextField()
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("held event")
        verbose_name_plural = _("held events")
        ordering = ["-id"]
        permissions = [("replay_heldevent", "Can replay held events")]
        indexes = [
            models.Index(fields=["source", "state", "-id"], name="integrations_held_by_state")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}: {self.code}"


class SourceCount(models.Model):
    """How many events a source sent on a day (UTC), by what became of them."""

    pk = models.CompositePrimaryKey("source_id", "day", "outcome")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, db_index=False)
    day = models.DateField()
    outcome = models.CharField(max_length=9, choices=Outcome)
    event_count = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.source_id} {self.day} {self.outcome}: {self.event_count}"


class TraitMapping(models.Model):
    """Where a trait of this source goes: "contact.city", "attribute.plan", or nowhere ("").

    `trait` is a way through the traits, as "address.city". What is not named here follows the
    mapping that every source has.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="trait_mappings")
    trait = models.CharField(_("trait"), max_length=120)
    target = models.CharField(_("goes to"), max_length=80, blank=True, default="")

    class Meta:
        verbose_name = _("mapping of a trait")
        verbose_name_plural = _("mappings of traits")
        ordering = ["trait"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "trait"], name="integrations_traitmapping_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.trait} → {self.target}"
