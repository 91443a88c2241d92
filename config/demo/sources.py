"""The sources of the demo workspace: a website and the shop's server, with a log that is alive.

What they sent is what the invented people did: the log shows the last hours of it, the counts the
last weeks. Three events could not be used, as happens, and wait for somebody to deal with them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from contacts.models import SeenMessage
from contacts.retention import MESSAGES_KEPT
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source, SourceCount
from integrations.sources import create_source
from workspace.access import SYSTEM
from workspace.exactjson import exact_dumps

from . import shop
from .people import Person
from .stories import Happening, Story

_WEBSITE, _SHOP = "Website", "Shop server"
_OF_WEBSITE = frozenset({"page_visit", "add_to_cart", "email_click"})
_OF_SHOP = frozenset({"purchase", "return", "review_left"})
_LOGGED = 160
_COUNTED_DAYS = 30
# The people of the log do in an evening what they did in some days.
_EVENING = timedelta(hours=3)


def make_sources(stories: Sequence[Story], ids: Mapping[int, int], *, at: datetime) -> int:
    """Make both, with their counts, their log and what is held; returns how many there are."""
    happenings = sorted(
        (event for story in stories for event in story.happenings),
        key=lambda event: (event.occurred_at, event.person.number, event.serial),
    )
    for name, kind, description, names in (
        (_WEBSITE, Source.Kind.WEB, "Visits and carts in the web shop.", _OF_WEBSITE),
        (_SHOP, Source.Kind.SERVER, "Orders, returns and reviews.", _OF_SHOP),
    ):
        source, _write_key = create_source(
            name=name,
            kind=kind,
            description=description,
            actor=SYSTEM,
            at=at - timedelta(days=_COUNTED_DAYS),
            is_demo=True,
        )
        own = [event for event in happenings if event.name in names]
        lines = _log(source, own[-_LOGGED:], ids, at)
        unused = _hold(source, own[-1].person, ids, at)
        lines = sorted([*lines, *unused], key=lambda line: line.received_at)
        ReceivedEvent.objects.bulk_create(lines)
        _count(source, own, unused, at)
        _remember(source, own, at)
        last_at = lines[-1].received_at
        Source.objects.filter(pk=source.pk).update(last_received_at=last_at)
    return Source.objects.filter(is_demo=True).count()


def _remember(source: Source, happenings: Iterable[Happening], at: datetime) -> None:
    """Which messages were its own, as long as that would be known."""
    lately = at - MESSAGES_KEPT
    SeenMessage.objects.bulk_create(
        SeenMessage(
            source_id=source.pk,
            message_id=_message_id(f"{event.person.number} {event.serial}"),
            seen_at=event.occurred_at,
        )
        for event in happenings
        if event.occurred_at > lately
    )


def _log(
    source: Source, happenings: Sequence[Happening], ids: Mapping[int, int], at: datetime
) -> list[ReceivedEvent]:
    """Lines of the debugger's log: one identify for about every eighth event."""
    lines = []
    step = _EVENING / (len(happenings) + 1)
    for place, event in enumerate(happenings, start=1):
        when = at - _EVENING + step * place
        if place % 8 == 1:
            lines.append(_line(source, _identify(event.person, when), event.person, ids, when))
        lines.append(_line(source, _message(event, when), event.person, ids, when))
    # The library of a phone sent one twice.
    lines[-2].outcome = Outcome.DUPLICATE
    return lines


def _line(
    source: Source,
    message: Mapping[str, Any],
    person: Person,
    ids: Mapping[int, int],
    when: datetime,
) -> ReceivedEvent:
    return ReceivedEvent(
        source=source,
        received_at=when,
        occurred_at=when,
        type=message["type"],
        name=message.get("event") or message.get("name") or "",
        message_id=message["messageId"],
        contact_id=ids[person.number],
        outcome=Outcome.ACCEPTED,
        body=exact_dumps(message),
    )


def _message(event: Happening, when: datetime) -> dict[str, Any]:
    message = {
        "type": "track",
        "event": event.name,
        "userId": event.person.external_id,
        "properties": event.properties,
        **_common(f"{event.person.number} {event.serial}", when),
    }
    if event.name == "page_visit":
        path = str(event.properties["url"]).removeprefix(shop.SHOP).strip("/")
        name = path.rpartition("/")[2].replace("-", " ").capitalize() or "Home"
        message |= {"type": "page", "name": name}
        del message["event"]
    return message


def _identify(person: Person, when: datetime) -> dict[str, Any]:
    traits = {
        "email": person.email,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "address": {"city": person.city.name, "country": person.country.code},
        "favorite_roast": person.attributes.get("favorite_roast", "medium"),
        "shoe_size": 36 + person.number % 11,
    }
    return {
        "type": "identify",
        "userId": person.external_id,
        "traits": traits,
        **_common(f"identify {person.number} {when.isoformat()}", when),
    }


def _common(name: str, when: datetime) -> dict[str, Any]:
    return {
        "messageId": _message_id(name),
        "timestamp": _instant(when),
        "sentAt": _instant(when),
    }


def _message_id(name: str) -> str:
    """For an event the one that it is stored with."""
    return hashlib.sha256(f"demo {name}".encode()).hexdigest()[:32]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _hold(
    source: Source, person: Person, ids: Mapping[int, int], at: datetime
) -> list[ReceivedEvent]:
    """What could not be used: somebody unknown and a birthday, or an event without a name."""
    user_id, contact_id = person.external_id, ids[person.number]
    invented: Iterable[tuple[dict[str, Any], str, str, str, str, Any, int | None]]
    if source.name == _SHOP:
        invented = [
            (
                {
                    "type": "track",
                    "userId": user_id,
                    "properties": {"rating": 5, "product": "House Blend 250g"},
                },
                *(Outcome.REFUSED, "event_missing", "event"),
                *("A track needs an “event”: the name of what happened.", None, None),
            )
        ]
    else:
        invented = [
            (
                {"type": "page", "name": "Home", "properties": {"url": "/"}},
                *(Outcome.REFUSED, "no_user_anon_id", "userId"),
                "The message has neither a userId nor an anonymousId: nobody knows whose it is.",
                *(None, None),
            ),
            (
                {"type": "identify", "userId": user_id, "traits": {"birthday": "31.02.1990"}},
                *(Outcome.MARKED, "wrong_value", "traits.birthday"),
                *("“31.02.1990” is not a date: write it as 2026-01-31.", "31.02.1990", contact_id),
            ),
        ]
    held, lines = [], []
    for place, (message, outcome, code, path, reason, value, whose) in enumerate(invented, 1):
        when = at - timedelta(minutes=11 * place)
        message |= _common(f"held {source.key} {place}", when)
        body = exact_dumps(message)
        common = {
            "source": source,
            "received_at": when,
            "type": message["type"],
            "name": message.get("name", ""),
            "message_id": message["messageId"],
            "contact_id": whose,
            "outcome": outcome,
            "code": code,
            "reason": reason,
            "body": body,
        }
        problem = {"path": path, "code": code, "message": reason, "value": value}
        held.append(HeldEvent(**common, sent_at=when, problems=[problem]))
        lines.append(ReceivedEvent(**common, occurred_at=when))
    HeldEvent.objects.bulk_create(held)
    return lines


def _count(
    source: Source, happenings: Iterable[Happening], unused: Sequence[ReceivedEvent], at: datetime
) -> None:
    """How many came on each day; what could not be used came today."""
    since = at - timedelta(days=_COUNTED_DAYS)
    days = Counter(
        event.occurred_at.astimezone(UTC).date()
        for event in happenings
        if event.occurred_at > since
    )
    today = at.astimezone(UTC).date()
    rows = [
        SourceCount(source=source, day=day, outcome=Outcome.ACCEPTED, event_count=count)
        for day, count in days.items()
    ]
    # A library that is not sure whether something arrived sends it once more.
    rows += [
        SourceCount(source=source, day=day, outcome=Outcome.DUPLICATE, event_count=count // 40)
        for day, count in days.items()
        if count >= 40
    ]
    rows += [
        SourceCount(source=source, day=today, outcome=outcome, event_count=count)
        for outcome, count in Counter(line.outcome for line in unused).items()
    ]
    SourceCount.objects.bulk_create(rows)
