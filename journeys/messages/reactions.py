"""What is known of a message from the history of its receiver."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

from contacts.models import Event
from journeys.messages import machines
from journeys.models import Message

NAMES = (
    *("email_opened", "email_clicked", "email_bounced", "email_complained"),
    *("email_unsubscribed", "push_opened"),
)
_LIMIT = 100
_WHYS = {
    machines.AGENT: gettext_lazy("the program says of itself that it is one"),
    machines.SEVERAL: gettext_lazy("it opened several links within seconds of the sending"),
}


@dataclass(frozen=True, slots=True)
class Reaction:
    """Something that was told of a message: an opening, a click, that it came back."""

    name: str
    at: datetime
    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class MachineVisit:
    """An opening or a click that is taken for a program's: it counts for nothing."""

    name: str
    at: datetime
    url: str
    agent: str
    why: str

    @property
    def words(self) -> str:
        """Why it is taken for a program's, for people."""
        return str(_WHYS[self.why])


def machine_visits_of(message: Message) -> list[MachineVisit]:
    """What programs did with a message, the oldest first."""
    found = machines.of_machines(machines.read_visits(message.visits))
    return [
        MachineVisit(one.kind, one.at, one.url, one.agent, one.machine)
        for one in sorted(found, key=lambda one: one.at)
    ]


def reactions_to(message: Message) -> list[Reaction]:
    """What was told of a message, the oldest first; one query."""
    events = Event.objects.filter(
        contact_id=message.contact_id,
        definition__name__in=NAMES,
        occurred_at__gte=message.created_at,
        properties__message=message.pk,
    )
    # Who clicks has opened it in the same moment, and before.
    rows: Any = events.order_by("occurred_at", "-definition__name").values_list(
        "definition__name", "occurred_at", "properties"
    )
    return [
        Reaction(name, at, str(said.get("url") or ""), str(said.get("detail") or ""))
        for name, at, said in rows[:_LIMIT]
    ]
