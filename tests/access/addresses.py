"""Every address of the product, found by walking the resolver: one added later is found, too."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

_CONVERTED = re.compile(r"<(?:[^:>]+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>")


@dataclass(frozen=True, slots=True)
class Address:
    """A place where something answers: its name, its parts, what stands in them."""

    name: str
    template: str
    parameters: tuple[str, ...]
    callback: Callable[..., Any]

    @property
    def is_api(self) -> bool:
        return self.template.startswith("api/")

    @property
    def methods(self) -> dict[str, str]:
        """What the address of a resource of the API takes, and the action that does it."""
        return dict(getattr(self.callback, "actions", None) or {})

    @property
    def kind(self) -> tuple[str, ...]:
        """What it has in common with others: what it does for a program, or the name of its view.

        All lists of the admin are of one kind, and all forms to change something of another.
        """
        if self.is_api and self.methods:
            return tuple(f"{method} {action}" for method, action in sorted(self.methods.items()))
        return (self.callback.__qualname__.removesuffix(".<locals>.view").rpartition(".")[2],)

    def paths(self, choices: Mapping[str, Iterable[object]]) -> Iterator[str]:
        """The address with each combination of what may stand in its parts."""
        for values in product(*(choices[name] for name in self.parameters)):
            found = self.template
            for name, value in zip(self.parameters, values, strict=True):
                found = found.replace(f"{{{name}}}", str(value))
            yield f"/{found}"


def every_address() -> list[Address]:
    """All addresses that have a name; others lead to these, or catch what is none."""
    return list(_walk(get_resolver().url_patterns, "", ()))


def one_of_each_kind(
    addresses: Iterable[Address], first: Callable[[Address], bool]
) -> list[Address]:
    """Of each kind one address, where there is one of those that are wanted `first`.

    For tests that look everywhere a little; those that go to every address are walks.
    """
    found: dict[tuple[str, ...], Address] = {}
    for address in sorted(addresses, key=first, reverse=True):
        found.setdefault(address.kind, address)
    return list(found.values())


def _walk(patterns: Iterable[Any], before: str, spaces: tuple[str, ...]) -> Iterator[Address]:
    for pattern in patterns:
        template = before + _template(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _walk(pattern.url_patterns, template, inner)
        elif isinstance(pattern, URLPattern) and pattern.name is not None:
            name = ":".join([*spaces, pattern.name])
            parameters = tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", template)))
            yield Address(name, template, parameters, pattern.callback)


def _template(pattern: Any) -> str:
    text = str(pattern)
    if isinstance(pattern, RoutePattern):
        return _CONVERTED.sub(r"{\1}", text)
    return _without_groups(text).removeprefix("^").removesuffix("$")


def _without_groups(text: str) -> str:
    """A regular expression with {name} for each named group."""
    found = ""
    while begins := _GROUP.search(text):
        found += text[: begins.start()] + f"{{{begins[1]}}}"
        depth, place = 1, begins.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            place += 1
        text = text[place:]
    return found + text
