"""Segments of Emarsys as segments of ours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contacts.models import Contact
from integrations.models import VendorConnection
from integrations.sandbox.emarsys import EmarsysSandbox
from loyalty.models import Member
from segments.imported import importing
from segments.models import Membership, Segment
from tests.contract.months.world import Month
from workspace.access import SYSTEM


@dataclass
class Imports:
    """Two segments there, whom people enter and leave."""

    month: Month
    box: EmarsysSandbox
    connection: VendorConnection = field(init=False)

    def __post_init__(self) -> None:
        [(user, secret)] = self.box.clients.items()
        self.box.run_seconds = 30.0
        self.box.add_segment("Readers", self.addresses()[:9])
        self.box.add_segment("Buyers", self.addresses()[5:14])
        self.connection = self.month.authorize("emarsys", {"user": user, "secret": secret})
        ids = [str(one) for one in self.box.segments]
        importing.import_segments(self.connection, ids, actor=SYSTEM, at=self.month.clock.now())

    def addresses(self) -> list[str]:
        found = Contact.objects.filter(erased_at=None).exclude(email="")
        return list(found.order_by("pk").values_list("email", flat=True))

    def acts(self) -> Sequence[Callable[[], None]]:
        return [self.turn] * 3

    def turns(self) -> Sequence[Callable[[], None]]:
        return []

    def turn(self) -> None:
        """Somebody enters or leaves a segment there."""
        with self.box.lock:
            segment = self.month.dice.choice(list(self.box.segments.values()))
            ids = self.box.learn([self.month.dice.choice(self.addresses())])
            segment.contact_ids = list(set(segment.contact_ids) ^ set(ids))

    def night(self) -> None:
        self.month.synchronize(self.connection, "segments")

    def sent(self) -> int:
        """Nothing is ever written there."""
        return 0

    def is_as_meant(self) -> None:
        """Who is in a segment there, and a member with us, is in ours; nobody else."""
        for segment in Segment.objects.filter(source="imported"):
            remote = self.box.segments[int(segment.imported.remote_id)]
            there = {self.box.contacts[one].fields["3"] for one in remote.contact_ids}
            members = Member.objects.filter(
                contact__identities__namespace="email",
                contact__identities__value__in=there,
                contact__erased_at=None,
            )
            found = Membership.objects.filter(segment=segment)
            assert set(found.values_list("contact_id", flat=True)) == set(
                members.values_list("contact_id", flat=True)
            )
