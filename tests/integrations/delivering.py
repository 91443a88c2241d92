"""What tests of the way out need: a connector that says what the test wants, and deliveries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations import outbox, registry
from integrations.connector import Message, Receipt
from integrations.models import Connection, Delivery
from tests.factories import NOW


@dataclass
class Recorder:
    """A connector that notes what it is given; `answer` may raise what a test wants."""

    answer: Callable[[Message], Receipt] = lambda message: Receipt("ref", 200, "ok")
    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> Receipt:
        self.sent.append(message)
        return self.answer(message)

    @property
    def keys(self) -> list[str]:
        return [message.key for message in self.sent]


@contextmanager
def speaking(kind: str, connector: Any, **given: Any) -> Iterator[None]:
    """Have `connector` speak for a kind of connections for as long as the block lasts."""
    before = dict(registry._connectors)
    registry.register(kind, connector, **given)
    try:
        yield
    finally:
        registry._connectors.clear()
        registry._connectors.update(before)


def make_connection(name: str = "Shop", **given: Any) -> Connection:
    """A connection that is in use."""
    return Connection.objects.create(name=name, kind=given.pop("kind", "webhook"), **given)


def queue(connection: Connection, *keys: str, at: datetime = NOW, **given: Any) -> None:
    """Queue messages that are due at once."""
    messages = [
        outbox.Message(key, connection.pk, given.get("kind", "tried"), {"key": key}) for key in keys
    ]
    outbox.enqueue(messages, at=at)


def states() -> dict[str, str]:
    """The state of each delivery, by key."""
    return dict(Delivery.objects.values_list("key", "state"))
