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
            deliveries,
            delivery_counts,
            digestion,
            event_log,
            held_timeline,
            inbox,
            jobs,  # noqa: F401
            mail,
            outbox,
            registry,
            sending,
            suppression_timeline,
            suppressions,
            timeline,
        )
        from integrations.bounces import heard, mailboxes
        from integrations.connectors.address import AddressConnector
        from integrations.connectors.dotdigital import system as dotdigital_system
        from integrations.connectors.emarsys import updating as updating_emarsys
        from integrations.connectors.emarsys import vendor as emarsys
        from integrations.connectors.fcm import FcmConnector
        from integrations.connectors.segment import vendor as segment
        from integrations.connectors.web_push import WebPushConnector
        from integrations.connectors.webhook import WebhookConnector
        from integrations.metric_uploads import forgetting
        from integrations.models import Connection
        from integrations.push import subscriptions
        from integrations.push import timeline as push_timeline
        from integrations.vendors import calls, syncing, updates  # noqa: F401 - it does jobs
        from integrations.vendors import upkeep as vendors_upkeep
        from workspace import checkup, retention, rounds

        encryption.register_column("integrations.WriteKey", "sealed")
        encryption.register_column("integrations.Source", "signing_secret")
        encryption.register_column("integrations.Source", "user_secret")
        encryption.register_column("integrations.Connection", "sealed_secret")
        encryption.register_column("integrations.PushSubscription", "sealed_keys")
        rounds.register_round(
            "digest",
            digestion.digest,
            channel=inbox.CHANNEL,
            every=timedelta(seconds=5),
            place=10,
        )
        # After all that may queue something.
        rounds.register_round(
            "send",
            sending.SENDERS.wake,
            channel=outbox.CHANNEL,
            every=timedelta(seconds=5),
            place=90,
            once=sending.send_once,
            stop=sending.SENDERS.stop,
        )
        registry.register(Connection.Kind.ADDRESS, AddressConnector())
        registry.register(Connection.Kind.WEBHOOK, WebhookConnector(), disables_connection=True)
        for kind, connector in (
            (Connection.Kind.WEB_PUSH, WebPushConnector()),
            (Connection.Kind.FCM, FcmConnector()),
        ):
            registry.register(
                kind,
                connector,
                find_recipient=subscriptions.find_recipient,
                # Services answer in a fraction of a second, from many places.
                room=registry.Room(share=160, batch=8),
            )
        emarsys.register()
        updates.register_update(emarsys.KIND, updating_emarsys.update)
        outbox.register_consumer("push", subscriptions.note_finished)
        outbox.register_consumer("counts", delivery_counts.note)
        checkup.register("outbox", deliveries.examine)
        checkup.register("bounces", mailboxes.examine)
        retention.register("deliveries", deliveries.purge)
        retention.register("counts of deliveries", delivery_counts.purge)
        extensions.register_eraser("deliveries", deliveries.erase)
        extensions.register_merger("deliveries", deliveries.merge)
        retention.register("push subscriptions", subscriptions.purge)
        retention.register("calls of vendors", calls.purge)
        vendors_upkeep.register()
        retention.register("uploads of metrics", forgetting.purge)
        extensions.register_eraser("uploaded metrics", forgetting.erase)
        extensions.register_eraser("push subscriptions", subscriptions.erase)
        extensions.register_merger("push subscriptions", subscriptions.merge)
        checkup.register("inbox", digestion.examine_inbox)
        retention.register("received events", event_log.purge_log)
        extensions.register_eraser("integrations", event_log.erase)
        extensions.register_merger("integrations", event_log.merge)
        extensions.register_eraser("suppressions", suppressions.erase)
        extensions.register_merger("suppressions", suppressions.merge)
        extensions.register_eraser("mail reports", heard.erase)
        extensions.register_merger("mail reports", heard.merge)
        retention.register("mail reports", heard.purge)
        mail.register_mail()
        dotdigital_system.register()
        segment.register()
        timeline.register()
        held_timeline.register()
        push_timeline.register()
        suppression_timeline.register()
