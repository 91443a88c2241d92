"""What the rooms around are told of gift-card campaigns, their codes and publications."""

from datetime import timedelta

from contacts.extensions import register_eraser, register_merger

# Long work is known by what `jobs.handler` registers: of files here, of codes with them.
from loyalty.gift_cards import (  # noqa: F401
    campaigns,
    code_imports,
    codes,
    publication_merging,
    publication_notices,
)
from loyalty.models import Campaign
from workspace import access, user_groups
from workspace.rounds import register_round
from workspace.user_groups import Entity


def register() -> None:
    """Take part in merges and erasures, fill pools, and belong to user groups."""
    publication_notices.register()
    register_eraser("publications", publication_merging.forget_publications)
    register_merger("publications", publication_merging.merge_publications)
    register_round(
        "refill",
        codes.refill,
        channel=codes.REFILL_CHANNEL,
        every=timedelta(seconds=30),
        place=60,
    )
    user_groups.register_things(Entity.CAMPAIGN, Campaign, list_filter="group")
    access.register_subject("campaign", campaigns.known_campaigns)
