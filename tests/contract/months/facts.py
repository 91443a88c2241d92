"""What happens here, told to a source of Twilio Segment, and to somebody's own webhook."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contacts.models import Event
from integrations import announcements, digestion, inbox, sending, sources
from integrations.models import Delivery, ReceivedEvent, Source, VendorConnection
from integrations.sandbox.segment import Segment as Twilio
from integrations.sandbox.server import Fault, Request, Response, Sandbox
from integrations.webhooks import create_webhook
from segments.models import Membership, Segment
from tests.contract.months.world import TRIES, Month
from workspace.access import SYSTEM

GIVEN = "customer.publication.succeeded"
MOVED = ("customer.segment.entered", "customer.segment.left")
TOLD = ("warszawa", "berlin")


def send(month: Month) -> None:
    """Send all that waits in the outbox, and try again what failed."""
    for _one in range(TRIES):
        sending.drain(month.clock.now)
        if not Delivery.objects.filter(state=Delivery.State.QUEUED).exists():
            return
        month.clock.sleep(600)


class Hook(Sandbox):
    """Somebody's own system that webhooks are sent to."""

    name = "hook"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.got: Counter[str] = Counter()

    def handle(self, request: Request) -> Response:
        self.got[request.document()["id"]] += 1
        return Response(200, {})


@dataclass
class Told:
    """A webhook that hears of exports."""

    month: Month
    box: Hook
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        create_webhook(
            url=f"{self.box.url}/hook",
            types=["export.ready"],
            actor=SYSTEM,
            at=self.month.clock.now(),
        )

    def acts(self) -> Sequence[Callable[[], None]]:
        return [self.tell]

    def turns(self) -> Sequence[Callable[[], None]]:
        return []

    def tell(self) -> None:
        key = f"day:{len(self.keys)}"
        fact = announcements.Fact(key, {"segment": "x", "n": len(self.keys)})
        announcements.announce("export.ready", [fact], at=self.month.clock.now())
        self.keys.append(f"export.ready:{key}")

    def night(self) -> None:
        send(self.month)

    def sent(self) -> int:
        return self.box.got.total()

    def is_as_meant(self) -> None:
        heard = {key.rpartition(":")[0] for key in self.box.got}
        assert heard == set(self.keys)
        assert not Delivery.objects.filter(kind="export.ready").exclude(state="delivered").exists()


@dataclass
class Facts:
    """A source at Segment, which is told of cards, and of segments as traits."""

    month: Month
    box: Twilio
    connection: VendorConnection = field(init=False)
    source: Source = field(init=False)
    # What was told of whom, in this order; of whom that has no id there.
    told: dict[str, list[str]] = field(default_factory=dict)
    nameless: list[str] = field(default_factory=list)
    returned: int = 0
    dark_until: datetime | None = None

    def __post_init__(self) -> None:
        at = self.month.clock.now()
        self.connection = self.month.authorize(
            "segment",
            {"write_key": self.box.write_key},
            settings={
                "types": [GIVEN, *MOVED],
                "memberships": "traits",
                "segments": ", ".join(TOLD),
                "per_second": 1000,
            },
        )
        self.source, _key = sources.create_source(
            name="Segment", kind="webhook", actor=SYSTEM, at=at
        )

    def acts(self) -> Sequence[Callable[[], None]]:
        return [self.give] * 8

    def turns(self) -> Sequence[Callable[[], None]]:
        return [self.go_dark]

    def give(self) -> None:
        """Somebody is given a card; now and then nobody knows who."""
        contact_id = self.month.dice.choice([*self.month.people, None])
        key = f"card:{len(self.nameless) + sum(map(len, self.told.values()))}"
        fact = announcements.Fact(key, {"code": key, "campaign": {"name": "Thanks"}}, contact_id)
        announcements.announce(GIVEN, [fact], at=self.month.clock.now())
        message_id = f"{GIVEN}:{key}:{self.connection.pk}"
        user_id = self.month.ids.get(contact_id or 0)
        if user_id is None:
            self.nameless.append(message_id)
        else:
            self.told.setdefault(user_id, []).append(message_id)

    def go_dark(self) -> None:
        """For two days something on the way there says that the write key is none."""
        self.dark_until = self.month.clock.now() + timedelta(days=2)

    def night(self) -> None:
        if self.dark_until is not None:
            if self.month.clock.now() < self.dark_until:
                self.box.chaos = lambda request: Fault(Response(401, b""))
            else:
                self.dark_until = None
        send(self.month)
        self.send_back()

    def send_back(self) -> None:
        """A destination sends us all that came."""
        new, self.returned = self.box.events[self.returned :], len(self.box.events)
        if new:
            at = self.month.clock.now()
            inbox.receive(
                source_id=self.source.pk,
                call="webhook",
                body=json.dumps(new),
                event_count=len(new),
                received_at=at,
            )
            digestion.digest(at)

    def sent(self) -> int:
        return len(self.box.asked("/v1/batch"))

    def is_as_meant(self) -> None:
        """Each fact was told, once by its messageId, in order; nothing went round."""
        events = dict[str, Any]()
        for event in self.box.events:
            events.setdefault(event["messageId"], event)
        assert not self.box.invalid
        assert not events.keys() & set(self.nameless)
        self._in_order(events)
        self._traits(events)
        cancelled = Delivery.objects.filter(connection=self.connection).exclude(state="delivered")
        assert set(cancelled.values_list("state", flat=True)) <= {"cancelled"}
        assert set(Event.objects.values_list("definition__name", flat=True)) <= {"purchase"}
        logged = ReceivedEvent.objects.filter(source=self.source)
        assert set(logged.values_list("outcome", "code")) <= {("duplicate", "own_event")}
        assert logged.exists()

    def _in_order(self, events: dict[str, Any]) -> None:
        came = dict[str, list[str]]()
        for message_id, event in events.items():
            if event["type"] == "track":
                came.setdefault(event["userId"], []).append(message_id)
        living = {self.month.ids[one] for one in self.month.people if one in self.month.ids}
        for user_id, told in self.told.items():
            found = came.pop(user_id, [])
            if user_id in living:
                assert found == told, (user_id, found, told)
            else:
                # What waited when a contact was erased is not sent any more.
                assert found == [one for one in told if one in set(found)]
        assert not came

    def _traits(self, events: dict[str, Any]) -> None:
        """The last word on each segment is the truth; of who was merged nothing more is told."""
        said = dict[str, dict[str, bool]]()
        for event in events.values():
            if event["type"] == "identify":
                said.setdefault(event["userId"], {}).update(event["traits"])
        assert set[str]().union(*said.values()) <= set(TOLD)
        for key in TOLD:
            segment = Segment.objects.get(key=key)
            members = set(
                Membership.objects.filter(segment=segment).values_list("contact_id", flat=True)
            )
            for one in set(self.month.people) - self.month.merged:
                if user_id := self.month.ids.get(one):
                    assert said.get(user_id, {}).get(key, False) == (one in members)
