"""What webhooks hear of journeys as a whole; of participants and messages others tell."""

from django.utils.translation import gettext_lazy as _

from integrations.announcements import Fact, announce, register_type
from journeys.models import JourneyVersion

PUBLISHED = "journey.published"


def register() -> None:
    """Let webhooks hear of what happens in this room. May be called again."""
    register_type(PUBLISHED, _("A journey was published"), is_of_contact=False)


def tell_published(version: JourneyVersion) -> None:
    """Announce that a version was published, in the transaction that does so."""
    journey = version.journey
    data = {
        "journey": {"id": journey.key, "name": journey.name},
        "version": version.number,
        "published_at": version.published_at.isoformat(),
    }
    fact = Fact(key=f"{journey.pk}:{version.number}", data=data, subject=f"journey:{journey.pk}")
    announce(PUBLISHED, [fact], at=version.published_at)
