"""What tests of the way out need: a connector that says what the test wants, and deliveries."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations import outbox, registry, sending
from integrations.connector import Message, Receipt
from integrations.errors import ConnectorError, PermanentError
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


@dataclass
class BatchRecorder(Recorder):
    """One that takes many in one call; `answers` says what came of them."""

    answers: Callable[[Sequence[Message]], Sequence[Receipt | ConnectorError]] = lambda some: [
        Receipt("ref", 200, "ok") for _one in some
    ]
    calls: list[list[str]] = field(default_factory=list)

    def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt | ConnectorError]:
        self.sent.extend(messages)
        self.calls.append([one.key for one in messages])
        return self.answers(messages)


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
    kind = given.pop("kind", "tried")
    outbox.enqueue(
        [outbox.Message(key, connection.pk, kind, {"key": key}, **given) for key in keys], at=at
    )


def states() -> dict[str, str]:
    """The state of each delivery, by key."""
    return dict(Delivery.objects.values_list("key", "state"))


def failed_ones() -> Connection:
    """A webhook of which a, b and c failed, for two reasons, and d was delivered."""
    words = {"a": "No such order 10001.", "b": "No such order 10002.", "c": "Too large."}

    def answer(message: Message) -> Receipt:
        if message.key in words:
            raise PermanentError(words[message.key])
        return Receipt()

    shop = make_connection()
    queue(shop, "a", "b", "c", "d")
    with speaking("webhook", Recorder(answer)):
        sending.drain(lambda: NOW)
    return shop
