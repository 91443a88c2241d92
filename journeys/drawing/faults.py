"""What is wrong with a drawing or the settings beside it, each fault at its place."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Severity = Literal["error", "warning"]
Translate = Callable[[str], str]


class Problem(Protocol):
    """One fault of a criteria document, as the compiler of criteria tells it."""

    @property
    def path(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def message(self) -> str: ...


def gettext_noop(template: str) -> str:
    """`template`, marked so that tools which collect texts to translate find it."""
    return template


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the activity, the path to the key at fault in it, a stable code, a sentence.

    Without a `node` it concerns the drawing as a whole, then the path begins at the document
    ("edges[2].to"), or the settings ("re_entry"). Errors stand against a test and publishing,
    warnings do not. Of the code "criteria", `criteria` are the faults of the criteria.
    """

    node: str
    path: str
    code: str
    message: str
    severity: Severity = "error"
    criteria: tuple[Problem, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it stands against a test and publishing."""
        return self.severity == "error"

    def as_json(self) -> dict[str, Any]:
        """The fault as the canvas and programs read it."""
        told: dict[str, Any] = {
            "node": self.node,
            "path": self.path,
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
        }
        if self.criteria:
            told["criteria"] = [
                {"path": found.path, "code": found.code, "message": found.message}
                for found in self.criteria
            ]
        return told


@dataclass(slots=True)
class Faults:
    """The faults found so far."""

    translate: Translate = str
    found: list[Fault] = field(default_factory=list)

    def add(
        self,
        node: str,
        path: str,
        code: str,
        message: str,
        *,
        severity: Severity = "error",
        criteria: Sequence[Problem] = (),
        **words: object,
    ) -> None:
        """Note a fault. `message` is a template that `translate` knows, filled with `words`."""
        told = self.translate(message).format(**words) if words else self.translate(message)
        self.found.append(Fault(node, path, code, told, severity, tuple(criteria)))

    def at(self, node: str) -> "Place":
        """Where faults of one activity, or of the settings, are noted."""
        return Place(self, node)

    def in_order_of(self, nodes: Iterable[str]) -> list[Fault]:
        """The faults, those of the whole first, then activity after activity."""
        rank = {"": -1}
        for number, node in enumerate(nodes):
            rank.setdefault(node, number)
        return sorted(self.found, key=lambda fault: rank.get(fault.node, len(rank)))


@dataclass(frozen=True, slots=True)
class Place:
    """Notes faults of one activity."""

    faults: Faults
    node: str

    def add(self, path: str, code: str, message: str, **given: Any) -> None:
        """Note a fault at a path, as `Faults.add`."""
        self.faults.add(self.node, path, code, message, **given)
