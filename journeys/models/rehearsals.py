"""What rehearsals of drafts on history found."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from journeys.models.journeys import Journey
from workspace.exactjson import ExactJSONDecoder, ExactJSONEncoder
from workspace.models import Job


class Rehearsal(models.Model):
    """One rehearsal of a draft: what it would have done in the `days` before `created_at`.

    `draft_number` is that of the draft as it was when the work began, `drawing` and `settings` are
    what it said then; both are empty in those from before they were kept. `reactions` says how many
    of a hundred were taken to react, by reaction. Without a `result` it is not done yet, or was not
    done: the job says why.
    """

    id = models.AutoField(primary_key=True)
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="rehearsals")
    draft_number = models.PositiveIntegerField()
    days = models.PositiveSmallIntegerField(_("days"))
    drawing = models.JSONField(
        default=dict, db_default={}, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    settings = models.JSONField(
        default=dict, db_default={}, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder
    )
    reactions = models.JSONField(default=dict, db_default={})
    result = models.JSONField(null=True, encoder=ExactJSONEncoder, decoder=ExactJSONDecoder)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    started_by = models.CharField(_("started by"), max_length=200, blank=True, default="")
    created_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("rehearsal")
        verbose_name_plural = _("rehearsals")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.journey_id} #{self.draft_number}"
