"""How the states of a journey look, and what its buttons say before they are pressed."""

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from journeys.drawing.catalog import KINDS_BY_NAME
from journeys.drawing.kinds import ENTRIES
from journeys.models import Journey
from journeys.outline import name_of, nodes_of
from journeys.publishing import foresee_stop
from workspace.access import Actor
from workspace.admin import Affected, Affects
from workspace.admin.pictures import badge, number

State = Journey.State
_TONES = {
    State.DRAFT: ("neutral", "edit_note"),
    State.LIVE: ("good", "play_circle"),
    State.PAUSED: ("warning", "pause_circle"),
    State.CLOSED: ("info", "door_front"),
    State.STOPPED: ("bad", "stop_circle"),
    State.FINISHED: ("neutral", "flag"),
}


def state_badge(journey: Journey, *, is_tested: bool = False) -> SafeString:
    """The state, as a word with a colour; a draft that is being tested says so."""
    if is_tested:
        return badge(_("test"), "info", "science")
    tone, icon = _TONES[State(journey.state)]
    return badge(journey.get_state_display(), tone, icon)


def what_publishing_does(journey: Journey) -> str:
    """What happens when the draft is published now."""
    kinds = {str(node.get("kind")) for node in nodes_of(journey.drawing).values()}
    entry = next(iter(kinds & ENTRIES), "")
    told = [
        {
            "read_segment": _(
                "The segment is read as its schedule says, and everybody in it enters."
            ),
            "event_entry": _("From now on whoever does what the entry says enters, at once."),
            "segment_entry": _("From now on whoever enters or leaves the segment enters."),
        }.get(entry, _("Contacts enter from now on, and are sent messages."))
    ]
    if journey.state == State.DRAFT:
        told.append(_("What is published is never changed: for changes a new version is made."))
    else:
        told.append(
            _("Nobody enters the version before any more; who is inside it goes on to its end.")
        )
    return " ".join([_("The draft as it is saved becomes a version."), *told])


def what_stopping_does(journey: Journey) -> str:
    """Whom stopping takes out, in a sentence."""
    stopping = foresee_stop(journey)
    message = ngettext(
        "%(count)s contact is inside and is taken out at once.",
        "%(count)s contacts are inside and are taken out at once.",
        stopping.inside_count,
    )
    told = [message % {"count": number(stopping.inside_count)}]
    if stopping.message_count:
        message = ngettext(
            "%(count)s message is not sent yet, and is not sent any more.",
            "%(count)s messages are not sent yet, and are not sent any more.",
            stopping.message_count,
        )
        told.append(message % {"count": number(stopping.message_count)})
    told.append(_("This cannot be undone; a copy can be published."))
    return " ".join(told)


def of_stopping(actor: Actor, journey: Journey) -> Affects:
    """Where those stand whom stopping takes out."""
    stopping = foresee_stop(journey)
    things = [
        Affected(label, name, note=number(count))
        for label, name, count in _at_nodes(journey, stopping.by_node)
    ]
    return Affects(_("They stand here now:") if things else _("Nobody is inside now."), things)


def _at_nodes(journey: Journey, counts: dict[str, int]) -> list[tuple[str, str, int]]:
    found = []
    nodes = nodes_of(journey.drawing)
    for name, count in counts.items():
        node = nodes.get(name, {})
        kind = KINDS_BY_NAME.get(str(node.get("kind")))
        told = name_of(node) or name
        label = _(kind.label) if kind and _(kind.label) != told else ""
        found.append((label, told, count))
    return found
