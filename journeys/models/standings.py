"""How contacts stand to journeys as a whole: what criteria ask about."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact
from journeys.models.journeys import Journey


class ContactJourney(models.Model):
    """A contact and a journey: inside now or not, ever at its end, ever at its goal.

    Of all live passages of the contact through the journey, whatever the versions; of tests and
    rehearsals nothing. `entered_at` is when the last one began, `finished_at` when one last went to
    the end, `goal_at` when one first reached the goal. The engine keeps it in the statements that
    let contacts in, end passages and note goals (`journeys.engine.standings`). Criteria follow its
    changes by the topic "journey:<id>", see migration 0010.
    """

    pk = models.CompositePrimaryKey("contact_id", "journey_id")
    contact = models.ForeignKey(
        Contact, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    journey = models.ForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, related_name="standings"
    )
    is_inside = models.BooleanField()
    entered_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    goal_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("contact of a journey")
        verbose_name_plural = _("contacts of journeys")
        ordering = ["contact", "journey"]
        # No flag stands in an index: so their changes leave the indexes alone.
        indexes = [models.Index(fields=["journey", "contact"], name="journeys_contactjourney_of")]

    def __str__(self) -> str:
        return f"{self.contact_id} in {self.journey_id}"
