from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JourneysConfig(AppConfig):
    """What is sent to whom, and when."""

    name = "journeys"
    verbose_name = _("Journeys")

    def ready(self) -> None:
        # Models can be imported only now.
        from contacts.extensions import register_eraser, register_merger
        from journeys import (
            announcements,
            entrances,
            facts,
            following,
            journey_links,
            merging,
            reading,
        )
        from journeys.acts import jump, update, vendor, voucher, webhook
        from journeys.engine import running
        from journeys.messages import message_links
        from journeys.rehearsing import rehearsals as rehearsals  # its job
        from journeys.rehearsing import stand_ins
        from journeys.trying import profiles, sessions

        announcements.register()
        entrances.register()
        facts.register()
        following.register()
        merging.register()
        running.register()
        reading.register()
        message_links.register()
        journey_links.register()
        for act in (jump, update, vendor, voucher, webhook):
            act.register()
        stand_ins.register()
        sessions.register()
        register_eraser("test_profiles", profiles.forget)
        register_merger("test_profiles", profiles.merge)
