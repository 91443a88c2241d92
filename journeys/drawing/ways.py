"""The rules about the ways of a drawing: where one enters, what leads where, what is parallel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from journeys.drawing.catalog import KINDS_BY_NAME, REACTION_LABELS
from journeys.drawing.durations import read_duration
from journeys.drawing.faults import Faults, gettext_noop
from journeys.drawing.kinds import ENTRIES, NEXT, WAITING


@dataclass(frozen=True)
class Ways:
    """What of a document can be followed: activities of known kinds, edges between them."""

    kinds: Mapping[str, str]
    configs: Mapping[str, Mapping[str, Any]]
    edges: Sequence[tuple[str, str, str]]
    """(from, outcome, to), between activities that there are."""

    @cached_property
    def following(self) -> Mapping[str, list[str]]:
        """For each activity those to which a way leads from it."""
        found: dict[str, list[str]] = {node: [] for node in self.kinds}
        for source, _outcome, target in self.edges:
            found[source].append(target)
        return found

    @cached_property
    def before(self) -> Mapping[str, list[str]]:
        """For each activity those from which a way leads to it."""
        found: dict[str, list[str]] = {node: [] for node in self.kinds}
        for source, _outcome, target in self.edges:
            found[target].append(source)
        return found

    @cached_property
    def entries(self) -> list[str]:
        """The activities by which contacts enter."""
        return [node for node, kind in self.kinds.items() if kind in ENTRIES]


def check_ways(ways: Ways, faults: Faults) -> None:
    """Note what the ways of a drawing break."""
    _check_entries(ways, faults)
    _check_cycles(ways, faults)
    _check_reach(ways, faults)
    _check_parallel(ways, faults)
    _check_reactions(ways, faults)


def _check_entries(ways: Ways, faults: Faults) -> None:
    if not ways.entries:
        message = gettext_noop("Say how contacts enter: by a segment or by an event.")
        faults.add("", "nodes", "no_entry", message)
    for node in ways.entries[1:]:
        message = gettext_noop("Contacts enter by one activity, and there is another one.")
        faults.add(node, "", "two_entries", message)


def _check_cycles(ways: Ways, faults: Faults) -> None:
    message = gettext_noop("It leads back to itself: a journey goes on, and never round.")
    for node in _on_cycles(ways):
        faults.add(node, "", "cycle", message)


def _on_cycles(ways: Ways) -> list[str]:
    """The activities on cycles, and between two of them."""
    left = set(ways.kinds)
    for around in (ways.before, ways.following):
        ends = [node for node in left if not left.intersection(around[node])]
        while ends:
            left.difference_update(ends)
            ends = [node for node in left if not left.intersection(around[node])]
    return [node for node in ways.kinds if node in left]


def _check_reach(ways: Ways, faults: Faults) -> None:
    if not ways.entries:
        return
    reached = _reached(ways.entries, ways.following)
    for node in ways.kinds:
        if node not in reached:
            message = gettext_noop("No way leads here.")
            faults.add(node, "", "unreachable", message)


def _reached(begin: Sequence[str], following: Mapping[str, list[str]]) -> set[str]:
    found, to_see = set(begin), list(begin)
    while to_see:
        for node in following[to_see.pop()]:
            if node not in found:
                found.add(node)
                to_see.append(node)
    return found


def _check_parallel(ways: Ways, faults: Faults) -> None:
    groups: dict[tuple[str, str], list[str]] = {}
    for source, outcome, target in ways.edges:
        groups.setdefault((source, outcome), []).append(target)
    told = set[str]()
    for (source, outcome), targets in groups.items():
        if len(targets) == 1:
            continue
        if outcome != NEXT or len(set(targets)) < len(targets):
            message = gettext_noop("One way leads on from here by “{outcome}”, and there are more.")
            faults.add(source, "", "parallel_actions", message, outcome=outcome)
        elif any(ways.kinds[target] not in WAITING for target in targets):
            message = gettext_noop(
                "Only events, reactions and waits stand side by side: let the others follow."
            )
            faults.add(source, "", "parallel_actions", message)
        else:
            _check_timeouts([node for node in targets if node not in told], ways, faults)
            told.update(targets)


def _check_timeouts(nodes: Sequence[str], ways: Ways, faults: Faults) -> None:
    with_one = [
        node
        for node in nodes
        if ways.kinds[node] != "wait" and read_duration(ways.configs[node].get("timeout"))
    ]
    for node in with_one[1:]:
        message = gettext_noop(
            "An event beside this one has a timeout, too. One covers all: the smallest wins."
        )
        faults.add(node, "config.timeout", "two_timeouts", message, severity="warning")


def _check_reactions(ways: Ways, faults: Faults) -> None:
    for node, kind in ways.kinds.items():
        to = ways.configs[node].get("to")
        if kind != "reaction" or not isinstance(to, str) or not to:
            continue
        code, path = "reaction_without_message", "config.to"
        if ways.kinds.get(to) != "message":
            message = gettext_noop("There is no message “{to}” in this journey.")
            faults.add(node, path, code, message, to=to[:63])
        elif node not in _reached([to], ways.following) or node == to:
            message = gettext_noop("The message is not on the way that leads here.")
            faults.add(node, path, code, message)
        elif not any(ways.kinds[source] == "message" for source in ways.before[node]):
            message = gettext_noop("A reaction stands directly behind a message.")
            faults.add(node, path, code, message)
        else:
            _check_channel(node, to, ways, faults)


def _check_channel(node: str, to: str, ways: Ways, faults: Faults) -> None:
    reaction, config = ways.configs[node].get("reaction"), ways.configs[to]
    if not isinstance(reaction, str) or reaction not in REACTION_LABELS:
        return
    channel, _underscore, _what = reaction.partition("_")
    if not config.get(channel) and (config.get("email") or config.get("push")):
        message = gettext_noop("The message is not sent over this channel.")
        faults.add(node, "config.reaction", "reaction_without_message", message)


def outcomes_of(kind: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The ways out of an activity."""
    return KINDS_BY_NAME[kind].outcomes_of(config)
