"""What gives codes of a campaign besides people: asked before it is deleted or switched off.

Rooms on the floors above register how to find those that do, as distributions are found here. Of
what somebody may not know of they give a name that tells nothing.
"""

from collections.abc import Callable, Iterable

from django.utils.translation import gettext as _

from loyalty.models import Campaign, Distribution

# The names of the things that give codes of a campaign, or are about to.
Find = Callable[[Campaign], Iterable[str]]
_finders: dict[str, Find] = {}


def register_use(room: str, find: Find) -> None:
    """Let `find` tell what in a room gives codes of a campaign. May be called again."""
    _finders[room] = find


def uses_of(campaign: Campaign) -> list[str]:
    """The names of all that give codes of it: distributions, and what rooms above registered."""
    distributions = Distribution.objects.filter(campaign=campaign).order_by("name")
    found = list(distributions.values_list("name", flat=True))
    for find in _finders.values():
        found += find(campaign)
    return found


def consequence_of_disabling(campaign: Campaign) -> str:
    """What becomes of it and of what gives its codes, in a few sentences."""
    told = _("The campaign gives no codes, and none of its cards pays until it is activated again.")
    if names := uses_of(campaign):
        message = _("These give its codes, and give none meanwhile: %(names)s.")
        told += " " + message % {"names": ", ".join(f"“{name}”" for name in names)}
    return told
