"""Distributions, for tests. Plain functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from integrations import templates
from integrations.models import Connection, Delivery, Template
from loyalty.distribution import distributing, distributions
from loyalty.models import Campaign, Distribution, DistributionTask
from tests.loyalty import raw_cards
from tests.loyalty.gift_cards import NOW, make_campaign
from tests.segments.factories import lives_in, make_segment, refresh
from workspace.access import SYSTEM


def make_reviewers(**given: Any) -> Any:
    """The segment of those who live in Oslo, calculated."""
    segment = make_segment("reviewers", lives_in("Oslo"), **given)
    refresh(segment)
    return segment


def make_distribution(*, is_active: bool = True, **given: Any) -> Distribution:
    """One that gives a card to whoever enters the segment "reviewers", unless told otherwise."""
    at = given.pop("at", NOW)
    given.setdefault("name", "Cards for reviewers")
    given.setdefault("trigger", {"kind": "segment_entered", "key": "reviewers"})
    if "campaign" not in given:
        given["campaign"] = make_campaign(count=5).key
    made = distributions.create_distribution(actor=SYSTEM, at=at, **given)
    return distributions.activate(made, actor=SYSTEM, at=at) if is_active else made


def make_template(**given: Any) -> Template:
    """The e-mail with the code."""
    given = {"name": "Card", "subject": "Your card", "text": "{{ voucher.code }}", **given}
    return templates.create_template(actor=SYSTEM, at=NOW, **given)


def make_webhook(**given: Any) -> Connection:
    """Where cards are told to."""
    return Connection.objects.create(kind=Connection.Kind.WEBHOOK, name="Shop", **given)


def run(at: datetime = NOW) -> None:
    """Do the round until there is nothing more to do."""
    while distributing.distribute(at):
        pass


def states(distribution: Distribution) -> list[str]:
    """What became of its tasks, in their order."""
    found = DistributionTask.objects.filter(distribution=distribution).order_by("pk")
    return list(found.values_list("state", flat=True))


def holders(campaign: Campaign) -> list[int]:
    """Who has codes of a campaign, once for each code."""
    found = campaign.voucher_set.filter(holder__isnull=False)
    return sorted(found.values_list("holder_id", flat=True))


def deliveries() -> list[Delivery]:
    """What waits to be sent."""
    return list(Delivery.objects.order_by("pk"))


def give_cards(prefix: str, contact_ids: Sequence[int], *, at: datetime) -> None:
    """A distribution for each contact that follows the segment of its number, and a task of it."""
    for number, contact_id in enumerate(contact_ids):
        key = f"{prefix}{number}"
        distribution = distributions.create_distribution(
            actor=SYSTEM,
            at=at,
            name=f"Cards {key}",
            trigger={"kind": "segment_entered", "key": key},
            campaign=raw_cards.make_campaign(f"gifts-{key}").key,
        )
        DistributionTask.objects.create(
            distribution=distribution, contact_id=contact_id, cause=key, due_at=at
        )
