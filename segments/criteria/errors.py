"""How criteria are refused: whole, with every fault."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Translate = Callable[[str], str]


def gettext_noop(template: str) -> str:
    """`template`, marked so that tools which collect texts to translate find it."""
    return template


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a document: the path to the key at fault, a stable code, a sentence.

    The path reads `rules[1].where.rules[0].value[2]`; the outermost group is the empty text.
    """

    path: str
    code: str
    message: str


class CriteriaInvalid(Exception):
    """Raised when a document breaks the page; `problems` are all its faults, in its order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        listed = "; ".join(f"{p.path or '(outermost)'}: {p.message}" for p in self.problems)
        super().__init__(listed)


@dataclass(slots=True)
class Faults:
    """The faults found so far in one document."""

    translate: Translate
    problems: list[Problem] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def add(self, path: str, code: str, message: str, **words: object) -> None:
        """Note a fault. `message` is a template that `translate` knows, filled with `words`."""
        self.paths.add(path)
        self.problems.append(Problem(path, code, self.translate(message).format(**words)))

    def in_order_of(self, document: Any) -> tuple[Problem, ...]:
        """The faults in the order in which `document` has their keys; absent keys come last."""
        return tuple(sorted(self.problems, key=lambda p: _position(p.path, document)))


def key_path(path: str, key: str) -> str:
    """The path of `key` in the object at `path`."""
    return f"{path}.{key}" if path else key


def _position(path: str, document: Any) -> tuple[int, ...]:
    found: list[int] = []
    for name, index in re.findall(r"([^.\[\]]+)|\[([0-9]+)\]", path):
        if index:
            found.append(int(index))
            document = document[int(index)] if isinstance(document, list) else None
        else:
            keys = list(document) if isinstance(document, dict) else []
            found.append(keys.index(name) if name in keys else len(keys))
            document = document.get(name) if isinstance(document, dict) else None
    return tuple(found)
