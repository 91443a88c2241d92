"""Liquid in a cage: texts with gaps are parsed, checked and filled, whoever wrote them.

There is no file, no partial and no attribute of an object to be reached, and each text has limits
of time and size. In HTML everything that is filled in is escaped, without a way around it.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.undefined import FalsyStrictUndefined, Undefined

from integrations.errors import TemplateFailed
from integrations.layouts import MarkingOutput, Marks, Page, can_hold_marks, lay_out, marking
from integrations.mjml import faults_of_mjml
from integrations.template_variables import is_known
from workspace.errors import Problem

LIMITS = {
    "subject": 300,
    "text": 100_000,
    "html": 400_000,
    "mjml": 400_000,
    "link": 2_000,
    "icon": 2_000,
}
# Where what is filled in is escaped.
MARKUP = frozenset({"html", "mjml"})
# Where there are both, the first is sent.
_BY_RANK = ("mjml", "html")
_OUTPUT_LIMIT = 500_000
_LEFT_OUT_TAGS = ("include", "render")
_LEFT_OUT_FILTERS = ("safe", "escapejs")
# What a filter may raise for values that it was not made for.
_FILTER_FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_BLANKS = re.compile(r"\s+")
_WEB = re.compile(r"https?://[^\s/]+\S*\Z", re.IGNORECASE)
_MISSING = re.compile(r"Line \d+: '?(?P<gap>[\w.-]+)'? is undefined")
_GAPS_NAMED = 20


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it is sent; what it has not is empty. `language` is that of its words."""

    subject: str
    text: str
    html: str
    link: str = ""
    icon: str = ""
    language: str = ""


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
        self.add_tag(MarkingOutput)
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
    parts: Mapping[str, str], values: Mapping[str, Any], *, language: str = ""
) -> Rendered:
    """A message with its gaps filled; parts that are not given are empty. Raises TemplateFailed.

    The subject is one line. Without a text of its own the words of its HTML, or MJML, are the text.
    Gaps are filled before MJML becomes HTML and styles are inlined. `language` is that of it all.
    """
    filled = {
        name: fill(parts[name], values) for name in LIMITS if name not in MARKUP and parts.get(name)
    }
    marked = {name: _fill_marked(parts[name], values) for name in _BY_RANK if parts.get(name)}
    name = next((name for name, (text, _marks) in marked.items() if text.strip()), "html")
    text, page = filled.get("text", ""), Page("", "")
    if name in marked:
        given, marks = marked[name]
        page = lay_out(name, given, marks, language=language, has_words=not text.strip())
    return Rendered(
        subject=_BLANKS.sub(" ", filled.get("subject", "")).strip(),
        text=text if text.strip() else page.words,
        html=page.html,
        link=_address(filled.get("link", "")),
        icon=_address(filled.get("icon", "")),
        language=language,
    )


def _fill_marked(source: str, values: Mapping[str, Any]) -> tuple[str, Marks]:
    """A part in HTML or MJML with its gaps filled, with marks where that makes no difference."""
    if can_hold_marks(source):
        with marking() as marks:
            text = fill(source, values, is_html=True)
        if not marks.is_spoilt and len(text) + marks.size <= _OUTPUT_LIMIT:
            return text, marks
    return fill(source, values, is_html=True), Marks()


def empty_gaps(name: str, source: str, values: Mapping[str, Any]) -> list[str]:
    """The gaps of a part that have no value and nothing in their place, as they are written."""
    found: list[str] = []
    values = dict(values)
    while len(found) < _GAPS_NAMED:
        try:
            fill(source, values, is_html=name in MARKUP, is_strict=True)
        except TemplateFailed as failed:
            missing = _MISSING.match(str(failed))
            if missing is None or missing["gap"] in found:
                break
            found.append(missing["gap"])
            values = _with(values, missing["gap"].split("."))
        else:
            break
    return found


def _with(values: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """The same values, and one more in the place where there was none."""
    first, *rest = path
    inner = values.get(first)
    known = inner if isinstance(inner, Mapping) else {}
    return {**values, first: _with(known, rest) if rest else "x"}


def _address(text: str) -> str:
    """The address that a filled part is; "" where it is empty."""
    address = text.strip()
    if address and not _WEB.match(address):
        message = _("“%(address)s” is no address of the web: it has to begin with https://.")
        raise TemplateFailed(message % {"address": address[:100]})
    return address


def faults_of(name: str, source: str, known: Iterable[tuple[str, ...]]) -> list[Problem]:
    """What is wrong with a part of a message, by its name in `LIMITS`: grammar, unknown gaps."""
    if len(source) > LIMITS[name]:
        message = _("At most %(limit)d characters.") % {"limit": LIMITS[name]}
        return [Problem(name, "too_long", message)]
    if "\0" in source:
        return [Problem(name, "invalid", _("The text holds a character that cannot be kept."))]
    try:
        parsed = _parsed(source, name in MARKUP, False)
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
    grammar = faults_of_mjml(name, source) if name == "mjml" and source.strip() else []
    return [
        *grammar,
        *(
            Problem(name, "unknown_variable", _unknown(line, gap, paths))
            for line, gap in sorted(gaps)
        ),
        *(
            Problem(name, "unknown_filter", message % {"line": line, "filter": filter_})
            for line, filter_ in sorted(filters)
        ),
    ]


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
