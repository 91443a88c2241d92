"""Liquid in a cage: texts with gaps are parsed, checked and filled, whoever wrote them.

There is no file, no partial and no attribute of an object to be reached, and each text has limits
of time and size. In HTML everything that is filled in is escaped, without a way around it.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.undefined import FalsyStrictUndefined, Undefined

from integrations.errors import TemplateFailed
from integrations.template_variables import is_known
from workspace.errors import Problem

LIMITS = {"subject": 300, "text": 100_000, "html": 400_000}
_OUTPUT_LIMIT = 500_000
_LEFT_OUT_TAGS = ("include", "render")
_LEFT_OUT_FILTERS = ("safe", "escapejs")
# What a filter may raise for values that it was not made for.
_FILTER_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it is sent; without HTML `html` is empty."""

    subject: str
    text: str
    html: str


def _bounded_replace(replace: Any) -> Any:
    """As Liquid's, but it does not make texts without end: limits count only what is written."""

    def bounded(value: Any, sought: Any, new: Any = "") -> Any:
        text = str(value)
        if text.count(str(sought)) * len(str(new)) + len(text) > _OUTPUT_LIMIT:
            raise ResourceLimitError(_("it makes too long a text"), token=None)
        return replace(value, sought, new)

    return bounded


def _bounded_join(join: Any) -> Any:
    """The same for what puts the parts of a list together."""

    def bounded(values: Any, separator: Any = " ", **options: Any) -> Any:
        if isinstance(values, list | tuple | range):
            size = len(values) * len(str(separator))
            if size > _OUTPUT_LIMIT:
                raise ResourceLimitError(_("it makes too long a text"), token=None)
        return join(values, separator, **options)

    for flag in ("with_environment", "with_context"):
        if getattr(join, flag, False):
            setattr(bounded, flag, True)
    return bounded


class _Missing(FalsyStrictUndefined):
    """What has no value: may be asked for and replaced by `default`, but not written."""

    __slots__ = ()
    force_liquid_default = True


class _Cage(Environment):
    """Liquid without its ways out."""

    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 2_000
    local_namespace_limit = 200_000
    output_stream_limit = _OUTPUT_LIMIT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for name in _LEFT_OUT_TAGS:
            del self.tags[name]
        for name in _LEFT_OUT_FILTERS:
            del self.filters[name]
        self.filters["replace"] = _bounded_replace(self.filters["replace"])
        self.filters["join"] = _bounded_join(self.filters["join"])


_CAGES = {
    (is_html, is_strict): _Cage(autoescape=is_html, undefined=_Missing if is_strict else Undefined)
    for is_html in (False, True)
    for is_strict in (False, True)
}


@lru_cache(maxsize=400)
def _parsed(source: str, is_html: bool, is_strict: bool) -> BoundTemplate:
    return _CAGES[is_html, is_strict].from_string(source)


def fill(
    source: str, values: Mapping[str, Any], *, is_html: bool = False, is_strict: bool = False
) -> str:
    """A text with its gaps filled. What has no value leaves its gap empty; `is_strict` refuses it.

    Raises TemplateFailed.
    """
    try:
        return _parsed(source, is_html, is_strict).render(**values)
    except LiquidError as error:
        raise TemplateFailed(_sentence(error), code=_code(error)) from error
    except _FILTER_FAULTS as error:
        message = _("A filter cannot use a value: %(reason)s.") % {"reason": error}
        raise TemplateFailed(message) from error
    except RecursionError as error:
        raise TemplateFailed(_("The text is nested too deeply.")) from error


def fill_message(
    parts: Mapping[str, str], values: Mapping[str, Any], *, is_strict: bool = False
) -> Rendered:
    """Subject, text and HTML of a message with their gaps filled. Raises TemplateFailed.

    The subject is one line. Without a text of its own the HTML's words are the text.
    """
    subject, text, html = (
        fill(parts[name], values, is_html=name == "html", is_strict=is_strict)
        for name in ("subject", "text", "html")
    )
    one_line = _BLANKS.sub(" ", subject).strip()
    return Rendered(one_line, text if text.strip() else words_of(html), html)


def faults_of(name: str, source: str, known: Iterable[tuple[str, ...]]) -> list[Problem]:
    """What is wrong with a part ("subject", "text", "html") of a message: grammar, unknown gaps."""
    if len(source) > LIMITS[name]:
        message = _("At most %(limit)d characters.") % {"limit": LIMITS[name]}
        return [Problem(name, "too_long", message)]
    if "\0" in source:
        return [Problem(name, "invalid", _("The text holds a character that cannot be kept."))]
    try:
        parsed = _parsed(source, name == "html", False)
    except LiquidError as error:
        return [Problem(name, "syntax", _sentence(error))]
    except RecursionError:
        return [Problem(name, "syntax", _("The text is nested too deeply."))]
    paths, analysis = list(known), parsed.analyze(include_partials=False)
    gaps = {
        (_line(source, variable.span.index), str(variable))
        for variables in analysis.globals.values()
        for variable in variables
        if not is_known(variable.segments, paths)
    }
    filters = {
        (_line(source, span.index), filter_)
        for filter_, spans in analysis.filters.items()
        for span in spans
        if filter_ not in _CAGES[False, False].filters
    }
    message = _("Line %(line)d: there is no filter “%(filter)s”.")
    return [
        *(
            Problem(name, "unknown_variable", _unknown(line, gap, paths))
            for line, gap in sorted(gaps)
        ),
        *(
            Problem(name, "unknown_filter", message % {"line": line, "filter": filter_})
            for line, filter_ in sorted(filters)
        ),
    ]


def words_of(html: str) -> str:
    """HTML as plain text: its words, a line for each block, addresses behind their links."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = [_BLANKS.sub(" ", line).strip() for line in "".join(reader.found).splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Words(HTMLParser):
    """Collects the words of HTML."""

    _SILENT = frozenset({"script", "style", "head", "title"})
    _BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "hr"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        if tag in self._BLOCKS:
            self.found.append("\n")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        if tag in self._BLOCKS:
            self.found.append("\n")
        if tag == "a" and self._links and (address := self._links.pop()):
            self.found.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(_BLANKS.sub(" ", data))


def _sentence(error: LiquidError) -> str:
    """What is wrong, and in which line."""
    reason = str(error.message or type(error).__name__).rstrip(".")
    token = error.token
    if isinstance(error, ResourceLimitError):
        return _("The text does more than a message may: %(reason)s.") % {"reason": reason}
    if token is None or token.start_index < 0:
        return f"{reason}."
    words = {"line": _line(token.source, token.start_index), "reason": reason}
    return _("Line %(line)d: %(reason)s.") % words


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, max(index, 0)) + 1


def _code(error: LiquidError) -> str:
    return "too_much" if isinstance(error, ResourceLimitError) else "failed"


def _unknown(line: int, gap: str, known: Sequence[tuple[str, ...]]) -> str:
    names = [".".join(path) for path in known]
    words = {"line": line, "gap": gap}
    if near := difflib.get_close_matches(gap, names, n=1, cutoff=0.7):
        message = _("Line %(line)d: there is no “%(gap)s”. Did you mean “%(near)s”?")
        return message % {**words, "near": near[0]}
    return _("Line %(line)d: there is no “%(gap)s”. The list beside shows what there is.") % words
