from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ContactsConfig(AppConfig):
    """People we know, and what they did."""

    name = "contacts"
    verbose_name = _("Contacts")

    def ready(self) -> None:
        # Here, because they need the models. Long work is known by what `jobs` registers.
        from contacts import (
            computed_metrics,
            event_notes,
            event_statistics,
            extensions,
            followed_events,
            jobs,  # noqa: F401
            retention,
        )
        from contacts.timeline import own
        from workspace import checkup

        def define(**_given: object) -> None:
            computed_metrics.define_computed_metrics()

        post_migrate.connect(define, sender=self, weak=False, dispatch_uid="computed metrics")
        retention.register()
        own.register()
        extensions.register_eraser("contacts_eventnote", event_notes.forget_contacts)
        extensions.register_eraser("contacts_eventsetaside", followed_events.forget_contacts)
        checkup.register("statistics", event_statistics.examine_statistics)
        checkup.register("followers", followed_events.examine_followers)
