"""Which campaigns somebody may read reports of."""

from django.db.models import QuerySet

from loyalty.models import Campaign
from workspace import access
from workspace.access import Actor


def reported_campaigns(actor: Actor) -> "QuerySet[Campaign]":
    """The campaigns that the actor may know of, by name. Raises NotAllowed."""
    access.require(actor, "loyalty.view_campaign")
    return access.visible(Campaign.objects.all(), actor).order_by("name", "id")
