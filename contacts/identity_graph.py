"""Which names are one contact's: decided in memory, one claim after the other.

No Django and no database: it is told what is known, and says what is to be written. As the claims
are taken in order, it makes no difference where one batch ends and the next begins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from contacts.identities import USER_ID, Name
from contacts.identity_rules import ANONYMOUS_ID, Rules

BLOCKED, LIMIT, PROTECTED, UNMERGED = "blocked", "limit_reached", "protected", "never_merges"


@dataclass(slots=True, eq=False)
class Node:
    """A contact: one that is known by its id, or one that is to be made, `place` after the others.

    `values` are all its names by namespace. One that was merged stands for its `survivor`.
    """

    place: int
    contact_id: int | None = None
    values: dict[str, set[str]] = field(default_factory=dict)
    survivor: "Node | None" = None

    @property
    def age(self) -> tuple[int, int]:
        """Who is older: those that are known by their ids, then those to be made, in order."""
        return (0, self.contact_id) if self.contact_id is not None else (1, self.place)


@dataclass(slots=True)
class Refusal:
    """A name that was not attached, and why: another contact that has it, a namespace."""

    name: Name
    code: str
    namespace: str = ""
    limit: int = 0
    owner: Node | None = None


@dataclass(slots=True)
class Union:
    """Two contacts became one, because a claim gave both of these names to one person."""

    survivor: Node
    loser: Node
    names: tuple[Name, Name]
    claim: int


@dataclass(slots=True)
class Attachment:
    """A name that nobody had, and whom a claim gave it to."""

    name: Name
    node: Node
    claim: int


@dataclass(slots=True)
class Placement:
    """Whom a claim is about; none where no name could be used."""

    node: Node | None = None
    refusals: list[Refusal] = field(default_factory=list)


class IdentityGraph:
    """Contacts and their names, as known at first and as claims change it.

    `known` are the ids of contacts with all their names.
    """

    def __init__(self, rules: Rules, known: Iterable[tuple[int, Name]]) -> None:
        self.attachments: list[Attachment] = []
        self.unions: list[Union] = []
        self.made: list[Node] = []
        self._rules = rules
        self._owners: dict[Name, Node] = {}
        self._claim, self._count = -1, 0
        self._fresh: Node | None = None
        self.known: dict[int, Node] = {}
        for contact_id, name in known:
            node = self.known.get(contact_id)
            if node is None:
                node = self.known[contact_id] = Node(0, contact_id)
            node.values.setdefault(name.namespace, set()).add(name.value)
            self._owners[name] = node

    def place(self, names: Sequence[Name], *, previous: str = "") -> Placement:
        """Take one claim: all its names are one person's, as far as the rules allow.

        The strongest name says who it is. Each weaker one joins: it is attached where nobody has
        it, and where another contact has it both become one; else it is left out. `previous` is
        the former name of an alias, see `contacts.resolution.Claim`.
        """
        placement = Placement()
        self._claim += 1
        usable = []
        for name in self._rules.strongest_first(names):
            if self._rules.is_blocked(name):
                placement.refusals.append(Refusal(name, BLOCKED))
            else:
                usable.append(name)
        former = self._former(previous, placement)
        if former is not None and former not in usable:
            usable.append(former)
        if not usable:
            return placement
        first, *others = usable
        node = self.owner(first)
        if node is None:
            self._count += 1
            node = self._fresh = Node(self._count)
            self._attach(first, node)
        for name in others:
            refusal = self._join(name, node, first, is_stated=name == former)
            if refusal is not None:
                placement.refusals.append(refusal)
            node = find(node)
        if node is self._fresh:
            self.made.append(node)
        self._fresh = None
        placement.node = node
        return placement

    def owner(self, name: Name) -> Node | None:
        """The contact that has the name."""
        node = self._owners.get(name)
        return None if node is None else find(node)

    def _former(self, value: str, placement: Placement) -> Name | None:
        """The name that `value` is: a user id where somebody has it, else an anonymous id."""
        if not value:
            return None
        name = Name(USER_ID, value)
        if self.owner(name) is None:
            name = Name(ANONYMOUS_ID, value)
        if self._rules.is_blocked(name):
            placement.refusals.append(Refusal(name, BLOCKED))
            return None
        return name

    def _join(self, name: Name, node: Node, first: Name, *, is_stated: bool) -> Refusal | None:
        owner, rule = self.owner(name), self._rules.of(name.namespace)
        if owner is None:
            if not is_stated and len(node.values.get(name.namespace, ())) >= rule.value_limit:
                return Refusal(name, LIMIT, name.namespace, rule.value_limit)
            self._attach(name, node)
            return None
        if owner is node:
            return None
        if not is_stated:
            if not rule.merges:
                return Refusal(name, UNMERGED, owner=owner)
            namespace = self._over_limit(node, owner)
            if namespace is not None:
                limit = self._rules.of(namespace).value_limit
                return Refusal(name, PROTECTED, namespace, limit, owner)
        self._unite(node, owner, (first, name))
        return None

    def _over_limit(self, one: Node, other: Node) -> str | None:
        """The namespace of which both together would have more values than a contact may.

        One that has more already, for example by hand, is not asked again about what it has.
        """
        smaller, greater = sorted((one, other), key=lambda node: len(node.values))
        for namespace, values in smaller.values.items():
            if namespace in greater.values:
                both = len(values) + len(greater.values[namespace])
                if both > self._rules.of(namespace).value_limit:
                    return namespace
        return None

    def _unite(self, one: Node, other: Node, names: tuple[Name, Name]) -> None:
        if one is self._fresh:
            # Whom nobody knew a moment ago is the other one.
            survivor, loser = other, one
        else:
            survivor, loser = sorted((one, other), key=_rank)
            self.unions.append(Union(survivor, loser, names, self._claim))
        loser.survivor = survivor
        for namespace, values in loser.values.items():
            survivor.values.setdefault(namespace, set()).update(values)

    def _attach(self, name: Name, node: Node) -> None:
        node.values.setdefault(name.namespace, set()).add(name.value)
        self._owners[name] = node
        self.attachments.append(Attachment(name, node, self._claim))


def _rank(node: Node) -> tuple[bool, tuple[int, int]]:
    """Who survives stands first: who is called by an id of somebody's own, else the older."""
    return USER_ID not in node.values, node.age


def find(node: Node) -> Node:
    """The contact that a node stands for now."""
    while node.survivor is not None:
        node = node.survivor
    return node
