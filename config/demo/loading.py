"""Puts the invented people and their year into the workspace, in one transaction."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts import computed_metrics
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    Category,
    ComputedMetric,
    ConsentDefinition,
    Contact,
    EventDefinition,
    MetricDefinition,
    Tag,
)
from loyalty.models import Member
from segments.models import Segment
from workspace import locks, sql, websites
from workspace.access import SYSTEM
from workspace.copying import copy_records, reserve_ids
from workspace.errors import DomainError
from workspace.models import User

from . import michael, rewards, shop
from .gift_cards import make_gift_cards
from .histories import keep_criteria, make_segments, plan_actions
from .journeys import make_journeys
from .logins import Login, make_logins, write_logins
from .people import Person, invent_people
from .sources import make_sources
from .stories import Story, enroll, lead_score, measure, tell_stories

_SEED = 1997
_TABLES = (
    *("contacts_contact", "contacts_identity", "contacts_contacttag", "contacts_contactcategory"),
    *("contacts_consentstate", "contacts_metricvalue", "contacts_event", "contacts_eventstatistic"),
    *("contacts_lastseen", "loyalty_member", "loyalty_pointsposting", "loyalty_voucher"),
)


class WorkspaceInUse(DomainError):
    """There are people, segments or staff already; invented ones are not mixed with them."""

    code = "workspace_in_use"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the demo workspace has."""

    contact_count: int
    event_count: int
    member_count: int
    segment_count: int
    logins: tuple[Login, ...]


def is_empty() -> bool:
    """Whether nobody has used this workspace yet."""
    return not any(model._default_manager.exists() for model in (Contact, Segment, User))


@transaction.atomic
def load_demo_data(*, at: datetime) -> Loaded:
    """Load the demo workspace as it is at `at`: the same every time, except passwords.

    Raises WorkspaceInUse where anything is there already. One of two that run at once waits.
    """
    locks.lock("demo workspace")
    if not is_empty():
        raise WorkspaceInUse(
            _(
                "This workspace is in use, and the demo data were not loaded. They go into an"
                " empty one, for example: REGULARS_VAR=./var-demo"
            )
        )
    rng = Random(_SEED)  # noqa: S311 - invents people, not secrets
    people = invent_people(rng, at=at)
    people[-1] = michael.meet(people[-1], at=at)
    stories = tell_stories(rng, people, at=at)
    stories[-1] = michael.tell(people[-1], at)
    first_id = reserve_ids("contacts_contact", len(people))
    ids = {person.number: first_id + place for place, person in enumerate(people)}
    _define()
    websites.add_website(
        name="Web shop", key=shop.WEBSITE, domain=shop.SHOP, is_demo=True, actor=SYSTEM, at=at
    )
    _load_people(stories, ids, at)
    _load_events(stories, ids, at)
    _load_metrics(stories, ids, at)
    member_count = _load_members(rng, stories, ids)
    rewards.make_tiers(at=at - timedelta(days=365))
    rewards.make_earn_rules(at=at)
    rewards.earn(stories, ids, at=at)
    returns = ComputedMetric.objects.filter(metric__key="return_rate")
    returns.update(other_event_name=shop.RETURN)
    computed_metrics.compute(as_of=at)
    make_sources(stories, ids, at=at)
    for table in _TABLES:
        sql.execute(f"ANALYZE {table}")
    logins = make_logins()
    marketer = User.objects.get(username=logins[1]["username"])
    segments = make_segments(at=at, owner=marketer)
    rewards.make_rewards(at=at - timedelta(days=365))
    rewards.claim(rng, at=at)
    make_gift_cards(rng, stories, ids, at=at)
    plan_actions(at=at, author=marketer)
    keep_criteria(at=at)
    make_journeys(rng, stories, ids, at=at)
    write_logins(logins)
    event_count = int(sql.one("SELECT sum(event_count) FROM contacts_eventstatistic"))
    return Loaded(len(people), event_count, member_count, len(segments), tuple(logins))


def _define() -> None:
    Tag.objects.bulk_create(
        Tag(key=key, label=label, is_demo=True) for key, label in shop.TAGS.items()
    )
    Category.objects.bulk_create(
        Category(key=key, label=label, is_demo=True) for key, label in shop.CATEGORIES.items()
    )
    ConsentDefinition.objects.bulk_create(
        ConsentDefinition(key=key, label=label, description=words, is_demo=True)
        for key, (label, words) in shop.CONSENTS.items()
    )
    AttributeDefinition.objects.bulk_create(
        AttributeDefinition(key=key, label=label, type=kind, choices=choices, is_demo=True)
        for key, (label, kind, choices) in shop.ATTRIBUTES.items()
    )
    MetricDefinition.objects.bulk_create(
        MetricDefinition(key=key, label=label, type=kind, is_demo=True)
        for key, (label, kind) in shop.METRICS.items()
    )
    EventDefinition.objects.bulk_create(
        EventDefinition(name=name, label=label, is_demo=True) for name, label in shop.EVENTS.items()
    )


def _load_people(stories: Sequence[Story], ids: Mapping[int, int], at: datetime) -> None:
    people = [story.person for story in stories]
    copy_records(
        "contacts_contact",
        (
            *("id", "email", "phone", "first_name", "last_name", "gender", "country", "city"),
            *("postal_code", "language", "time_zone", "birth_date", "lead_score", "attributes"),
            *("created_at", "updated_at", "is_demo"),
        ),
        (
            (
                *(ids[p.number], p.email, p.phone, p.first_name, p.last_name, p.gender),
                *(p.country.code, p.city.name, p.postal_code, p.language, p.city.time_zone),
                *(p.birth_date, lead_score(story), _json(p.attributes), p.created_at, at, True),
            )
            for story in stories
            for p in (story.person,)
        ),
    )
    copy_records(
        "contacts_identity",
        ("namespace", "value", "contact_id", "created_at"),
        (
            (namespace, value, ids[p.number], p.created_at)
            for p in people
            for namespace, value in (("user_id", p.external_id), ("email", p.email))
        ),
    )
    copy_records(
        "contacts_leadscorechange",
        ("contact_id", "score", "at", "reason"),
        (
            (ids[story.person.number], score, since, "Activity of the last 90 days")
            for story in stories
            for score, since in _scores(story)
        ),
    )
    tags, categories, consents = (_keys(model) for model in (Tag, Category, ConsentDefinition))
    copy_records(
        "contacts_contacttag",
        ("contact_id", "tag_id", "added_at"),
        (
            (ids[p.number], tags[key], p.created_at + (at - p.created_at) / 2)
            for p in people
            for key in sorted(p.tags)
        ),
    )
    copy_records(
        "contacts_contactcategory",
        ("contact_id", "category_id", "added_at"),
        (
            (ids[p.number], categories[key], p.created_at)
            for p in people
            for key in sorted(p.categories)
        ),
    )
    copy_records(
        "contacts_consententry",
        ("contact_id", "definition_id", "state", "at", "source", "reason"),
        (
            (ids[p.number], consents[key], state, since, *_where(p, state))
            for p in people
            for key, state, since in p.consents
        ),
    )


def _scores(story: Story) -> Iterator[tuple[int, datetime]]:
    """The lead score a month ago, where there was one, and that of the present."""
    then = Story(story.person, story.at - timedelta(days=30))
    then.happenings = [event for event in story.happenings if event.occurred_at <= then.at]
    before, now = lead_score(then), lead_score(story)
    if before and story.person.created_at < then.at:
        yield before, then.at
    if now != before:
        yield now, story.at


def _where(person: Person, state: str) -> tuple[str, str]:
    """Where consent was given or taken back, and why."""
    if state == "withdrawn":
        return "preference_center", "Too many messages"
    return ("cafe", "") if person.number % 4 == 0 else ("web_form", "")


def _load_events(stories: Sequence[Story], ids: Mapping[int, int], at: datetime) -> None:
    happenings = sorted(
        (event for story in stories for event in story.happenings),
        key=lambda event: (event.occurred_at, event.person.number, event.serial),
    )
    incoming = [
        IncomingEvent(
            contact_id=ids[event.person.number],
            name=event.name,
            occurred_at=event.occurred_at,
            properties=event.properties,
            message_id=_message_id(event.person, event.serial),
        )
        for event in happenings
    ]
    record_events(incoming, received_at=at)


def _load_metrics(stories: Sequence[Story], ids: Mapping[int, int], at: datetime) -> None:
    metrics = {metric.key: metric for metric in MetricDefinition.objects.all()}
    types = MetricDefinition.Type
    copy_records(
        "contacts_metricvalue",
        ("contact_id", "metric_id", "number", "date", "text", "computed_at"),
        (
            (
                ids[story.person.number],
                metrics[key].pk,
                value if metrics[key].type == types.NUMBER else None,
                value if metrics[key].type == types.DATE else None,
                value if metrics[key].type == types.TEXT else "",
                at,
            )
            for story in stories
            for key, value in measure(story).items()
        ),
    )


def _load_members(rng: Random, stories: Sequence[Story], ids: Mapping[int, int]) -> int:
    members = []
    for story in stories:
        place = enroll(rng, story)
        if place is not None:
            members.append(
                Member(
                    contact_id=ids[story.person.number],
                    card_number=place.card_number,
                    tier=place.tier,
                    joined_at=place.joined_at,
                    left_at=place.left_at,
                    is_demo=True,
                )
            )
    Member.objects.bulk_create(members)
    return len(members)


def _keys(model: Any) -> dict[str, int]:
    return dict(model._default_manager.values_list("key", "pk"))


def _message_id(person: Person, serial: int) -> str:
    return hashlib.sha256(f"demo {person.number} {serial}".encode()).hexdigest()[:32]


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=_canonical, ensure_ascii=False)


def _canonical(value: Any) -> Any:
    """A value as attributes and properties keep it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        # Prices have two digits: what a float shows of them is exact.
        return float(value)
    raise TypeError(f"{value!r} has no form in JSON.")
