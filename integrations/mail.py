"""The connection over which e-mail is sent: one, by the mail server of the settings.

Whichever room wrote a message: nothing goes to an address that is suppressed, and one of which the
server says that it does not exist came back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from integrations import gates, outbox, suppressions
from integrations.bounces.heard import Told, hear
from integrations.connectors.mail import CONNECTOR
from integrations.errors import AddressUnknown
from integrations.gates import Stop
from integrations.mail_addresses import bare_address
from integrations.models import Connection, Delivery, MailReport, Suppression
from integrations.outbox import Finished
from integrations.registry import Room, register

KIND = Connection.Kind.EMAIL
# A server on the way takes a message in a fraction of a second: claiming, asking and settling are
# done for many together. All threads of two processes have so many in flight.
_ROOM = Room(share=3_200, batch=100)


def mail_connection() -> Connection:
    """The connection for e-mail; it is made when it is needed for the first time."""
    found = Connection.objects.filter(kind=KIND).order_by("pk").first()
    if found is None:
        # Two who make it at once find the same name.
        found, _made = Connection.objects.get_or_create(kind=KIND, name=_("E-mail"))
    return found


def stop_suppressed(batch: Sequence[Delivery], at: datetime) -> dict[int, Stop]:
    """Those among claimed e-mails whose address is suppressed. A gate; one query."""
    addresses = {one.pk: _address(one.payload) for one in batch}
    reasons = suppressions.suppressed_addresses(addresses.values())
    labels = dict(Suppression.Reason.choices)
    words = _("Not sent: the address is suppressed (%(reason)s).")
    return {
        pk: Stop("suppressed", words % {"reason": labels[reasons[address]]})
        for pk, address in addresses.items()
        if address in reasons
    }


def hear_of_refused(finished: Sequence[Finished], at: datetime) -> None:
    """What the server refused because there is no such mailbox came back. A consumer."""
    told = [
        Told(MailReport.Kind.HARD_BOUNCE, "", "smtp", one.key, at, key=one.key, detail=one.error)
        for one in finished
        if one.code == AddressUnknown.code
    ]
    if told:
        hear(told, at=at)


def _address(payload: Mapping[str, Any]) -> str:
    return bare_address(str(payload.get("to") or ""))


def register_mail() -> None:
    """Have e-mails sent. May be called again."""
    gates.register_gate("suppressions", stop_suppressed, kinds=[KIND])
    outbox.register_consumer("refused addresses", hear_of_refused)
    register(KIND, CONNECTOR, room=_ROOM, find_pace=lambda: settings.EMAIL_PER_SECOND)
