"""What messages add to the rooms below: registered when Django is ready."""

from django.utils.translation import gettext_lazy as _

from integrations import announcements, outbox
from integrations.bounces import heard
from journeys.acts import message as act
from journeys.messages import composing, log, permits, results, timeline, tracking, variables
from workspace import retention, rounds


def register() -> None:
    """Make them known. May be called again."""
    act.register()
    variables.register()
    permits.register()
    tracking.register()
    timeline.register()
    announcements.register_type(results.SENT, _("A message was sent"))
    announcements.register_type(results.OPENED, _("A message was opened"))
    announcements.register_type(results.CLICKED, _("A link of a message was clicked"))
    announcements.register_type(results.BACK, _("A message came back"))
    outbox.register_consumer("messages", results.follow_deliveries)
    heard.register_listener("messages", results.follow_reports)
    retention.register("messages", log.purge)
    # After what moves participants, before what sends.
    rounds.register_round(
        "messages",
        composing.compose_due,
        channel=composing.CHANNEL,
        every=composing.EVERY,
        place=85,
    )
