"""The back office itself: staff, user groups, API users, long work and the audit trail."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person of the staff. People whom the company serves are contacts, never users."""

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")


class UserGroup(models.Model):
    """The settings of a user group: which kinds of things belong to groups.

    As soon as one group scopes "segment", every segment needs a group, and people outside its
    groups do not learn that it exists (behaviours AN-11, AN-12). Roles that come with the product
    are `is_ready`.
    """

    class Entity(models.TextChoices):
        SEGMENT = "segment", _("Segments")
        EXPORT = "export", _("Exports")
        CAMPAIGN = "campaign", _("Campaigns")
        MECHANISM = "mechanism", _("Mechanisms")
        JOURNEY = "journey", _("Journeys")

    group = models.OneToOneField(
        Group, on_delete=models.CASCADE, primary_key=True, related_name="settings"
    )
    entities = ArrayField(
        models.CharField(max_length=40, choices=Entity),
        default=list,
        blank=True,
        verbose_name=_("scoped entities"),
        help_text=_("Things of these kinds must belong to a user group."),
    )
    is_role = models.BooleanField(
        _("is a role"),
        default=False,
        help_text=_("A role gives permissions to people; things never belong to it."),
    )
    is_ready = models.BooleanField(default=False, editable=False)
    description = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = _("user group setting")
        verbose_name_plural = _("user group settings")

    def __str__(self) -> str:
        return str(self.group)


class ApiUser(models.Model):
    """A program that uses the HTTP interface with a key.

    The key is shown once; we keep its public `prefix` and the SHA-256 of the whole key, which
    suffices for a random key of 256 bits. `requests_per_minute` limits it.
    """

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True, default="")
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    key_hash = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    groups = models.ManyToManyField(Group, blank=True, related_name="api_users")
    requests_per_minute = models.PositiveIntegerField(default=600)
    enabled = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API user")
        verbose_name_plural = _("API users")
        constraints = [
            models.CheckConstraint(
                condition=Q(requests_per_minute__gte=1), name="workspace_apiuser_has_a_rate"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Website(models.Model):
    """A website or shop of the company. Orders say on which they were placed, by its key.

    Connections to other systems are for one or more of them (behaviours AT-09, AT-15).
    """

    id = models.AutoField(primary_key=True)
    key = models.SlugField(_("key"), max_length=63, unique=True)
    name = models.CharField(_("name"), max_length=120)
    domain = models.CharField(
        _("domain"),
        max_length=253,
        blank=True,
        default="",
        help_text=_("As www.example.com: events that name a page of it belong to the website."),
    )
    is_demo = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("website")
        verbose_name_plural = _("websites")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="workspace_website_name_once"),
            models.UniqueConstraint(
                Lower("domain"), name="workspace_website_domain_once", condition=~Q(domain="")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Job(models.Model):
    """Long work and its progress.

    queued → running → succeeded | failed | cancelled; queued → cancelled. `total` is unknown
    (null) until it was counted. `subject` names what it is about ("segment:12"), so that its page
    can show it. `result` holds facts for people and programs. `heartbeat_at`
    moves while a worker is at it, so that work whose worker died can be found.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, blank=True, default="")
    title = models.CharField(max_length=300)
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True, blank=True)
    message = models.TextField(blank=True, default="")
    arguments = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="workspace_job_unfinished",
                condition=Q(state__in=["queued", "running"]),
            ),
            models.Index(fields=["subject", "-id"], name="workspace_job_subject"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {self.State.SUCCEEDED, self.State.FAILED, self.State.CANCELLED}


class AuditEntry(models.Model):
    """Who changed what, when, from what to what. Append-only; bulk work writes one entry a run."""

    class ActorKind(models.TextChoices):
        USER = "user", _("staff")
        API = "api", _("API user")
        SYSTEM = "system", _("system")

    at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_label = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=200, blank=True, default="")
    object_label = models.CharField(max_length=300, blank=True, default="")
    changes = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit trail")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="workspace_audit_object"),
            models.Index(fields=["object_type", "object_id", "at"], name="workspace_audit_told"),
            models.Index(fields=["at"], name="workspace_audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label}"


class IdempotencyRecord(models.Model):
    """The answer given to a POST with an `Idempotency-Key`, kept for 24 hours.

    `owner` is "api:ID" or "user:ID". While the first request runs, `status` is null.
    """

    owner = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="workspace_idempotency_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="workspace_idempotency_age")]

    def __str__(self) -> str:
        return self.key
