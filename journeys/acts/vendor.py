"""The activity that changes the contact at a vendor's system, such as Dotdigital or Emarsys.

What it says of the contact are fields of that system, with gaps that are filled in the tick; the
connector of the account takes it from there (`integrations.vendors.updates`). The rest is in
`calling`.
"""

import json
from collections.abc import Mapping
from typing import Any

from integrations.errors import ConnectorError
from integrations.vendors import updates
from journeys.acts.calling import Callee, call, refused, register_kind
from journeys.drawing.kinds import NEXT
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Lane, Message
from workspace.exactjson import exact_dumps

KIND = "update_vendor"
# What tells a contact there; each system looks for the one that it knows people by.
_IDENTITIES = ("id", "external_id", "email", "phone")


def update_vendor(cohort: Cohort) -> Acted:
    """Queue an update of each; a rehearsal changes nothing anywhere."""
    if cohort.version.lane == Lane.REHEARSAL:
        return Acted([NEXT] * len(cohort.ids))
    try:
        connection = updates.updatable(cohort.node.config["vendor"])
    except ConnectorError as error:
        return refused(cohort, error)
    callee = Callee(
        connection=connection,
        channel=Message.Channel.VENDOR,
        kind=updates.TYPE,
        address=f"{connection.get_kind_display()}: {connection.name}",
        payload=_payload,
    )
    return call(cohort, callee, exact_dumps(dict(cohort.node.config["fields"])))


def register() -> None:
    """Have the engine do these activities so, and hear of what becomes of them."""
    register_act(KIND, update_vendor)
    register_kind(updates.TYPE)


def _payload(message_id: int, person: Mapping[str, Any], body: str) -> Mapping[str, Any]:
    contact = {name: person.get(name) or None for name in _IDENTITIES}
    return {"contact": contact, "fields": json.loads(body)}
