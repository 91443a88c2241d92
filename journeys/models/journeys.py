"""Journeys and the editions in which they were published."""

from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact, KeyField
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder


class Lane(models.IntegerChoices):
    """What a passage counts for. What is tried out never meets what is live."""

    LIVE = 0, _("live")
    TEST = 1, _("test")
    REHEARSAL = 2, _("rehearsal")


class Journey(models.Model):
    """What happens with contacts, step by step: the thing that people draw, publish and stop.

    `drawing` is the draft that the canvas edits (spec, journeys.md), `settings` what stands beside
    it: `re_entry`, `timeout`, `exit`, `goal`, `caps`, `quiet_hours`, `starts_at`, `ends_at`,
    `time_zone`, `delivery`. Neither touches what is published: that is a `JourneyVersion`.

    draft → live ⇄ paused; live or paused → closed (nobody enters any more) → finished (nobody is
    inside any more); live, paused or closed → stopped (everyone inside left at once). A new version
    of one that is closed, finished or stopped is not published: it is copied instead.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        LIVE = "live", _("live")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")
        STOPPED = "stopped", _("stopped")
        FINISHED = "finished", _("finished")

    id = models.AutoField(primary_key=True)
    key = KeyField()
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, default="")
    drawing = models.JSONField(
        _("drawing"), default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    settings = models.JSONField(
        _("settings"), default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    state_changed_at = models.DateTimeField(null=True, editable=False)
    # Counts the changes of the draft: who saves an older one is told, instead of overwriting.
    draft_number = models.PositiveIntegerField(default=1, editable=False)
    groups = models.ManyToManyField(
        Group, blank=True, related_name="journeys", verbose_name=_("user groups")
    )
    is_demo = models.BooleanField(default=False, editable=False)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("journey")
        verbose_name_plural = _("journeys")
        ordering = ["name", "id"]
        permissions = [
            ("publish_journey", "Can publish, pause, close and stop journeys"),
            ("test_journey", "Can test and rehearse journeys"),
        ]

    def __str__(self) -> str:
        return self.name


# As long as it is one of these there may be a next version, so there is a draft.
DRAWABLE = (Journey.State.DRAFT, Journey.State.LIVE, Journey.State.PAUSED)


class JourneyVersion(models.Model):
    """An edition of a journey: what was published, tested or rehearsed. It never changes.

    `places` is where participants can stand, see `journeys.drawing.plan`: numbers that they,
    transitions and passages refer to. A live version has a number from 1; of a test or a rehearsal
    it is the number of the draft. `is_open` says whether contacts enter; a version that was
    replaced is closed, and its participants go on in it to the end. `ended_at` is when nobody was
    inside any more, or a test ended.
    """

    id = models.AutoField(primary_key=True)
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="versions")
    lane = models.SmallIntegerField(choices=Lane, default=Lane.LIVE)
    number = models.PositiveIntegerField()
    drawing = models.JSONField(encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)
    settings = models.JSONField(default=dict, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)
    places = models.JSONField(default=list)
    is_open = models.BooleanField(default=True)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200, blank=True, default="")
    closed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # When a segment is to be read next; none when that is over or the entry is another.
    read_at = models.DateTimeField(null=True)
    # For tests: how long every wait lasts, in seconds.
    wait_seconds = models.PositiveIntegerField(null=True)

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["journey", "lane", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["journey", "number"],
                condition=Q(lane=Lane.LIVE),
                name="journeys_journeyversion_number_once",
            ),
            models.UniqueConstraint(
                fields=["journey", "lane"],
                condition=Q(is_open=True),
                name="journeys_journeyversion_one_is_open",
            ),
        ]
        indexes = [
            models.Index(
                fields=["journey"],
                name="journeys_version_running",
                condition=Q(ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.journey_id} v{self.number}"


class TestProfile(models.Model):
    """A contact with whom journeys may be tested."""

    contact = models.OneToOneField(
        Contact, on_delete=models.CASCADE, primary_key=True, related_name="test_profile"
    )
    added_at = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("test profile")
        verbose_name_plural = _("test profiles")
        ordering = ["contact"]

    def __str__(self) -> str:
        return str(self.contact_id)
