"""Devices on the timeline of their contact."""

from contacts.timeline import Filters, page
from integrations.models import PushSubscription
from tests.factories import HOUR, NOW
from tests.integrations.push.other_side import Browser
from workspace.access import SYSTEM


def test_a_device_stands_there_when_it_began_and_when_it_ended() -> None:
    device = Browser("https://a.push.example/1").subscribe(device="Firefox on Linux")
    PushSubscription.objects.filter(pk=device.pk).update(
        ended_at=NOW + HOUR, ended_reason="The browser takes no messages any more."
    )

    filters = Filters(kinds=frozenset({"push"}))
    newest, oldest = page(device.contact_id, actor=SYSTEM, filters=filters)

    assert [(item.at, item.text, item.data["ended"]) for item in (newest, oldest)] == [
        (NOW + HOUR, "The browser takes no messages any more.", True),
        (NOW, "Firefox on Linux", False),
    ]
