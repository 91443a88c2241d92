"""Segments of ours as lists at Dotdigital."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contacts.models import ConsentState, Contact
from integrations.models import VendorConnection
from integrations.sandbox.dotdigital import Dotdigital
from segments import lifecycle, membership
from segments.audiences import audiences
from segments.audiences.models import Audience, AudienceMember
from segments.models import Membership, Segment
from tests.contract.months.world import CITIES, Month
from tests.segments.factories import lives_in, make_segment
from workspace.access import SYSTEM

GUEST = "guest@elsewhere.test"


@dataclass
class Lists:
    """A list for each city, one of several cities, one of who wants news."""

    month: Month
    box: Dotdigital
    connection: VendorConnection
    frozen: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for city in CITIES:
            self.begin(city, lives_in(city))
        self.begin("Everywhere", lives_in(*CITIES))
        self.begin("News", lives_in(*CITIES[:2]), consent="news")

    def begin(self, name: str, criteria: object, **given: str) -> None:
        at = self.month.clock.now()
        segment = make_segment(name.lower(), criteria, name=name, at=at)
        audiences.begin_audience(
            segment, connection_id=self.connection.pk, actor=SYSTEM, at=at, **given
        )

    def acts(self) -> Sequence[Callable[[], None]]:
        return [self.resume]

    def turns(self) -> Sequence[Callable[[], None]]:
        return [self.invite, self.rename, self.delete_list, self.archive, self.pause, self.end]

    def invite(self) -> None:
        """Somebody puts a guest on a list there."""
        with self.box.lock:
            for one in self.box.contacts.lists.values():
                one.members.add(self.box.contacts.add(GUEST).id)

    def rename(self) -> None:
        lifecycle.update_segment(
            self.segment("everywhere"), name="All", actor=SYSTEM, at=self.month.clock.now()
        )

    def delete_list(self) -> None:
        """Somebody deletes a list there; ours is told, and wants it again on another day."""
        with self.box.lock:
            for number, one in list(self.box.contacts.lists.items()):
                if one.name == "Everywhere":
                    del self.box.contacts.lists[number]

    def archive(self) -> None:
        """A segment goes: its list stays as it is."""
        self.freeze("berlin")
        segment = lifecycle.inactivate(
            self.segment("berlin"), actor=SYSTEM, at=self.month.clock.now()
        )
        lifecycle.archive(segment, actor=SYSTEM, at=self.month.clock.now())

    def pause(self) -> None:
        self.freeze("praha")
        audiences.pause_audience(self.audience("praha"), actor=SYSTEM, at=self.month.clock.now())

    def resume(self) -> None:
        """What is paused because its list was deleted there goes on."""
        audience = Audience.objects.filter(segment__key="everywhere", state="paused").first()
        if audience is not None:
            audiences.resume_audience(audience, actor=SYSTEM, at=self.month.clock.now())

    def end(self) -> None:
        if self.connection_is_well():
            audiences.end_audience(
                self.audience("news"), delete_list=True, actor=SYSTEM, at=self.month.clock.now()
            )

    def freeze(self, key: str) -> None:
        self.month.clock.sleep(60)
        self.frozen[key] = self.box.members(self.audience(key).list_name)

    def night(self) -> None:
        for segment in Segment.objects.filter(source="criteria", status="active"):
            membership.refresh(segment.pk, as_of=self.month.clock.now(), cause="night")
        self.month.synchronize(self.connection, "audiences")

    def sent(self) -> int:
        return len(self.box.asked("/contacts/v3/import", method="PUT")) + len(
            self.box.asked("/v2/address-books", method="POST")
        )

    def is_as_meant(self) -> None:
        """On each list is who is in the segment, and whom others put there."""
        self.resume()
        self.night()
        for audience in Audience.objects.select_related("segment"):
            key, there = audience.segment.key, self.box.members(audience.list_name)
            if key in self.frozen:
                before = self.frozen[key] - {GUEST}
                assert not there & self.of_forgotten()
                assert before - self.month.forgotten <= there - {GUEST} <= before
                continue
            members = Contact.objects.filter(
                pk__in=Membership.objects.filter(segment=audience.segment).values("contact_id")
            )
            if audience.consent_id is not None:
                granted = {"definition_id": audience.consent_id, "state": "granted"}
                members = members.filter(
                    pk__in=ConsentState.objects.filter(**granted).values("contact_id")
                )
            assert there - {GUEST} == {one.email for one in members}
            assert there, "an empty list proves nothing"
        rows = AudienceMember.objects.exclude(audience__segment__key__in=self.frozen)
        states = set(rows.values_list("state", flat=True))
        assert states <= {"there"}, states
        names = {one.name for one in self.box.contacts.lists.values()}
        wanted = set(Audience.objects.values_list("list_name", flat=True))
        assert names == wanted, "no list is left, none was made twice"

    def of_forgotten(self) -> set[str]:
        """The addresses that only erased contacts had."""
        living = set[str]().union(*self.month.held.values())
        return self.month.forgotten - living

    def connection_is_well(self) -> bool:
        return VendorConnection.objects.filter(pk=self.connection.pk, is_enabled=True).exists()

    def segment(self, key: str) -> Segment:
        return Segment.objects.get(key=key)

    def audience(self, key: str) -> Audience:
        return Audience.objects.get(segment__key=key)
