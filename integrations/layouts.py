"""What of a message is the same for many receivers: it is laid out once for all of them.

Styles are written to their elements, MJML becomes HTML, and words are taken from it: that takes
longer than all else about a message, and hardly ever depends on what a gap is filled with. So plain
values (a name, a code, an address) are replaced by marks, the message with its marks is laid out,
or known, and the values are put where their marks are.

Whatever could make a difference is no mark: a value with signs that mean something in HTML stands
there itself, and where a mark stands in a style, a class or a script the values do, too.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO

from liquid.builtin.output import Output, OutputNode
from liquid.context import RenderContext
from liquid.stringify import to_liquid_string

from integrations.inlining import inline
from integrations.mjml import html_of
from integrations.words import words_of

# Letters only at both ends, of which headings in capitals make others.
_MARK = re.compile(r"zqx(\d+)xqz|ZQX(\d+)XQZ")
_BEGINS = "zqx"
# It begins and ends as a word and has no sign that HTML, styles or our own words know; nor what
# addresses begin with that are shown in another way.
_PLAIN = re.compile(r"(?!mailto:|tel:)\w(?:[\w.,@:/?=%+~()!*-]| (?=\w))*+", re.IGNORECASE)
_PLAIN_LIMIT = 300
# What is longer is laid out each time.
_KEPT_LIMIT = 60_000
_TAGS = re.compile(
    r"(?P<whole><!--.*?(?:-->|\Z)"
    r"|<(?P<name>style|script|mj-style|textarea|template|xmp|noscript|svg|math)\b"
    r".*?(?:</(?P=name)\s*>|\Z))"
    r"|<(?P<tag>/?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>"
    r"|(?P<open><)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTES = re.compile(r"""([^\s=>/"']++)(?:\s*+=\s*+("[^"]*"|'[^']*'|[^\s>"']++))?""")
# What a value would make another sign of.
_ENTITY = re.compile(r"&[#\w]*zqx", re.IGNORECASE)
# Where a value may stand in a tag: it is shown, or leads somewhere.
_SHOWN = frozenset({"href", "src", "alt", "title"})
# A style that looks at such an attribute.
_LOOKS = re.compile(r"\[\s*(?:href|src|alt|title)\b", re.IGNORECASE)


class Marks:
    """The values of one message that stand as marks, and how many letters they have in all.

    `is_spoilt` where a value looks like a mark itself.
    """

    def __init__(self) -> None:
        self._values: list[str] = []
        self._marks: dict[str, str] = {}
        self.size = 0
        self.is_spoilt = False

    def mark(self, value: str) -> str:
        """What stands for a value: the same for the same, or itself."""
        known = self._marks.get(value)
        if known is None:
            self.is_spoilt |= _BEGINS in value.lower()
            if len(value) > _PLAIN_LIMIT or not _PLAIN.fullmatch(value):
                return value
            known = self._marks[value] = f"zqx{len(self._values)}xqz"
            self._values.append(str(value))
        self.size += len(value)
        return known

    def fill(self, text: str) -> str:
        """A text with the values in place of their marks."""
        return _MARK.sub(self._value, text) if self._values else text

    def are_said_in(self, text: str) -> bool:
        """Whether an address among the values stands in a text itself: links compare both."""
        return any(("@" in one or "//" in one) and one in text for one in self._values)

    def _value(self, found: "re.Match[str]") -> str:
        number = found[1]
        return self._values[int(number)] if number else self._values[int(found[2])].upper()


_marks: ContextVar[Marks | None] = ContextVar("_marks", default=None)


@contextmanager
def marking() -> Iterator[Marks]:
    """Have the gaps that are filled in this block, by `MarkingOutput`, filled with marks."""
    made = Marks()
    token = _marks.set(made)
    try:
        yield made
    finally:
        _marks.reset(token)


class _MarkingNode(OutputNode):
    """A gap that is filled with its value, or with a mark that stands for it."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        text = to_liquid_string(self.expression.evaluate(context), context.autoescape)
        marks = _marks.get()
        return buffer.write(text if marks is None else marks.mark(text))


class MarkingOutput(Output):
    """The gaps of texts that can be laid out for many."""

    node_class = _MarkingNode


def can_hold_marks(source: str) -> bool:
    """Whether the gaps of a text may be marked: nothing in it is kept and looked at later."""
    return not _KEEPS.search(source) and _BEGINS not in source.lower()


# What a text keeps goes through filters, that would see the marks.
_KEEPS = re.compile(r"\{%-?\s*(?:capture|liquid|ifchanged)\b")


@dataclass(frozen=True, slots=True)
class Page:
    """HTML as it is sent, and its words; "" where they were not wanted."""

    html: str
    words: str


def lay_out(name: str, text: str, marks: Marks, *, language: str = "", has_words: bool) -> Page:
    """The page of a text in HTML or MJML (`name`) whose gaps are marked. Raises TemplateFailed."""
    made = None
    if len(text) <= _KEPT_LIMIT and not marks.are_said_in(text):
        made = _laid_out(name, text, language, has_words)
    if made is None:
        return _made(name, marks.fill(text), language, has_words)
    return Page(marks.fill(made.html), marks.fill(made.words))


@lru_cache(maxsize=128)
def _laid_out(name: str, text: str, language: str, has_words: bool) -> Page | None:
    """It with its marks; None where a mark stands where its value may make a difference."""
    return _made(name, text, language, has_words) if _is_movable(text) else None


def _made(name: str, text: str, language: str, has_words: bool) -> Page:
    html = html_of(text, language) if name == "mjml" else inline(text)
    return Page(html, words_of(text) if has_words else "")


def _is_movable(text: str) -> bool:
    """Whether all marks stand between tags, or in attributes that nothing looks at."""
    is_in_tag = False
    if _ENTITY.search(text):
        return False
    for found in _TAGS.finditer(text):
        if found["open"]:
            # A tag that does not end, or none at all: who knows how it is read.
            return False
        if found["whole"] and _MARK.search(found["whole"]):
            return False
        if found["tag"] and (count := len(_MARK.findall(found["tag"]))):
            if count > sum(_shown_counts(found["tag"])):
                return False
            is_in_tag = True
    return not (is_in_tag and _LOOKS.search(text))


def _shown_counts(tag: str) -> Iterator[int]:
    """How many marks stand in each attribute of a tag in which they may."""
    for name, value in _ATTRIBUTES.findall(tag):
        if value[:1] in {'"', "'"} and name.lower() in _SHOWN:
            yield len(_MARK.findall(value))
