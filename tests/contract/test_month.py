"""A month, day by day, while vendors fail in every way they do: in the end all is as it was meant.

The clock is driven. Each day people order, come, change their address, are forgotten, join and
leave segments at the vendor; each day everything is synchronized, and tried again as it is due.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

import pytest

from contacts import profiles
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, WebsiteMetrics
from integrations import announcements, outbound, sending
from integrations.errors import ConnectorError
from integrations.models import Delivery, UploadedRecord, VendorConnection
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.server import Fault, Request, Response, Sandbox, running
from integrations.vendors import connections, syncing
from integrations.webhooks import create_webhook
from loyalty.models import Member
from segments.imported import importing
from segments.models import Membership, Segment
from tests.contract.cases import Clock
from tests.factories import make_contact
from workspace.access import SYSTEM
from workspace.errors import Busy
from workspace.models import Website

pytestmark = pytest.mark.django_db
COLLECTION = "SS_Segmentation_Data"
_TRIES = 12
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Hook(Sandbox):
    """Somebody's own system that webhooks are sent to."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.got: Counter[str] = Counter()

    def handle(self, request: Request) -> Response:
        self.got[request.document()["id"]] += 1
        return Response(200, {})


def trouble(dice: random.Random, odds: int, happened: Counter[str], *, is_hook: bool) -> Any:
    """One request of so many goes wrong, each in another way."""
    busy = Response(503, b"<html>busy</html>")
    kinds = [
        *(Fault(busy), Fault(drop=True), Fault(drop=True, is_done=True), Fault(cut=True)),
        *(Fault(Response(429, b"")), Fault(Response(500, b""))),
        # To a webhook any 2xx is success; who is asked something does not answer so.
        *([] if is_hook else [Fault(Response(200, b"<html>"))]),
    ]

    def fault(request: Request) -> Fault | None:
        if dice.randrange(odds):
            return None
        happened["fault"] += 1
        return dice.choice(kinds)

    return fault


def as_there(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they are uploaded: a day is its first instant there."""
    return {
        name: f"{value}T00:00:00Z"
        if isinstance(value, str) and _DAY.fullmatch(value)
        else float(value)
        if isinstance(value, Decimal)
        else value
        for name, value in values.items()
    }


@dataclass
class Month:
    """All that takes part, and what was meant."""

    dice: random.Random
    clock: Clock
    dotdigital: Dotdigital
    emarsys: EmarsysSandbox
    hook: Hook
    websites: list[Website] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    metrics: VendorConnection = field(init=False)
    source: VendorConnection = field(init=False)
    failures: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Three accounts, some people, and what is imported."""
        self.websites = [Website.objects.create(key=key, name=key) for key in ("north", "south")]
        for _one in range(25):
            self.come()
        [(user, secret)] = self.emarsys.clients.items()
        self.emarsys.run_seconds = 30.0
        self.emarsys.add_segment("Readers", self.addresses()[:9])
        self.emarsys.add_segment("Buyers", self.addresses()[5:14])
        self.metrics = self.authorize(
            "dotdigital",
            {"username": self.dotdigital.username, "password": self.dotdigital.password},
            websites=self.websites,
        )
        self.source = self.authorize("emarsys", {"user": user, "secret": secret})
        ids = [str(one) for one in self.emarsys.segments]
        importing.import_segments(self.source, ids, actor=SYSTEM, at=self.clock.now())
        create_webhook(
            url=f"{self.hook.url}/hook",
            types=["export.ready"],
            actor=SYSTEM,
            at=self.clock.now(),
        )

    def authorize(self, kind: str, credentials: dict[str, str], **given: Any) -> VendorConnection:
        return connections.authorize_connection(
            kind=kind, credentials=credentials, actor=SYSTEM, at=self.clock.now(), **given
        )

    def addresses(self) -> list[str]:
        found = Contact.objects.filter(erased_at=None, merged_into=None).exclude(email="")
        return list(found.order_by("pk").values_list("email", flat=True))

    # --- what happens on a day ---

    def come(self) -> None:
        number = Contact.objects.count()
        email = f"p{number}@shop.test"
        contact = make_contact(email=email, birth_date=f"{1950 + number % 50}-05-01")
        self.people.append(contact.pk)
        # One in six the vendor does not know.
        if self.dice.randrange(6):
            self.dotdigital.learn([email])
        if self.dice.randrange(3):
            Member.objects.create(contact=contact, joined_at=self.clock.now())

    def order(self) -> None:
        at = self.clock.now() - timedelta(minutes=self.dice.randrange(600))
        properties = {
            "amount": self.dice.randrange(100, 9999) / 100,
            "website": self.dice.choice(["north", "south"]),
        }
        event = IncomingEvent(self.dice.choice(self.people), "purchase", at, properties=properties)
        record_events([event], received_at=self.clock.now())

    def move(self) -> None:
        one = self.dice.choice(self.people)
        email = f"moved{one}x{self.dice.randrange(10**6)}@shop.test"
        self.dotdigital.learn([email])
        profiles.update_contact(one, changes={"email": email}, actor=SYSTEM, at=self.clock.now())

    def forget(self) -> None:
        one = self.people.pop(self.dice.randrange(len(self.people)))
        erase_contact(one, actor=SYSTEM, at=self.clock.now())

    def turn(self) -> None:
        """Somebody enters or leaves a segment at Emarsys."""
        with self.emarsys.lock:
            segment = self.dice.choice(list(self.emarsys.segments.values()))
            ids = self.emarsys.learn([self.dice.choice(self.addresses())])
            segment.contact_ids = list(set(segment.contact_ids) ^ set(ids))

    def tell(self) -> None:
        """Something happens that a webhook hears of."""
        key = f"day:{len(self.told)}"
        fact = announcements.Fact(key, {"segment": "x", "n": len(self.told)})
        announcements.announce("export.ready", [fact], at=self.clock.now())
        self.told.append(f"export.ready:{key}")

    def day(self) -> None:
        acts = [self.order] * 8 + [self.come, self.move, self.turn, self.turn, self.turn, self.tell]
        for _one in range(self.dice.randrange(4, 14)):
            self.dice.choice(acts)()
        if self.dice.randrange(4) == 0 and len(self.people) > 15:
            self.forget()

    # --- what is done about it ---

    def night(self, *, odds: int) -> None:
        """Everything is synchronized, and tried again as it is due."""
        for box in (self.dotdigital, self.emarsys, self.hook):
            is_hook = box is self.hook
            box.chaos = (
                trouble(self.dice, odds, self.failures, is_hook=is_hook)
                if odds
                else lambda request: None
            )
        self.dotdigital.insight.failing = self.dice.choice([0, 0, 0, 1]) if odds else 0
        self.synchronize(self.metrics, "metrics")
        self.synchronize(self.source, "segments")
        self.send()

    def synchronize(self, connection: VendorConnection, name: str) -> None:
        for _one in range(_TRIES):
            try:
                syncing.run_sync(connection.pk, name, now=self.clock.now, sleep=self.clock.sleep)
            except (ConnectorError, Busy) as error:
                self.failures[error.code] += 1
                self.clock.sleep(900)
            else:
                return

    def send(self) -> None:
        for _one in range(_TRIES):
            sending.drain(self.clock.now)
            if not Delivery.objects.filter(state=Delivery.State.QUEUED).exists():
                return
            self.clock.sleep(600)

    # --- what is true afterwards ---

    def is_as_meant(self) -> None:
        """What each vendor holds is what we meant it to hold."""
        self.clock.sleep(120)
        held = {
            key: (email, {name: value for name, value in document.items() if name != "computed_at"})
            for key, (email, document) in self.dotdigital.records(COLLECTION).items()
        }
        known = self.dotdigital.contacts.by_email
        meant = {
            f"{row.contact.email}:{row.website.key}": (row.contact.email, as_there(row.values))
            for row in WebsiteMetrics.objects.select_related("contact", "website")
            if row.contact.email in known
        }
        assert held == meant
        for segment in Segment.objects.filter(source="imported"):
            remote = self.emarsys.segments[int(segment.imported.remote_id)]
            there = {self.emarsys.contacts[one].fields["3"] for one in remote.contact_ids}
            members = set(
                Member.objects.filter(
                    contact__email__in=there, contact__erased_at=None
                ).values_list("contact_id", flat=True)
            )
            found = Membership.objects.filter(segment=segment)
            assert set(found.values_list("contact_id", flat=True)) == members
        heard = {key.rpartition(":")[0] for key in self.hook.got}
        assert heard >= set(self.told)
        assert not Delivery.objects.exclude(state=Delivery.State.DELIVERED).exists()


@pytest.fixture
def boxes(clock: Clock, settings: Any) -> Iterator[tuple[Dotdigital, EmarsysSandbox, Hook]]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    made = (
        Dotdigital(clock=clock.seconds),
        EmarsysSandbox(clock=clock.seconds),
        Hook(clock=clock.seconds),
    )
    with ExitStack() as stack:
        for box in made:
            stack.enter_context(running(box))
        settings.DOTDIGITAL_URL = made[0].url
        settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = made[1].url
        yield made
        outbound.hang_up()


def live(month: Month, days: int) -> None:
    month.begin()
    for number in range(days):
        month.day()
        # One night in five nothing goes wrong.
        month.night(odds=0 if number % 5 == 4 else month.dice.choice([4, 8, 16]))
        month.clock.present += timedelta(days=1)
        if number % 5 == 4:
            quiet_night(month)
    # Whom Dotdigital did not know it is asked about again after a week.
    month.clock.present += timedelta(days=8)
    month.night(odds=0)
    month.is_as_meant()
    assert month.failures["fault"] > days, "too little went wrong for a trial"


def quiet_night(month: Month) -> None:
    """Where nothing happened and nothing goes wrong, nothing is sent."""
    month.clock.present -= timedelta(days=1)
    month.night(odds=0)
    before = len(month.dotdigital.asked("/insightData/v3/import", method="PUT"))
    got = month.hook.got.total()
    month.night(odds=0)
    assert len(month.dotdigital.asked("/insightData/v3/import", method="PUT")) == before
    assert month.hook.got.total() == got
    assert not UploadedRecord.objects.filter(state="due").exists()
    month.clock.present += timedelta(days=1)


@pytest.fixture
def month(clock: Clock, boxes: tuple[Dotdigital, EmarsysSandbox, Hook], request: Any) -> Month:
    dotdigital, emarsys, hook = boxes
    return Month(random.Random(request.param), clock, dotdigital, emarsys, hook)


@pytest.mark.parametrize("month", [1], indirect=True)
def test_after_a_bad_week_everything_is_as_it_was_meant(month: Month) -> None:
    live(month, 6)


@pytest.mark.long
@pytest.mark.parametrize("month", [2, 3, 4], indirect=True)
def test_after_a_bad_month_everything_is_as_it_was_meant(month: Month) -> None:
    live(month, 30)
