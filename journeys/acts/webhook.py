"""The activity that calls another system: over a webhook that is set up, or an address.

Over a webhook the body is signed and stands as `data` in the usual envelope, of the type
"journey.webhook"; an address gets the body alone. The rest is in `calling`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from integrations import called_addresses
from integrations.errors import AddressRefused
from integrations.models import Connection
from journeys.acts.calling import Callee, call, refused, register_kind
from journeys.drawing.kinds import NEXT
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Lane, Message

KIND = "webhook"
TYPE = "journey.webhook"


def call_webhook(cohort: Cohort) -> Acted:
    """Queue a call for each; a rehearsal calls nobody."""
    if cohort.version.lane == Lane.REHEARSAL:
        return Acted([NEXT] * len(cohort.ids))
    try:
        connection = _connection(cohort.node.config)
    except AddressRefused as error:
        return refused(cohort, error)
    callee = Callee(
        connection=connection,
        channel=Message.Channel.WEBHOOK,
        kind=TYPE,
        address=str(connection.settings.get("url", "")),
        payload=lambda message_id, person, body: _payload(connection, message_id, body, cohort.at),
    )
    return call(cohort, callee, str(cohort.node.config.get("body") or ""))


def register() -> None:
    """Have the engine do these activities so, and hear of what becomes of them."""
    register_act(KIND, call_webhook)
    register_kind(TYPE)


def _connection(config: Mapping[str, Any]) -> Connection:
    """Where it goes. Raises AddressRefused."""
    if config.get("url"):
        return called_addresses.connection_to(config["url"])
    kind = Connection.Kind.WEBHOOK
    found = Connection.objects.filter(pk=config["connection"], kind=kind).first()
    if found is None:
        raise AddressRefused(_("The webhook that it calls is not there any more."))
    return found


def _payload(connection: Connection, message_id: int, body: str, at: datetime) -> Mapping[str, Any]:
    if connection.kind == Connection.Kind.ADDRESS:
        return {"body": body}
    created_at = at.isoformat().replace("+00:00", "Z")
    data = json.loads(body)
    return {"id": f"message:{message_id}", "type": TYPE, "created_at": created_at, "data": data}
