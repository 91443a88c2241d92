"""What this floor itself tells of a contact."""

from django.utils.translation import gettext_lazy as _

from contacts.timeline import events, identities, labels, ledgers, trail
from contacts.timeline.sources import TimelineSource, register_source

SOURCES = (
    TimelineSource(
        events.KIND,
        _("Events"),
        "bolt",
        events.load,
        events.count,
        answers=frozenset({"name", "source"}),
        searches=True,
        place=10,
    ),
    TimelineSource(
        ledgers.CONSENT, _("Consents"), "verified_user", ledgers.load_consents, place=40
    ),
    TimelineSource(labels.KIND, _("Tags and categories"), "sell", labels.load, place=50),
    TimelineSource(ledgers.SCORE, _("Lead score"), "trending_up", ledgers.load_scores, place=60),
    TimelineSource(identities.KIND, _("Identities"), "fingerprint", identities.load, place=70),
    TimelineSource(trail.CHANGE, _("Changes"), "edit", trail.load_changes, place=80),
    TimelineSource(trail.IMPORT, _("Imports"), "upload_file", trail.load_imports, place=90),
)


def register() -> None:
    """Make them known. May be called again."""
    for source in SOURCES:
        register_source(source)
