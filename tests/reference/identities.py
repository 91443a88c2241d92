"""Which names are one person's, in plain Python: a second opinion, one claim after the other."""

from collections.abc import Iterable, Mapping

Name = tuple[str, str]
USER, ANONYMOUS = "user_id", "anonymous_id"
PRIORITY = {USER: 1, "email": 2, "phone": 3, ANONYMOUS: 5}


class People:
    """Everybody, each as the set of the names that are his; in the order in which they came."""

    def __init__(self, limits: Mapping[str, int], blocked: Iterable[str] = ()) -> None:
        self.people: list[set[Name]] = []
        self._limits, self._blocked = limits, frozenset(blocked)

    def tell(self, names: Iterable[Name], previous: str = "") -> set[Name] | None:
        """Learn that the names are one person's. Whose they are now; none if no name is usable."""
        said = sorted(
            {name for name in names if name[1] not in self._blocked},
            key=lambda name: (PRIORITY.get(name[0], 4), list(names).index(name)),
        )
        former = None
        if previous and previous not in self._blocked:
            former = (USER, previous)
            if self._whose(former) is None:
                former = (ANONYMOUS, previous)
            said = [*said, *({former} - set(said))]
        if not said:
            return None
        me = self._whose(said[0])
        if me is None:
            me = {said[0]}
            self.people.append(me)
        for name in said[1:]:
            other = self._whose(name)
            if other is me:
                continue
            both = me | (other or {name})
            if name != former and self._is_too_much(me, other or {name}, both):
                continue
            if other is not None:
                self.people.remove(other)
            me |= both
        return me

    def _whose(self, name: Name) -> set[Name] | None:
        return next((person for person in self.people if name in person), None)

    def _is_too_much(self, one: set[Name], other: set[Name], both: set[Name]) -> bool:
        """Whether a namespace that both have would have too many values."""
        shared = {namespace for namespace, _value in one} & {namespace for namespace, _ in other}
        return any(
            sum(1 for name in both if name[0] == namespace) > self._limits.get(namespace, 5)
            for namespace in shared
        )
