"""What mechanisms and claims add to the rooms below: registered when Django is ready."""

from loyalty import mechanisms
from loyalty.models import Mechanism
from workspace import access, user_groups
from workspace.user_groups import Entity


def register() -> None:
    """Make them known. May be called again."""
    user_groups.register_things(Entity.MECHANISM, Mechanism, list_filter="group")
    access.register_subject("mechanism", mechanisms.known_mechanisms)
