from datetime import timedelta

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from workspace import encryption


class IntegrationsConfig(AppConfig):
    """The post office: what comes in and goes out."""

    name = "integrations"
    verbose_name = _("Integrations")

    def ready(self) -> None:
        # Here, because they need the models. Long work is known by what `jobs` registers.
        from contacts import extensions
        from integrations import (
            digestion,
            event_log,
            held_timeline,
            inbox,
            jobs,  # noqa: F401
            timeline,
        )
        from workspace import checkup, retention, rounds

        encryption.register_column("integrations.WriteKey", "sealed")
        encryption.register_column("integrations.Source", "signing_secret")
        rounds.register_round(
            "digest",
            digestion.digest,
            channel=inbox.CHANNEL,
            every=timedelta(seconds=5),
            place=10,
        )
        checkup.register("inbox", digestion.examine_inbox)
        retention.register("received events", event_log.purge_log)
        extensions.register_eraser("integrations", event_log.erase)
        extensions.register_merger("integrations", event_log.merge)
        timeline.register()
        held_timeline.register()
