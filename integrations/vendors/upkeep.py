"""What connections need of the rest of the house, registered in one place."""

from integrations.vendors import (
    leaving,  # noqa: F401 - it does jobs
    owners,
    website_uses,
)
from workspace import checkup


def register() -> None:
    """Have connections examined, and websites kept that they are for. May be called again."""
    checkup.register("authorizations", owners.examine)
    website_uses.register()
