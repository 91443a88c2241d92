"""Named criteria, who satisfies them, and how that changed.

The tables with many rows per contact follow the cluster rule: every primary and unique key
contains `contact_id`. Segments and contacts are never deleted, so the largest tables do not ask
the database to check their keys row by row (`db_constraint=False`).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, EventDefinition, KeyField
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder
from workspace.models import ApiUser, AuditEntry, Job


class CriteriaField(models.JSONField):
    """A criteria document (spec of the public format: docs/criteria.md), numbers exact."""

    def __init__(self, **options: object) -> None:
        options.setdefault("encoder", ExactJSONEncoder)
        options.setdefault("decoder", ExactJSONDecoder)
        super().__init__(**options)  # type: ignore[arg-type]


def everyone() -> dict[str, object]:
    """Criteria that hold for every contact."""
    return {"combinator": "and", "rules": []}


class Segment(models.Model):
    """Named criteria. Its members are `Membership` rows, as of `calculated_at`.

    `status`: active ones are refreshed, inactive ones keep their last members, archived ones have
    none. A calculation is ready for `readiness_hours` (for ever without), then expired.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", _("active")
        INACTIVE = "inactive", _("inactive")
        ARCHIVED = "archived", _("archived")

    class Source(models.TextChoices):
        CRITERIA = "criteria", _("criteria")
        CSV = "csv", _("file")
        LIST = "list", _("fixed list")
        IMPORTED = "imported", _("imported")

    class RefreshMode(models.TextChoices):
        REALTIME = "realtime", _("as it happens")
        INTERVAL = "interval", _("every so often")
        ONCE = "once", _("once")

    class Unit(models.TextChoices):
        HOUR = "hour", _("hours")
        DAY = "day", _("days")

    class CalculationState(models.TextChoices):
        WAITING = "waiting", _("waiting")
        CALCULATING = "calculating", _("calculating")
        READY = "ready", _("ready")
        EXPIRED = "expired", _("expired")
        FAILED = "failed", _("failed")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("owner"),
    )
    groups = models.ManyToManyField(
        Group, blank=True, related_name="segments", verbose_name=_("user groups")
    )
    criteria = CriteriaField(verbose_name=_("criteria"), default=everyone)
    version_number = models.PositiveIntegerField(default=1, editable=False)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.ACTIVE)
    source = models.CharField(
        _("source"), max_length=8, choices=Source, default=Source.CRITERIA, editable=False
    )
    contact_list = models.ForeignKey(
        "ContactList",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
    )
    members_only = models.BooleanField(
        _("loyalty members only"),
        default=False,
        help_text=_("Only members of the loyalty programme can be in it."),
    )
    refresh_mode = models.CharField(
        _("refresh"), max_length=8, choices=RefreshMode, default=RefreshMode.REALTIME
    )
    refresh_amount = models.PositiveSmallIntegerField(_("every"), null=True, blank=True)
    refresh_unit = models.CharField(_("unit"), max_length=4, choices=Unit, blank=True, default="")
    readiness_hours = models.PositiveIntegerField(
        _("ready for, in hours"),
        null=True,
        blank=True,
        help_text=_("How long a calculation may be used. Empty: until the next one."),
    )
    mail_findings = models.BooleanField(
        _("mail findings to the owner"),
        default=False,
        help_text=_("When something is found wrong with it, its owner gets a mail, once."),
    )
    member_count = models.BigIntegerField(_("members"), default=0, editable=False)
    calculated_at = models.DateTimeField(_("last refresh"), null=True, editable=False)
    refresh_requested_at = models.DateTimeField(null=True, editable=False)
    failure = models.TextField(blank=True, default="", editable=False)
    failed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    is_demo = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["name", "id"]
        permissions = [
            ("refresh_segment", "Can refresh segments"),
            ("inactivate_segment", "Can activate and inactivate segments"),
            ("archive_segment", "Can archive segments"),
            ("export_segment", "Can export members of segments"),
            ("run_actions_segment", "Can run actions on segments"),
        ]
        constraints = [
            models.CheckConstraint(
                name="segments_segment_interval_is_whole",
                condition=~Q(refresh_mode="interval")
                | Q(refresh_amount__gte=1, refresh_unit__in=["hour", "day"]),
            ),
            models.CheckConstraint(
                name="segments_segment_readiness_is_positive",
                condition=Q(readiness_hours__isnull=True) | Q(readiness_hours__gte=1),
            ),
            # That it never comes back is guarded by a trigger: migration archived_for_good.
            models.CheckConstraint(
                name="segments_segment_archived_is_empty",
                condition=~Q(status="archived") | Q(member_count=0),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_calculable(self) -> bool:
        """Whether it is known where its members come from: criteria, or a list that is read."""
        return self.source == self.Source.CRITERIA or self.contact_list_id is not None

    @property
    def refresh_every(self) -> timedelta | None:
        """The time from one refresh to the next; None where it is not refreshed by the clock."""
        if self.refresh_mode != self.RefreshMode.INTERVAL or self.refresh_amount is None:
            return None
        hours = 24 if self.refresh_unit == self.Unit.DAY else 1
        return timedelta(hours=self.refresh_amount * hours)

    @property
    def ready_until(self) -> datetime | None:
        """When the last calculation expires; None where it does not, or where there is none.

        It is ready before this instant and expired from it on. Without a readiness time it stays
        ready, whether it is refreshed once or again and again.
        """
        if self.calculated_at is None or self.readiness_hours is None:
            return None
        return self.calculated_at + timedelta(hours=self.readiness_hours)

    def calculation_state(self, *, at: datetime) -> CalculationState:
        """What can be said of its members at an instant."""
        state = self.CalculationState
        if self.refresh_requested_at is not None:
            return state.CALCULATING if self.calculated_at or self.failed_at else state.WAITING
        if self.calculated_at is None:
            return state.FAILED if self.failure else state.WAITING
        if self.ready_until is not None and at >= self.ready_until:
            return state.EXPIRED
        return state.READY


class SegmentVersion(models.Model):
    """The criteria that a segment had from `created_at` on, and who wrote them."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    criteria = CriteriaField()
    contact_list = models.ForeignKey(
        "ContactList", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    author = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("version of a segment")
        verbose_name_plural = _("versions of segments")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "number"], name="segments_segmentversion_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} v{self.number}"


class ContactList(models.Model):
    """Whom the members of a segment are chosen from, where they do not come from criteria alone.

    A file gives keys: numbers of ours (`identity` "id"), e-mail addresses, or names in another
    namespace. A fixed list gives contacts (`identity` is empty). Numbers and fixed lists are kept
    as `ListedContact` rows. Other keys are kept as digests in `ListedKey` rows, because who is not
    in the base today may come in tomorrow; what stood in the file is not kept.

    `key_check` tells whether the digests can still be compared: it changes with SECRET_KEY.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="contact_lists")
    title = models.CharField(max_length=300)
    identity = models.CharField(max_length=40, blank=True, default="")
    column = models.CharField(max_length=300, blank=True, default="")
    key_check = models.CharField(max_length=32, blank=True, default="")
    row_count = models.BigIntegerField(default=0)
    matched_count = models.BigIntegerField(default=0)
    unmatched_count = models.BigIntegerField(default=0)
    duplicate_count = models.BigIntegerField(default=0)
    faulty_count = models.BigIntegerField(default=0)
    unmatched_file = models.CharField(max_length=300, blank=True, default="")
    unmatched_until = models.DateTimeField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    forgotten_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("list of contacts")
        verbose_name_plural = _("lists of contacts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class ListedKey(models.Model):
    """A key of a file, as a digest, and the row of the file in which it stood first."""

    pk = models.CompositePrimaryKey("contact_list_id", "digest")
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    digest = models.UUIDField()
    row = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.contact_list_id} {self.row}"


class ListedContact(models.Model):
    """A contact of a list; `row` is that of the file, none in a fixed list."""

    pk = models.CompositePrimaryKey("contact_list_id", "contact_id")
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_constraint=False)
    row = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.contact_list_id} {self.contact_id}"


class Membership(models.Model):
    """A contact in a segment, since when. Written only by `segments.membership`."""

    pk = models.CompositePrimaryKey("segment_id", "contact_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    entered_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["contact", "segment"], name="segments_membership_by_contact")
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.contact_id}"


class MembershipChange(models.Model):
    """A contact entered or left a segment. Partitioned by month of `at` (UTC)."""

    class Kind(models.TextChoices):
        ENTERED = "entered", _("entered")
        LEFT = "left", _("left")

    pk = models.CompositePrimaryKey("segment_id", "at", "contact_id", "kind")
    segment = models.ForeignKey(Segment, on_delete=models.DO_NOTHING, db_constraint=False)
    at = models.DateTimeField()
    contact = models.ForeignKey(Contact, on_delete=models.DO_NOTHING, db_constraint=False)
    kind = models.CharField(max_length=7, choices=Kind)
    cause = models.CharField(max_length=60)

    class Meta:
        managed = False
        db_table = "segments_membershipchange"

    def __str__(self) -> str:
        return f"{self.contact_id} {self.kind} {self.segment_id}"


class Calculation(models.Model):
    """One completed refresh: how many were in, entered and left, as of `at`.

    `logged_at` is the instant at which the log has those who entered and left; a little later than
    `at` where somebody calculated as of an earlier moment than before.
    """

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="calculations")
    at = models.DateTimeField()
    logged_at = models.DateTimeField(null=True)
    version_number = models.PositiveIntegerField()
    member_count = models.BigIntegerField()
    entered_count = models.BigIntegerField()
    left_count = models.BigIntegerField()
    milliseconds = models.DecimalField(max_digits=14, decimal_places=3, default=Decimal(0))
    cause = models.CharField(max_length=60)

    class Meta:
        verbose_name = _("calculation")
        verbose_name_plural = _("calculations")
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["segment", "-at"], name="segments_calculation_history")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.at}: {self.member_count}"


class Following(models.Model):
    """A segment that follows its contacts, as of which instant of time, and what it has to tell.

    Without a row a segment has the members of its last full refresh. `digest` says what its
    criteria meant then. `entered_count` and `left_count` are not in the history yet; the log has
    the last of them at `moved_at`. `stale_since`: until a full refresh, some members may be wrong.
    """

    segment = models.OneToOneField(
        Segment, on_delete=models.CASCADE, primary_key=True, related_name="following"
    )
    digest = models.CharField(max_length=32)
    followed_until = models.DateTimeField()
    recorded_at = models.DateTimeField()
    entered_count = models.BigIntegerField(default=0)
    left_count = models.BigIntegerField(default=0)
    moved_at = models.DateTimeField(null=True)
    stale_since = models.DateTimeField(null=True)
    stale_cause = models.CharField(max_length=60, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.segment_id} {self.followed_until}"


class Owed(models.Model):
    """A contact who is to be asked anew as soon as nobody else writes the segment's members."""

    pk = models.CompositePrimaryKey("segment_id", "contact_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    cause = models.CharField(max_length=60)

    def __str__(self) -> str:
        return f"{self.segment_id} {self.contact_id}"


class SegmentAction(models.Model):
    """Something to be done with the members of a segment: once, or after each refresh.

    `key` names the tag, category or consent; an export has none. States: planned → running →
    done; refused where a rule says no, cancelled where a person does, failed by a defect, each
    with the `reason`. One that is done after each refresh goes from running back to planned.
    `served_calculation` is the last one that it does not wait for any more.
    """

    class Kind(models.TextChoices):
        ADD_TAG = "add_tag", _("add tag")
        REMOVE_TAG = "remove_tag", _("remove tag")
        ADD_CATEGORY = "add_category", _("add category")
        REMOVE_CATEGORY = "remove_category", _("remove category")
        ADD_CONSENT = "add_consent", _("add consent")
        REMOVE_CONSENT = "remove_consent", _("remove consent")
        EXPORT = "export", _("export")

    class Timing(models.TextChoices):
        NOW = "now", _("at once")
        AT = "at", _("at a time")
        AFTER_REFRESH = "after_refresh", _("after each refresh")

    class State(models.TextChoices):
        PLANNED = "planned", _("planned")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(_("action"), max_length=15, choices=Kind)
    key = models.CharField(_("key"), max_length=63, blank=True, default="")
    timing = models.CharField(_("when"), max_length=13, choices=Timing, default=Timing.NOW)
    planned_for = models.DateTimeField(_("planned for"), null=True, blank=True)
    parameters = models.JSONField(default=dict, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PLANNED)
    reason = models.TextField(_("reason"), blank=True, default="")
    served_calculation = models.ForeignKey(
        Calculation, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    author = models.CharField(_("planned by"), max_length=200, blank=True, default="")
    author_kind = models.CharField(max_length=6, choices=AuditEntry.ActorKind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(_("planned"), db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="segments_segmentaction_key_where_needed",
                condition=Q(kind="export", key="") | (~Q(kind="export") & ~Q(key="")),
            ),
            models.CheckConstraint(
                name="segments_segmentaction_time_where_needed",
                condition=Q(timing="at", planned_for__isnull=False)
                | (~Q(timing="at") & Q(planned_for__isnull=True)),
            ),
            models.CheckConstraint(
                name="segments_segmentaction_state_is_whole",
                condition=Q(state__in=["planned", "running"], finished_at__isnull=True)
                | (~Q(state__in=["planned", "running"]) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="segments_segmentaction_no_without_reason",
                condition=~Q(state__in=["refused", "failed"], reason=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["timing", "planned_for"],
                name="segments_segmentaction_planned",
                condition=Q(state="planned"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.key}".strip()


class SegmentActionRun(models.Model):
    """One execution of an action, on the members as of a calculation, by a job.

    `changed_count` had it changed by this run, `unchanged_count` were so already, `skipped` says
    by reason how many were passed over. `at` is what the run writes as the time of its changes.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    action = models.ForeignKey(SegmentAction, on_delete=models.CASCADE, related_name="runs")
    calculation = models.ForeignKey(
        Calculation, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    message = models.TextField(blank=True, default="")
    member_count = models.BigIntegerField(null=True)
    changed_count = models.BigIntegerField(null=True)
    unchanged_count = models.BigIntegerField(null=True)
    skipped = models.JSONField(default=dict, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    export = models.ForeignKey(
        "segments.Export", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    finished_at = models.DateTimeField(null=True)
    changes_kept = models.BooleanField(default=False)
    undo_job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)
    undone_count = models.BigIntegerField(null=True)

    class Meta:
        verbose_name = _("run of an action")
        verbose_name_plural = _("runs of actions")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["action", "calculation"],
                name="segments_segmentactionrun_once_per_calculation",
            ),
            models.UniqueConstraint(
                fields=["action"],
                condition=Q(state="running"),
                name="segments_segmentactionrun_one_at_a_time",
            ),
            models.CheckConstraint(
                name="segments_segmentactionrun_done_is_counted",
                condition=~Q(state="done")
                | Q(
                    member_count__isnull=False,
                    changed_count__isnull=False,
                    unchanged_count__isnull=False,
                    finished_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="segments_segmentactionrun_undone_is_counted",
                condition=Q(undone_at__isnull=True, undone_count__isnull=True)
                | Q(state="done", undone_at__isnull=False, undone_count__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action_id} {self.at}"


class SegmentActionChange(models.Model):
    """A contact that a run gave a tag or category, or took it from, for as long as it can undo.

    `had_since` is when a contact had got what was taken. There is no index by contact: erasure
    asks for each run that still keeps its changes.
    """

    pk = models.CompositePrimaryKey("run_id", "contact_id")
    run = models.ForeignKey(
        SegmentActionRun, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False
    )
    had_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.run_id} {self.contact_id}"


class ExportSettings(models.Model):
    """Whose rows, in which columns, written how: what an export and a schedule of them have.

    Without a segment and criteria it is everyone; with both, the members for whom they hold.
    """

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"
        JSONL = "jsonl", _("JSON lines")

    class Separator(models.TextChoices):
        COMMA = "comma", _("comma")
        SEMICOLON = "semicolon", _("semicolon")
        TAB = "tab", _("tab")

    class Encoding(models.TextChoices):
        UTF_8 = "utf-8", "UTF-8"
        UTF_8_BOM = "utf-8-bom", _("UTF-8, marked for Excel")
        WINDOWS_1252 = "windows-1252", _("Windows-1252 (Western Europe)")
        WINDOWS_1250 = "windows-1250", _("Windows-1250 (Central Europe)")
        LATIN_2 = "iso-8859-2", _("Latin-2, ISO 8859-2 (Central Europe)")

    class Unfitting(models.TextChoices):
        REFUSE = "refuse", _("stop and say which row")
        REPLACE = "replace", _("write ? for each and count the rows")

    class DecimalMark(models.TextChoices):
        POINT = "point", _("point: 12.5")
        COMMA = "comma", _("comma: 12,5")

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, null=True, blank=True, related_name="%(class)ss"
    )
    filters = CriteriaField(default=dict, blank=True)
    columns = ArrayField(models.CharField(max_length=120))
    headers = models.JSONField(default=dict, blank=True)
    format = models.CharField(max_length=5, choices=Format, default=Format.CSV)
    separator = models.CharField(max_length=9, choices=Separator, default=Separator.COMMA)
    encoding = models.CharField(max_length=12, choices=Encoding, default=Encoding.UTF_8)
    unfitting = models.CharField(max_length=7, choices=Unfitting, default=Unfitting.REFUSE)
    decimal_mark = models.CharField(max_length=5, choices=DecimalMark, default=DecimalMark.POINT)
    mail_when_ready = models.BooleanField(_("mail when ready"), default=False)
    groups = models.ManyToManyField(
        Group, blank=True, related_name="%(class)ss", verbose_name=_("user groups")
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    api_user = models.ForeignKey(ApiUser, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True

    @property
    def criteria(self) -> Any:
        """Whom it is narrowed to; None where it is not."""
        return self.filters.get("criteria")

    @property
    def subject_name(self) -> str:
        """Whose rows they are, for people who may know of the segment."""
        if self.segment is not None:
            return self.segment.name
        return str(_("All contacts") if self.criteria is None else _("Chosen contacts"))


class ExportSchedule(ExportSettings):
    """The same export again and again: by the clock, or after each refresh of its segment.

    It runs as whoever made it. `next_run_at` is when the clock wants it next; `calculation_at` is
    the calculation of the segment that was exported last. One that stopped by itself is not
    `enabled` and says why in `stopped_reason`.
    """

    class Mode(models.TextChoices):
        INTERVAL = "interval", _("every so often")
        AFTER_REFRESH = "after_refresh", _("after each refresh of the segment")

    name = models.CharField(_("name"), max_length=200)
    mode = models.CharField(_("when"), max_length=13, choices=Mode)
    amount = models.PositiveSmallIntegerField(_("every"), null=True, blank=True)
    unit = models.CharField(
        _("unit"), max_length=4, choices=Segment.Unit.choices, blank=True, default=""
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    stopped_reason = models.TextField(blank=True, default="")
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True)
    last_run_at = models.DateTimeField(_("last run"), null=True, blank=True)
    calculation_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("export schedule")
        verbose_name_plural = _("export schedules")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="segments_exportschedule_interval_is_whole",
                condition=~Q(mode="interval")
                | Q(amount__gte=1, unit__in=["hour", "day"], next_run_at__isnull=False),
            ),
            models.CheckConstraint(
                name="segments_exportschedule_refresh_has_a_segment",
                condition=~Q(mode="after_refresh") | Q(segment__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_run_at"],
                name="segments_exportschedule_due",
                condition=Q(enabled=True),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def every(self) -> timedelta | None:
        """The time from one run to the next; None where it follows refreshes."""
        if self.mode != self.Mode.INTERVAL or self.amount is None:
            return None
        return timedelta(hours=self.amount * (24 if self.unit == Segment.Unit.DAY else 1))


class Export(ExportSettings):
    """A file of contacts, made by a job, downloadable until `expires_at`.

    `token` stands in the address of the file for people. `replaced_rows` are those with letters
    that the encoding lacks. `announced_at` is when whoever asked was told that it is ready.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")
        DELETED = "deleted", _("deleted")

    token = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    schedule = models.ForeignKey(
        ExportSchedule, on_delete=models.SET_NULL, null=True, blank=True, related_name="exports"
    )
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    failure = models.TextField(blank=True, default="")
    rows = models.BigIntegerField(null=True)
    replaced_rows = models.BigIntegerField(default=0)
    size = models.BigIntegerField(null=True)
    file_name = models.CharField(max_length=200, blank=True, default="")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True)
    expires_at = models.DateTimeField(null=True)
    announced_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["user"],
                name="segments_export_unannounced",
                condition=Q(announced_at__isnull=True, state__in=["ready", "failed"]),
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SavedCriteria(models.Model):
    """Criteria kept by name, to begin segments with and to insert into others.

    What begins with them gets a copy: a later change of the saved criteria changes no segment.
    """

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name=_("owner"),
    )
    groups = models.ManyToManyField(
        Group, blank=True, related_name="saved_criteria", verbose_name=_("user groups")
    )
    criteria = CriteriaField(verbose_name=_("criteria"))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), db_default=Now(), editable=False)
    is_demo = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("saved criteria")
        verbose_name_plural = _("saved criteria")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class RuleEvent(models.Model):
    """Events made of others: of each `base` event for which `where` holds, one named `name`.

    `where` is a condition on one event (docs/criteria.md, "where"). `payload` are the properties
    that the new event takes over, all where it is null. It happens to the contact of the base
    event, or, with a `namespace`, to the contact whose identity there is the value of the property
    `identifier`; where that is nobody, nothing happens and `unmatched_count` counts it.

    Only base events that are received after `enabled_at` count. Name and base never change.
    """

    id = models.AutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=30, unique=True)
    definition = models.OneToOneField(
        EventDefinition, on_delete=models.PROTECT, related_name="rule", editable=False
    )
    base = models.ForeignKey(
        EventDefinition,
        on_delete=models.PROTECT,
        related_name="rules_on",
        verbose_name=_("base event"),
    )
    description = models.TextField(_("description"), blank=True, default="")
    where = CriteriaField(verbose_name=_("condition"))
    payload = ArrayField(models.CharField(max_length=200), null=True, blank=True)
    namespace = models.CharField(_("namespace"), max_length=40, blank=True, default="")
    identifier = models.CharField(_("profile identifier"), max_length=200, blank=True, default="")
    is_enabled = models.BooleanField(_("enabled"), default=False)
    enabled_at = models.DateTimeField(null=True, editable=False)
    unmatched_count = models.BigIntegerField(default=0, editable=False)
    unmatched_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("changed"), db_default=Now(), editable=False)
    is_demo = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("rule-based event")
        verbose_name_plural = _("rule-based events")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=r"^[A-Za-z0-9_]{1,30}$"), name="segments_ruleevent_name"
            ),
            models.CheckConstraint(
                condition=~Q(base=models.F("definition")), name="segments_ruleevent_not_of_itself"
            ),
            models.CheckConstraint(
                condition=Q(namespace="", identifier="") | (~Q(namespace="") & ~Q(identifier="")),
                name="segments_ruleevent_identity",
            ),
            models.CheckConstraint(
                condition=Q(is_enabled=False) | Q(enabled_at__isnull=False),
                name="segments_ruleevent_enabled_since",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Finding(models.Model):
    """Something that is wrong with a segment, since `found_at`; gone as soon as it is not so.

    `key` tells findings of one kind apart, such as the fields that are always empty. `data` is
    what is told of it, without names that not everyone may know. `mailed_at` is when the owner
    was told, if he wanted to be.
    """

    class Kind(models.TextChoices):
        ASTRAY = "astray", _("members were wrong")
        CONTRADICTION = "contradiction", _("nobody can fit")
        MISSING = "missing", _("missing in the other system")
        LATE = "late", _("refresh is late")
        EMPTY_FIELD = "empty_field", _("field always empty")
        DUPLICATE = "duplicate", _("duplicate")
        UNCHANGING = "unchanging", _("never changes")
        UNUSED = "unused", _("nobody uses it")

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=13, choices=Kind)
    key = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict, blank=True)
    found_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ["segment", "kind", "key"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "kind", "key"], name="segments_finding_once")
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.kind} {self.key}".rstrip()


# Here, because Django looks for the models of an app in its module `models`.
from segments.audiences.models import Audience as Audience  # noqa: E402
from segments.audiences.models import AudienceMember as AudienceMember  # noqa: E402
from segments.imported.models import ImportedSegment as ImportedSegment  # noqa: E402
from segments.imported.models import SkippedKey as SkippedKey  # noqa: E402
