"""Random streams of what happens to a few contacts and segments, and the second opinion on them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from contacts import consents
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import (
    Category,
    ConsentDefinition,
    ConsentState,
    Contact,
    ContactCategory,
    ContactTag,
    Event,
    EventDefinition,
    LastSeen,
    MetricDefinition,
    MetricValue,
    Tag,
)
from loyalty.models import Member
from loyalty.programme.points import write_difference
from segments import lifecycle
from segments.facts import zone
from segments.membership import REFRESH_JOB
from segments.models import Following, Membership, MembershipChange, Segment
from segments.realtime import audit, clock, following, state
from tests.reference.criteria import Happening, Person, World, holds, step
from tests.segments.criteria.people import (
    CATEGORIES,
    CONSENTS,
    EVENTS,
    LISTED_URLS,
    METRICS,
    SEGMENTS,
    TAGS,
    TYPES,
)
from tests.segments.factories import make_segment, refresh
from workspace import jobs, sql
from workspace.access import SYSTEM
from workspace.models import Job

NOW = datetime(2025, 10, 25, 9, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
_DURATIONS = (
    *(("minute", 30), ("hour", 24), ("day", 1), ("week", 2), ("month", 1), ("month", 13)),
    *(("year", 1),),
)
_CITIES = ("Warszawa", "warszawa", "İzmir", "a'b", "")
_NUMBERS = (Decimal(0), Decimal(1), Decimal(3), Decimal("0.1"), Decimal(-2), Decimal(100))


@dataclass
class Stream:
    """A world of a few contacts, what can happen in it, and what ought to be the members."""

    documents: Sequence[dict[str, Any]]
    rng: Random
    now: datetime = NOW
    told: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Segments that do not follow, some that do, and some that name these."""
        for table in ("segments_segment", "contacts_contact"):
            sql.rows(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000)")
        Segment.objects.filter(key__in=SEGMENTS[:2]).update(
            calculated_at=NOW, refresh_mode="once", criteria=self.documents[0]
        )
        Segment.objects.filter(key=SEGMENTS[2]).update(refresh_mode="once")
        for _ in range(4):
            self.add_contact()
        for number, document in enumerate(self.documents[1:]):
            make_segment(f"s{number}", document, refresh_mode="realtime", at=self.now)
        make_segment("inside", _names("in", "s0", "s1"), refresh_mode="realtime", at=self.now)
        rest = {**_names("notIn", "inside"), "combinator": "or"}
        rest["rules"] = [*rest["rules"], self.documents[-1]]
        make_segment("outside", rest, refresh_mode="realtime", at=self.now)
        self.settle()

    def happen(self) -> None:
        """Something happens, perhaps more than one thing before anybody looks."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            act = self.rng.choice(self.acts())
            self.told.append(act.__name__)
            act()

    def acts(self) -> list[Callable[[], object]]:
        often: list[Callable[[], object]] = [
            self.record,
            self.record,
            self.record,
            self.pass_time,
            self.pass_time,
        ]
        return [
            *(*often, self.change_contact, self.change_attributes, self.label, self.consent),
            *(self.measure, self.enroll, self.add_contact, self.merge, self.erase),
            *(self.edit_segment, self.toggle_segment, self.refresh_other),
        ]

    # --- What happens ---------------------------------------------------------------------------

    def contact(self) -> int:
        living = Contact.objects.filter(erased_at=None).order_by("pk")
        return self.rng.choice(list(living.values_list("pk", flat=True)) or [self.add_contact()])

    def moment(self) -> datetime:
        """Now, an edge of a window, or a tick or a little away from it."""
        unit, amount = self.rng.choice(_DURATIONS)
        sign = self.rng.choice((-1, -1, -1, 0, 1))
        at = step(self.now, {"unit": unit, "amount": amount}, sign, zone()) if sign else self.now
        assert at is not None
        away = (timedelta(), TICK, -TICK, timedelta(seconds=1), -timedelta(minutes=20))
        return at + self.rng.choice(away)

    def record(self) -> None:
        told = [
            IncomingEvent(
                self.contact(),
                self.rng.choice(EVENTS),
                self.moment(),
                self.properties(),
                f"m{self.rng.randrange(40)}",
            )
            for _ in range(self.rng.choice((1, 1, 3)))
        ]
        # Told twice, as sources do.
        record_events([*told, *told[:1]], received_at=self.now)

    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.rng.random() < 0.6:
            found["amount"] = self.rng.choice(_NUMBERS)
        if self.rng.random() < 0.3:
            found["url"] = self.rng.choice((*LISTED_URLS, "/sale?x=1"))
        if self.rng.random() < 0.4:
            found["x"] = self.rng.choice(("1", "x", True, self.moment().isoformat()))
        return found

    def change_contact(self) -> None:
        born = (self.now + timedelta(days=self.rng.randrange(-8, 8))).date()
        changes: dict[str, Any] = self.rng.choice(
            (
                {"city": self.rng.choice(_CITIES)},
                {"last_name": self.rng.choice(_CITIES)},
                {"lead_score": self.rng.choice(_NUMBERS)},
                {"birth_date": self.rng.choice((born, born.replace(year=1984, day=1), None))},
            )
        )
        Contact.objects.filter(pk=self.contact()).update(**changes)

    def change_attributes(self) -> None:
        at = self.moment().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        choices = {
            "text": self.rng.choice(_CITIES[:-1]),
            "number": self.rng.choice(_NUMBERS),
            "flag": self.rng.random() < 0.5,
            "day": str((self.now + timedelta(days=self.rng.randrange(-8, 8))).date()),
            "at": at,
            "sizes": ["s"],
        }
        kept = self.rng.sample(list(choices), self.rng.randrange(len(choices)))
        attributes = {name: choices[name] for name in kept}
        Contact.objects.filter(pk=self.contact()).update(attributes=attributes)

    def label(self) -> None:
        model: Any = self.rng.choice((ContactTag, ContactCategory))
        found: Any = Tag if model is ContactTag else Category
        name = "tag_id" if model is ContactTag else "category_id"
        keys = TAGS if model is ContactTag else CATEGORIES
        label = found.objects.get(key=self.rng.choice(keys))
        contact_id = self.contact()
        rows = model.objects.filter(**{name: label.pk, "contact_id": contact_id})
        if not rows.delete()[0]:
            model.objects.create(**{name: label.pk, "contact_id": contact_id})

    def consent(self) -> None:
        told = {
            "key": self.rng.choice(CONSENTS),
            "state": self.rng.choice(("granted", "withdrawn")),
        }
        consents.record(
            contact_id=self.contact(), at=self.moment(), source="test", actor=SYSTEM, **told
        )

    def measure(self) -> None:
        key = self.rng.choice(list(METRICS))
        value: Any = {
            "number": self.rng.choice(_NUMBERS),
            "date": (self.now + timedelta(days=self.rng.randrange(-8, 8))).date(),
            "text": self.rng.choice(_CITIES),
        }
        columns = {METRICS[key]: value[METRICS[key]]}
        MetricValue.objects.update_or_create(
            contact_id=self.contact(),
            metric_id=MetricDefinition.objects.get(key=key).pk,
            defaults=columns,
        )

    def enroll(self) -> None:
        contact_id = self.contact()
        if self.rng.random() < 0.3:
            Member.objects.filter(contact_id=contact_id).delete()
            return
        points = self.rng.randrange(-1, 4)
        columns = {"tier": self.rng.choice(("", "gold")), "joined_at": self.moment()}
        member, is_new = Member.objects.get_or_create(
            contact_id=contact_id, defaults={**columns, "points": points}
        )
        if not is_new:
            Member.objects.filter(contact_id=contact_id).update(**columns)
            if points != member.points:
                write_difference(member, points, actor=SYSTEM, at=self.now)

    def add_contact(self) -> int:
        made = Contact.objects.create(city=self.rng.choice(_CITIES), created_at=self.moment())
        return int(made.pk)

    def merge(self) -> None:
        one, other = self.contact(), self.contact()
        if one != other:
            merge_contacts(one, other, actor=SYSTEM, at=self.now, cause="test")

    def erase(self) -> None:
        if self.rng.random() < 0.5:
            erase_contact(self.contact(), actor=SYSTEM, at=self.now)

    def edit_segment(self) -> None:
        segment = Segment.objects.get(key=self.rng.choice(("s0", "s1", "s2")))
        document = self.rng.choice(self.documents)
        lifecycle.update_segment(segment, actor=SYSTEM, at=self.now, criteria=document)

    def toggle_segment(self) -> None:
        segment = Segment.objects.get(key=self.rng.choice(("s1", "inside", "other")))
        is_active = segment.status == Segment.Status.ACTIVE
        turn = lifecycle.inactivate if is_active else lifecycle.activate
        turn(segment, actor=SYSTEM, at=self.now)

    def refresh_other(self) -> None:
        segment = Segment.objects.get(key=self.rng.choice(("other", "s0", "outside")))
        if segment.status == Segment.Status.ACTIVE:
            refresh(segment, as_of=self.now)

    def pass_time(self) -> None:
        unit, amount = self.rng.choice(_DURATIONS)
        ahead = step(self.now, {"unit": unit, "amount": amount}, 1, zone())
        assert ahead is not None
        short = self.now + self.rng.choice((1, 30, 1800, 7200)) * timedelta(seconds=1)
        self.now = self.rng.choice((short, short, short, ahead, ahead - TICK, ahead + TICK))

    # --- Who looks ------------------------------------------------------------------------------

    def look(self) -> None:
        """The rounds, in any order and with whatever they ask for."""
        rounds: list[Callable[[datetime], bool]] = [following.follow, clock.tick]
        self.rng.shuffle(rounds)
        for run in rounds:
            while run(self.now):
                pass

    def settle(self) -> None:
        """Until nothing is left to do: rounds, and the full refreshes that they ask for."""
        while True:
            self.look()
            waiting = list(Job.objects.filter(state="queued", kind=REFRESH_JOB).order_by("pk"))
            if not waiting and not sql.one(following._IS_WAITING):
                return
            for job in waiting:
                job.arguments["as_of"] = self.now.isoformat()
                job.save()
                jobs.run(job.pk)

    # --- What ought to be -----------------------------------------------------------------------

    def check(self) -> None:
        """Members are those for whom the criteria hold by the reference; log and counts agree."""
        people = dict(_people())
        expected: dict[str, set[int]] = {}
        for segment in Segment.objects.order_by("pk").select_related("following"):
            actual = set(_members(segment))
            is_right = True
            if state.is_live(segment):
                expected[segment.key] = {
                    contact_id
                    for contact_id, person in people.items()
                    if holds(
                        segment.criteria, _in_segments(person, contact_id, expected), self.world
                    )
                }
                is_right = actual == expected[segment.key]
            expected.setdefault(segment.key, actual)
            assert is_right, (segment.key, segment.criteria, actual, expected[segment.key], self)
            assert segment.member_count == len(actual), (segment.key, self)
            assert set(_logged(segment)) == actual, (segment.key, self)

    @property
    def world(self) -> World:
        return World(self.now, zone(), TYPES, frozenset({"never_calculated"}))

    def end(self) -> None:
        """The audit finds nothing either, and nothing waits."""
        found = list(audit.audit_all(at=self.now))
        assert not [one for one in found if one.is_wrong or one.skipped], (found, self)
        assert not sql.one("SELECT count(*) FROM segments_owed")


def live_count() -> int:
    """How many segments follow."""
    return Following.objects.filter(stale_since=None).count()


def _names(operator: str, *keys: str) -> dict[str, Any]:
    rule = {"field": "segment", "operator": operator, "value": list(keys)}
    return {"combinator": "and", "rules": [rule]}


def _members(segment: Segment) -> Iterator[int]:
    yield from Membership.objects.filter(segment=segment).values_list("contact_id", flat=True)


def _logged(segment: Segment) -> Iterator[int]:
    balance: dict[int, int] = {}
    changes = MembershipChange.objects.filter(segment=segment).order_by("at")
    for contact_id, kind in changes.values_list("contact_id", "kind"):
        balance[contact_id] = balance.get(contact_id, 0) + (1 if kind == "entered" else -1)
        assert balance[contact_id] in (0, 1), "nobody enters twice"
    yield from (contact_id for contact_id, found in balance.items() if found)


def _in_segments(person: Person, contact_id: int, members: dict[str, set[int]]) -> Person:
    found = frozenset(key for key, ids in members.items() if contact_id in ids)
    return Person(**{**vars(person), "segments": found})


def _people() -> Iterator[tuple[int, Person]]:
    """Everybody as stored, read row by row."""
    names = dict(EventDefinition.objects.values_list("pk", "name"))
    keys: dict[Any, dict[int, str]] = {
        model: dict(model._default_manager.values_list("pk", "key"))
        for model in (Tag, Category, ConsentDefinition, MetricDefinition)
    }
    for contact in Contact.objects.order_by("pk"):
        own: dict[str, Any] = {"contact_id": contact.pk}
        seen = LastSeen.objects.filter(**own).first()
        member = Member.objects.filter(**own, left_at=None).first()
        yield (
            contact.pk,
            Person(
                fields={
                    "city": contact.city,
                    "last_name": contact.last_name,
                    "birth_date": contact.birth_date,
                    "lead_score": contact.lead_score,
                    "created_at": contact.created_at,
                    "updated_at": contact.updated_at,
                    "last_seen_at": seen and seen.last_seen_at,
                },
                attributes=contact.attributes,
                tags=frozenset(keys[Tag][one.tag_id] for one in ContactTag.objects.filter(**own)),
                categories=frozenset(
                    keys[Category][one.category_id] for one in ContactCategory.objects.filter(**own)
                ),
                consents={
                    keys[ConsentDefinition][one.definition_id]: one.state
                    for one in ConsentState.objects.filter(**own)
                },
                metrics={
                    keys[MetricDefinition][one.metric_id]: getattr(
                        one, METRICS[keys[MetricDefinition][one.metric_id]]
                    )
                    for one in MetricValue.objects.filter(**own)
                },
                loyalty=None
                if member is None
                else {"points": member.points, "tier": member.tier, "joined_at": member.joined_at},
                events=tuple(
                    Happening(names[one.definition_id], one.occurred_at, one.properties)
                    for one in Event.objects.filter(**own)
                ),
                is_erased=contact.erased_at is not None,
            ),
        )
