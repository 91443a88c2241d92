"""Messages that are due, written out and sent to a mail server on this machine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from contacts.models import Contact, Event
from integrations import sending, templates
from integrations.models import Delivery, Template
from journeys.acts.message import plan_messages
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.engine.cohort import Acted, Cohort
from journeys.messages import composing
from journeys.models import JourneyVersion, Message, Participant
from tests.factories import NOW
from tests.journeys.drawn import make_version, node, put
from workspace.access import SYSTEM

MESSAGE = node("first", "message", email="first")
END = node("end", "end")


def make_template(key: str = "first", **given: Any) -> Template:
    """A template of an e-mail with a text."""
    parts = {"subject": "Hello {{ contact.first_name }}", "text": "Come and see.", **given}
    return templates.create_template(name=key, key=key, actor=SYSTEM, at=NOW, **parts)


def make_push_template(key: str = "push", **given: Any) -> Template:
    """A template of a push message."""
    parts = {"subject": "Hello", "text": "Come and see.", "link": "https://shop.example/", **given}
    return Template.objects.create(name=key, key=key, channel="push", **parts)


def make_journey(
    *nodes: Mapping[str, Any], settings: Mapping[str, Any] | None = None, **given: Any
) -> JourneyVersion:
    """A journey that sends the template "first" and waits a little, or these activities."""
    if not Template.objects.filter(key="first").exists():
        make_template()
    return make_version(*(nodes or (MESSAGE, END)), settings=settings, **given)


def arrive(
    version: JourneyVersion,
    *contacts: Contact | int,
    node_id: str = "first",
    at: datetime = NOW,
    **given: Any,
) -> Acted:
    """Contacts come to an activity that sends, and the engine has it done."""
    ids = [one.pk if isinstance(one, Contact) else one for one in contacts]
    participants = [put(version, pk, node_id, at=at, **given) for pk in ids]
    return act(version, participants, node_id=node_id, at=at)


def act(
    version: JourneyVersion,
    participants: Sequence[Participant],
    *,
    node_id: str = "first",
    at: datetime = NOW,
) -> Acted:
    """The engine has an activity done for those who stand there."""
    plan = make_plan(read(version.drawing), version.places)
    return plan_messages(
        Cohort(
            version=version,
            plan=plan,
            node=plan.drawing.node(node_id),
            ids=[one.pk for one in participants],
            contact_ids=[one.contact_id for one in participants],
            arrived=[at] * len(participants),
            at=at,
        )
    )


def compose(at: datetime = NOW) -> None:
    """All that is due is written out."""
    while composing.compose_due(at):
        pass


def send(at: datetime = NOW) -> sending.Sent:
    """All that is due is written out and sent."""
    compose(at)
    return sending.drain(lambda: at)


def fates() -> list[tuple[str, str]]:
    """State and reason of each message, in the order in which they were planned."""
    return list(Message.objects.order_by("pk").values_list("state", "reason"))


def payload() -> dict[str, Any]:
    """What the only delivery says."""
    said: dict[str, Any] = Delivery.objects.get().payload
    return said


def events(name: str) -> list[dict[str, Any]]:
    """What the events of a name say, in their order."""
    found = Event.objects.filter(definition__name=name).order_by("occurred_at", "message_id")
    return list(found.values_list("properties", flat=True))
