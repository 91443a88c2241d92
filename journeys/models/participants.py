"""Who is on a journey, where, how they came there, and what they wait for."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from journeys.models.journeys import Journey, JourneyVersion, Lane
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder


class Participant(models.Model):
    """A contact's passage through a version.

    It stands at one `place` of its version (`JourneyVersion.places`). States:

    - ready: it has come to an activity that acts or decides; the next tick does it;
    - waiting: until something happens there, or `wake_at`, which is the next instant at which the
      passing of time moves it: the shortest wait or timeout of the place, or the end of the
      journey's own timeout, whichever is first;
    - done: it is over, `outcome` says how;
    - failed: it could not go on, `problem` says why; people look at it, and may bring it back to
      where it stands (`journeys.returning`): then it is ready again.

    `arrived_at` is when what moved it was due or happened, not when that was noticed. `steps`
    counts its transitions. `entrance` is the cause of its coming ("event:…", "reading:12", …):
    one cause brings a contact in once. `context` holds what came with it: `entry` (the event),
    `voucher` (codes by node), `results`.
    """

    class State(models.TextChoices):
        READY = "ready", _("on its way")
        WAITING = "waiting", _("waiting")
        DONE = "done", _("finished")
        FAILED = "failed", _("failed")

    class Outcome(models.TextChoices):
        ENDED = "ended", _("went to the end")
        EXITED = "exited", _("met the exit criteria")
        TIMED_OUT = "timed_out", _("the time of the journey was over")
        STOPPED = "stopped", _("the journey was stopped")
        MERGED = "merged", _("merged into another contact")
        ERASED = "erased", _("erased")

    id = models.BigAutoField(primary_key=True)
    journey = models.ForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, related_name="participants"
    )
    version = models.ForeignKey(
        JourneyVersion, on_delete=models.CASCADE, db_index=False, related_name="participants"
    )
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE, db_default=Lane.LIVE)
    contact = models.ForeignKey(
        Contact,
        on_delete=models.DO_NOTHING,
        db_index=False,
        db_constraint=False,
        related_name="participations",
    )
    place = models.SmallIntegerField()
    state = models.CharField(max_length=7, choices=State)
    steps = models.SmallIntegerField(default=0, db_default=0)
    arrived_at = models.DateTimeField()
    wake_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField()
    entrance = models.CharField(max_length=200)
    context = models.JSONField(
        default=dict, db_default={}, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    is_control = models.BooleanField(default=False, db_default=False)
    goal_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcome, blank=True, default="", db_default="")
    problem = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["-id"]
        constraints = [
            # Never twice inside at the same time, across all versions.
            models.UniqueConstraint(
                fields=["contact", "journey", "lane"],
                condition=Q(finished_at=None),
                name="journeys_participant_inside_once",
            ),
            models.UniqueConstraint(
                fields=["contact", "journey", "lane", "entrance"],
                name="journeys_participant_once_per_cause",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", wake_at__isnull=False)
                | (~Q(state="waiting") & Q(wake_at=None)),
                name="journeys_participant_wakes_when_waiting",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["ready", "waiting"], finished_at=None)
                | (Q(state__in=["done", "failed"]) & Q(finished_at__isnull=False)),
                name="journeys_participant_finished_when_over",
            ),
            models.CheckConstraint(
                condition=(Q(state="done") & ~Q(outcome="")) | (~Q(state="done") & Q(outcome="")),
                name="journeys_participant_says_how_it_ended",
            ),
        ]
        indexes = [
            # Who is due at a place, and how many wait there.
            models.Index(
                fields=["version", "place", "wake_at"],
                name="journeys_participant_waiting",
                condition=Q(state="waiting"),
            ),
            models.Index(
                fields=["version", "place", "contact"],
                name="journeys_participant_ready",
                condition=Q(state="ready"),
            ),
            # Who failed: few, for people to look at.
            models.Index(
                fields=["version", "place", "-id"],
                name="journeys_participant_failed",
                condition=Q(state="failed"),
            ),
            models.Index(fields=["version", "-id"], name="journeys_participant_of"),
            # For figures: who met the goal, and who was set aside to compare with.
            models.Index(
                fields=["version", "is_control"],
                name="journeys_participant_goal",
                condition=Q(goal_at__isnull=False),
            ),
            models.Index(
                fields=["version"],
                name="journeys_participant_control",
                condition=Q(is_control=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} in {self.version_id}"


class Transition(models.Model):
    """One step of a participant: where from, where to, why, when. Written with the move itself.

    The first has no `from_place`, the last no `to_place`. `node` is the activity that let it go,
    `outcome` the way out ("next", "timeout", a path's name). `at` is when it was due or happened,
    `noticed_at` when the engine came by.
    """

    class Cause(models.TextChoices):
        ENTERED = "entered", _("entered")
        PASSED = "passed", _("went on")
        EVENT = "event", _("something happened")
        TIMEOUT = "timeout", _("time was over")
        RESULT = "result", _("it was sent, or could not be")
        EXIT = "exit", _("exit criteria")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        BACK = "back", _("brought back")

    pk = models.CompositePrimaryKey("participant_id", "step")
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, db_index=False, related_name="transitions"
    )
    step = models.SmallIntegerField()
    from_place = models.SmallIntegerField(null=True)
    node = models.CharField(max_length=63, blank=True, default="", db_default="")
    outcome = models.CharField(max_length=63, blank=True, default="", db_default="")
    to_place = models.SmallIntegerField(null=True)
    cause = models.CharField(max_length=7, choices=Cause)
    at = models.DateTimeField()
    noticed_at = models.DateTimeField()
    data = models.JSONField(null=True, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["participant", "step"]

    def __str__(self) -> str:
        return f"{self.participant_id}/{self.step} {self.node} {self.outcome}"


class Entrance(models.Model):
    """That a contact is to enter, for one cause; gone when it did, or a `Refusal` then.

    Written in the transaction of what caused it: an event, a move between segments, a jump, a test.
    """

    id = models.BigAutoField(primary_key=True)
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, db_index=False, related_name="+")
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE, db_default=Lane.LIVE)
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    cause = models.CharField(max_length=200)
    at = models.DateTimeField()
    context = models.JSONField(
        default=dict, db_default={}, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )

    class Meta:
        verbose_name = _("entrance")
        verbose_name_plural = _("entrances")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["journey", "lane", "contact", "cause"],
                name="journeys_entrance_once_per_cause",
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} into {self.journey_id}: {self.cause}"


class Refusal(models.Model):
    """That a contact did not enter, for one cause, and why."""

    class Reason(models.TextChoices):
        INSIDE = "inside", _("is inside already")
        WAS_INSIDE = "was_inside", _("was inside before, and may not come again")
        TOO_SOON = "too_soon", _("was inside too short a time ago")
        CLOSED = "closed", _("nobody enters any more")
        EXIT = "exit", _("meets the exit criteria")
        NOT_BEGUN = "not_begun", _("the journey has not begun")
        OVER = "over", _("the journey's time is over")
        NO_TEST_PROFILE = "no_test_profile", _("is no test profile")

    id = models.BigAutoField(primary_key=True)
    journey = models.ForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, related_name="refusals"
    )
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE, db_default=Lane.LIVE)
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    cause = models.CharField(max_length=200)
    reason = models.CharField(max_length=20, choices=Reason)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("refused entrance")
        verbose_name_plural = _("refused entrances")
        ordering = ["-id"]
        indexes = [models.Index(fields=["journey", "-id"], name="journeys_refusal_of")]

    def __str__(self) -> str:
        return f"{self.contact_id} not into {self.journey_id}: {self.reason}"


class Signal(models.Model):
    """Something that moves a participant, noted when it happened, for the next tick.

    `node` is the activity that heard it: an event or reaction that waits, or one that acts whose
    result came. Gone when it was acted upon or meant nothing any more.
    """

    class Kind(models.TextChoices):
        EVENT = "event", _("event")
        RESULT = "result", _("result")
        EXIT = "exit", _("exit criteria")
        GOAL = "goal", _("goal")

    id = models.BigAutoField(primary_key=True)
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, db_index=False, related_name="+")
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, db_constraint=False, related_name="signals"
    )
    kind = models.CharField(max_length=6, choices=Kind)
    node = models.CharField(max_length=63, blank=True, default="", db_default="")
    outcome = models.CharField(max_length=63, blank=True, default="next", db_default="next")
    at = models.DateTimeField()
    data = models.JSONField(null=True, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        ordering = ["id"]
        indexes = [models.Index(fields=["journey", "at"], name="journeys_signal_due")]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.kind} {self.node}"


class Reading(models.Model):
    """One time that a version reads its segment: portion after portion, at its rate.

    Those who entered the segment after `since` (all, without it) and up to `upto`, by the log of
    its moves. They enter the journey as of `at`, or with a rate when it is their turn.
    `after_contact_id` is how far it came, `portion_at` up to when the rate is used up. `read_count`
    were seen, `entered_count` of them entered.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")

    id = models.AutoField(primary_key=True)
    version = models.ForeignKey(JourneyVersion, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    since = models.DateTimeField(null=True)
    upto = models.DateTimeField()
    started_at = models.DateTimeField()
    portion_at = models.DateTimeField()
    after_contact_id = models.BigIntegerField(default=0)
    read_count = models.PositiveIntegerField(default=0)
    entered_count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("reading of a segment")
        verbose_name_plural = _("readings of segments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "at"], name="journeys_reading_once"),
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(state="running"),
                name="journeys_reading_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} at {self.at:%Y-%m-%d %H:%M}"


class Passage(models.Model):
    """How many went a way within an hour: counted with the moves, so that nobody counts them anew.

    `node` and `outcome` as in `Transition`; entries have no node and the outcome "entered",
    refusals the outcome "refused:<reason>". `hour` is its begin, UTC, by when they went.
    """

    pk = models.CompositePrimaryKey("version_id", "hour", "node", "outcome", "to_place")
    version = models.ForeignKey(
        JourneyVersion, on_delete=models.CASCADE, db_index=False, related_name="passages"
    )
    hour = models.DateTimeField()
    node = models.CharField(max_length=63)
    outcome = models.CharField(max_length=63)
    # -1 where it ended.
    to_place = models.SmallIntegerField()
    count = models.BigIntegerField()

    class Meta:
        verbose_name = _("passage")
        verbose_name_plural = _("passages")
        ordering = ["version", "hour"]

    def __str__(self) -> str:
        return f"{self.node} {self.outcome}: {self.count}"


class CapCount(models.Model):
    """How many went through a path of a condition that lets so many through, and no more.

    In all versions of a journey together; `lane` parts what is tested from what is live. `day` is
    that in the journey's time zone, or 0001-01-01 where it counts for the whole journey. Written
    under the lock of the journey (`journeys.engine.capped`).
    """

    pk = models.CompositePrimaryKey("journey_id", "lane", "node", "path", "day")
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, db_index=False, related_name="+")
    lane = models.SmallIntegerField(choices=Lane)
    node = models.CharField(max_length=63)
    path = models.CharField(max_length=63)
    day = models.DateField()
    count = models.BigIntegerField()

    class Meta:
        verbose_name = _("count of a cap")
        verbose_name_plural = _("counts of caps")
        ordering = ["journey", "lane", "node", "path", "day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(count__gt=0), name="journeys_capcount_counts_somebody"
            )
        ]

    def __str__(self) -> str:
        return f"{self.node} {self.path}: {self.count}"
