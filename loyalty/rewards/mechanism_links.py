"""What mechanisms and claims add to the rooms below: registered when Django is ready."""

from contacts.extensions import register_eraser, register_merger
from contacts.followed_events import register_follower
from loyalty.models import Mechanism
from loyalty.rewards import (
    challenges,
    claim_merging,
    claim_notices,
    claim_timeline,
    mechanism_uses,
    mechanisms,
)
from workspace import access, user_groups
from workspace.user_groups import Entity


def register() -> None:
    """Make them known. May be called again."""
    mechanism_uses.register()
    claim_notices.register()
    claim_timeline.register()
    register_follower(mechanisms.FOLLOWER, challenges.follow)
    register_eraser("claims", claim_merging.forget_claims)
    register_eraser("challenges", challenges.forget_progress)
    register_merger("claims", claim_merging.merge_claims)
    user_groups.register_things(Entity.MECHANISM, Mechanism, list_filter="group")
    access.register_subject("mechanism", mechanisms.known_mechanisms)
