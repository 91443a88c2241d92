"""The days of a month: what happens to people, and how vendors fail.

What belongs to one vendor is a `Part`; test_month.py puts them together.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from contacts import profiles
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import Contact
from integrations.errors import ConnectionStill, ConnectorError
from integrations.models import VendorConnection
from integrations.sandbox.server import Fault, Request, Response, Sandbox
from integrations.vendors import connections, syncing
from loyalty.models import Member
from tests.contract.cases import Clock
from tests.factories import make_contact
from workspace.access import SYSTEM
from workspace.errors import Busy

# So often a day what failed is tried again.
TRIES = 12
CITIES = ("Warszawa", "Berlin", "Praha")
_BUSY = Response(503, b"<html>busy</html>")
_KINDS = (
    *(Fault(_BUSY), Fault(drop=True), Fault(drop=True, is_done=True), Fault(cut=True)),
    *(Fault(Response(429, b"")), Fault(Response(500, b""))),
)
# To a webhook any 2xx is success; who is asked something does not answer so.
_NO_ANSWER = Fault(Response(200, b"<html>"))


class Part(Protocol):
    """What one vendor has of us, and what happens there."""

    @property
    def box(self) -> Sandbox:
        """Its system."""

    def acts(self) -> Sequence[Callable[[], None]]:
        """What may happen on any day; more often what is named more often."""

    def turns(self) -> Sequence[Callable[[], None]]:
        """What happens once in the month, in this order."""

    def night(self) -> None:
        """Synchronize, and try again what failed."""

    def sent(self) -> int:
        """How much was sent so far that must not be sent without a cause."""

    def is_as_meant(self) -> None:
        """Assert that what is there is what we meant to be there."""


@dataclass
class Month:
    """Who we are: people, and what happens to them."""

    dice: random.Random
    clock: Clock
    parts: list[Part] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    odds: int = 0
    # Of each contact, under which addresses it was ever known; those of who was forgotten.
    held: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    forgotten: set[str] = field(default_factory=set)
    # By which id programs know a contact; of whom that is told who became another.
    ids: dict[int, str] = field(default_factory=dict)
    merged: set[int] = field(default_factory=set)
    meet: Callable[[str], None] = lambda email: None

    # --- what happens on a day ---

    def come(self) -> None:
        number = Contact.objects.count()
        email, given = f"p{number}@shop.test", dict[str, Any]()
        # One in five is known by an address only.
        if self.dice.randrange(5):
            given["external_id"] = f"u{number}"
        contact = make_contact(
            email=email,
            birth_date=f"{1950 + number % 50}-05-01",
            city=self.dice.choice(CITIES),
            consents={"news": "granted" if self.dice.randrange(3) else "withdrawn"},
            **given,
        )
        self.people.append(contact.pk)
        self.held[contact.pk].add(email)
        if given:
            self.ids[contact.pk] = given["external_id"]
        # One in six the vendor does not know.
        if self.dice.randrange(6):
            self.meet(email)
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

    def relocate(self) -> None:
        self.change(self.dice.choice(self.people), city=self.dice.choice(CITIES))

    def readdress(self) -> None:
        """Somebody has another address from now on."""
        one = self.dice.choice(self.people)
        email = f"moved{one}x{self.dice.randrange(10**6)}@shop.test"
        self.meet(email)
        self.change(one, email=email)

    def hand_on(self) -> None:
        """Somebody gets the address that somebody else gives up."""
        # Who was merged may keep several.
        giver, taker = self.dice.sample([one for one in self.people if one not in self.merged], 2)
        email = Contact.objects.values_list("email", flat=True).get(pk=giver)
        self.change(giver, email=f"after{giver}x{self.dice.randrange(10**6)}@shop.test")
        self.change(taker, email=email)

    def change(self, contact_id: int, **changes: Any) -> None:
        profiles.update_contact(contact_id, changes=changes, actor=SYSTEM, at=self.clock.now())
        if "email" in changes:
            self.held[contact_id].add(changes["email"])

    def merge(self) -> None:
        """Two turn out to be one person."""
        survivor, loser = self.dice.sample(self.people, 2)
        merge_contacts(survivor, loser, cause="staff", actor=SYSTEM, at=self.clock.now())
        self.people.remove(loser)
        self.held[survivor] |= self.held.pop(loser)
        self.merged |= {survivor, loser}
        if loser in self.ids:
            self.ids.setdefault(survivor, self.ids[loser])

    def forget(self) -> None:
        one = self.people.pop(self.dice.randrange(len(self.people)))
        erase_contact(one, actor=SYSTEM, at=self.clock.now())
        self.forgotten |= self.held.pop(one)

    def day(self) -> None:
        acts = [self.order] * 8 + [self.come, self.come, self.readdress, self.relocate] * 2
        acts.append(self.hand_on)
        acts += [act for part in self.parts for act in part.acts()]
        for _one in range(self.dice.randrange(6, 18)):
            self.dice.choice(acts)()
        if self.dice.randrange(4) == 0 and len(self.people) > 15:
            self.forget()
        if self.dice.randrange(4) == 0 and len(self.people) > 15:
            self.merge()

    # --- what is done about it ---

    def night(self, *, odds: int) -> None:
        """Everything is synchronized, and tried again as it is due; one call in `odds` fails."""
        self.odds = odds
        for part in self.parts:
            part.box.chaos = self.trouble(odds, part.box) if odds else lambda request: None
        for part in self.parts:
            part.night()

    def trouble(self, odds: int, box: Sandbox) -> Callable[[Request], Fault | None]:
        kinds = [*_KINDS, *([] if box.name == "hook" else [_NO_ANSWER])]

        def fault(request: Request) -> Fault | None:
            if self.dice.randrange(odds):
                return None
            self.failures["fault"] += 1
            return self.dice.choice(kinds)

        return fault

    def authorize(self, kind: str, credentials: dict[str, str], **given: Any) -> VendorConnection:
        return connections.authorize_connection(
            kind=kind, credentials=credentials, actor=SYSTEM, at=self.clock.now(), **given
        )

    def synchronize(self, connection: VendorConnection, name: str) -> None:
        self.patiently(
            lambda: syncing.run_sync(
                connection.pk, name, now=self.clock.now, sleep=self.clock.sleep
            )
        )

    def patiently(self, do: Callable[[], Any]) -> None:
        """Do something, and again a while later where a vendor fails."""
        for _one in range(TRIES):
            try:
                do()
            except ConnectionStill as error:
                self.failures[error.code] += 1
                return
            except (ConnectorError, Busy) as error:
                self.failures[error.code] += 1
                self.clock.sleep(900)
            else:
                return


def live(month: Month, days: int) -> None:
    """Let the days pass, and look at the end."""
    turns = _spread([part.turns() for part in month.parts], days)
    for number in range(days):
        month.day()
        for turn in turns[number]:
            turn()
        # One night in five nothing goes wrong.
        is_calm = number % 5 == 4
        month.night(odds=0 if is_calm else month.dice.choice([4, 8, 16]))
        if is_calm:
            calm_night(month)
        month.clock.present += timedelta(days=1)
    # Whom a vendor did not know, or refused, it is asked about again after a week; and once more
    # about those whom it came to know by that.
    for _week in range(2):
        month.clock.present += timedelta(days=8)
        month.night(odds=0)
    month.clock.sleep(120)
    for part in month.parts:
        part.is_as_meant()
    assert month.failures["fault"] > days, "too little went wrong for a trial"


def calm_night(month: Month) -> None:
    """Where nothing happened and nothing goes wrong, nothing is sent."""
    month.night(odds=0)
    before = [part.sent() for part in month.parts]
    month.night(odds=0)
    assert [part.sent() for part in month.parts] == before


def _spread(
    turns: Sequence[Sequence[Callable[[], None]]], days: int
) -> defaultdict[int, list[Callable[[], None]]]:
    """On which day each turn is: those of a part evenly, in their order, none on the last two."""
    found = defaultdict[int, list[Callable[[], None]]](list)
    for row in turns:
        for place, turn in enumerate(row):
            found[1 + place * max(1, days - 3) // max(1, len(row))].append(turn)
    return found
