"""Push messages to browsers (Web Push) and apps (FCM): devices of contacts, what they are sent.

A message to a contact is one delivery for each of its devices, and it was sent when one of them
took it.
"""

from integrations.push.devices import Device, deliveries_for, delivery
from integrations.push.payloads import payload

__all__ = ["Device", "deliveries_for", "delivery", "payload"]
