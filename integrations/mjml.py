"""MJML, the language of e-mails that look right on phones: checked, and made into HTML.

The library that makes HTML of it passes over what it does not know, and cannot stand what is
nested without end. So its grammar is checked here, with lines; gaps (Liquid) may stand anywhere, as
long as an element begins and ends in the same branch.

*Source:* https://documentation.mjml.io, as far as mrml knows it.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import mrml
from django.utils.translation import gettext as _

from integrations.errors import TemplateFailed
from workspace.errors import Problem

DEPTH_LIMIT = 100
_CONTENT = frozenset(
    {
        *("mj-accordion", "mj-button", "mj-carousel", "mj-divider", "mj-image", "mj-navbar"),
        *("mj-raw", "mj-social", "mj-spacer", "mj-table", "mj-text"),
    }
)
_HEAD = frozenset(
    {"mj-attributes", "mj-breakpoint", "mj-font", "mj-preview", "mj-raw", "mj-style", "mj-title"}
)
# What each element may hold.
_CHILDREN: dict[str, frozenset[str]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": _HEAD,
    "mj-body": frozenset({"mj-wrapper", "mj-section", "mj-hero", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-hero", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": _CONTENT,
    "mj-hero": _CONTENT,
    "mj-accordion": frozenset({"mj-accordion-element", "mj-raw"}),
    "mj-accordion-element": frozenset({"mj-accordion-title", "mj-accordion-text", "mj-raw"}),
    "mj-carousel": frozenset({"mj-carousel-image"}),
    "mj-navbar": frozenset({"mj-navbar-link", "mj-raw"}),
    "mj-social": frozenset({"mj-social-element", "mj-raw"}),
}
# These hold words and HTML.
_WORDS = frozenset(
    {
        *("mj-text", "mj-button", "mj-raw", "mj-table", "mj-style", "mj-title", "mj-preview"),
        *("mj-navbar-link", "mj-social-element", "mj-accordion-title", "mj-accordion-text"),
    }
)
_EMPTY = frozenset(
    {"mj-breakpoint", "mj-font", "mj-divider", "mj-image", "mj-spacer", "mj-carousel-image"}
)
_KNOWN = frozenset({*_CHILDREN, *_WORDS, *_EMPTY, "mj-attributes", "mj-all", "mj-class"})
_VOID_HTML = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr"),
    }
)
_GAP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*)"
    r"(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>|<",
    re.DOTALL,
)
_ATTRIBUTES = re.compile(
    r"\s*(?:(?P<name>[^\s=/]+)(?P<value>\s*=\s*(?:\"[^\"]*\"|'[^']*'))?)|\s+|/"
)
_AT = re.compile(r" at position (\d+):\d+")
_LANGUAGE = re.compile(r'\blang="und"')
# No letters from other servers: who opens the mail would be known to them.
_RENDER = mrml.RenderOptions(fonts={})


@dataclass(frozen=True, slots=True)
class _Open:
    """An element that was begun."""

    name: str
    line: int


def html_of(mjml: str, language: str = "") -> str:
    """The HTML of a text in MJML whose gaps are filled. Raises TemplateFailed."""
    if is_deeper(mjml, DEPTH_LIMIT):
        raise TemplateFailed(_("The MJML is nested too deeply."), code="too_much")
    try:
        content = mrml.to_html(mjml.replace("\r", ""), None, _RENDER).content
    except OSError as error:
        message = _("The MJML cannot be read: %(reason)s.")
        raise TemplateFailed(message % {"reason": error}) from error
    return _LANGUAGE.sub(f'lang="{language}"' if language else "", content)


def is_deeper(markup: str, limit: int, *, passing_over: frozenset[str] = frozenset()) -> bool:
    """Whether elements are nested more deeply than `limit`; see `depth_of`."""
    # Not more deeply than elements begin, which takes no time to count.
    begun = markup.count("<") - markup.count("</")
    return begun > limit and depth_of(markup, passing_over=passing_over) > limit


def depth_of(markup: str, *, passing_over: frozenset[str] = frozenset()) -> int:
    """How deeply elements are nested at most; one that is not closed counts until the end.

    Elements of the names in `passing_over` do not count.
    """
    depth = deepest = 0
    ignored = _VOID_HTML | passing_over
    for token in _TOKEN.finditer(markup):
        name = token["name"]
        if not name or name.lower() in ignored or token["rest"].endswith("/"):
            continue
        depth = max(depth - 1, 0) if token["close"] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def faults_of_mjml(part: str, source: str) -> list[Problem]:
    """What is wrong with the grammar of a text in MJML, gaps and all; the first few faults."""
    # The library does not take lines that end as on Windows.
    plain = _GAP.sub(_blank, source.replace("\r", ""))
    faults = list(_Reader(plain).faults())[:10]
    if not faults and is_deeper(plain, DEPTH_LIMIT):
        faults = [(1, _("elements are nested too deeply"))]
    if not faults:
        try:
            mrml.to_html(plain, None, _RENDER)
        except OSError as error:
            place = _AT.search(str(error))
            line = plain.encode()[: int(place[1]) if place else 0].count(b"\n") + 1
            faults = [(line, _AT.sub("", str(error)))]
    message = _("Line %(line)d: %(what)s.")
    return [Problem(part, "mjml", message % {"line": line, "what": what}) for line, what in faults]


def _blank(gap: "re.Match[str]") -> str:
    """What stands for a gap: a word where it writes one, nothing where it does not; same lines."""
    return ("x" if gap[0].startswith("{{") else "") + "\n" * gap[0].count("\n")


class _Reader:
    """Goes through a text once, and notes what is open."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Open] = []
        self._found: list[tuple[int, str]] = []
        self._has_body = self._had_root = False
        self._line, self._seen = 1, 0

    def faults(self) -> Iterator[tuple[int, str]]:
        """Each fault with its line."""
        end = 0
        for token in _TOKEN.finditer(self._source):
            self._text(self._source[end : token.start()], end)
            end = token.end()
            if token[0].startswith("<!--"):
                if not token[0].endswith("-->"):
                    self._tell(token.start(), _("a comment is never closed"))
            elif not token["name"]:
                self._tell(token.start(), _("a “<” that begins nothing; write &lt; for the sign"))
            elif token["close"]:
                self._close(token["name"], token.start())
            else:
                self._begin(token["name"], token["rest"], token.start())
        self._text(self._source[end:], end)
        for one in self._open:
            self._found.append((one.line, _("<%(name)s> is never closed") % {"name": one.name}))
        if not self._found and not (self._had_root and self._has_body):
            message = _("begin with <mjml><mj-body> and end with </mj-body></mjml>")
            self._found.append((1, message))
        yield from self._found

    def _begin(self, name: str, rest: str, place: int) -> None:
        self._check_attributes(name, rest, place)
        is_ours = name == "mjml" or name.startswith("mj-")
        parent = self._open[-1].name if self._open else ""
        if self._inside_words():
            if is_ours:
                words = {"name": name, "parent": self._ours()}
                self._tell(place, _("<%(name)s> cannot stand in <%(parent)s>") % words)
        else:
            self._check_place(name, parent, place, is_ours=is_ours)
        self._had_root |= name == "mjml"
        self._has_body |= name == "mj-body"
        if not rest.endswith("/") and name.lower() not in _VOID_HTML:
            self._open.append(_Open(name, self._line_of(place)))

    def _check_place(self, name: str, parent: str, place: int, *, is_ours: bool) -> None:
        words = {"name": name, "parent": parent}
        if name == "mj-include":
            self._tell(place, _("<mj-include> is left out: a template stands for itself"))
        elif not is_ours and parent in _CHILDREN:
            message = _("<%(name)s> is HTML: put it into <mj-text> or <mj-raw>")
            self._tell(place, message % words)
        elif name not in _KNOWN:
            self._tell(place, _unknown(name))
        elif parent == "":
            if name != "mjml" or self._had_root:
                self._tell(place, _("<%(name)s> has to stand in <mjml>") % words)
        elif parent in _CHILDREN and name not in _CHILDREN[parent]:
            may = " ".join(f"<{child}>" for child in sorted(_CHILDREN[parent]))
            message = _("<%(name)s> cannot stand in <%(parent)s>, which holds %(may)s")
            self._tell(place, message % {**words, "may": may})
        elif parent in _EMPTY:
            self._tell(place, _("<%(parent)s> holds nothing") % words)

    def _close(self, name: str, place: int) -> None:
        if self._open and self._open[-1].name == name:
            self._open.pop()
            return
        names = [one.name for one in self._open]
        if name in names:
            while (left := self._open.pop()).name != name:
                message = _("<%(name)s> is never closed") % {"name": left.name}
                self._found.append((left.line, message))
        elif name.lower() not in _VOID_HTML:
            self._tell(place, _("</%(name)s> closes nothing") % {"name": name})

    def _text(self, text: str, place: int) -> None:
        words = text.strip()
        if not words or self._inside_words():
            return
        parent = self._open[-1].name if self._open else ""
        message = _("“%(words)s” would be lost here: put it into <mj-text>")
        if parent in _CHILDREN or parent == "":
            self._tell(place + text.index(words), message % {"words": words[:30]})

    def _check_attributes(self, name: str, rest: str, place: int) -> None:
        end = 0
        for one in _ATTRIBUTES.finditer(rest):
            if one.start() != end or (one["name"] and not one["value"]):
                words = {"name": name, "what": rest[end:].strip()[:30]}
                message = _('in <%(name)s> at “%(what)s”: attributes are written name="value"')
                self._tell(place, message % words)
                return
            end = one.end()

    def _inside_words(self) -> bool:
        return any(one.name in _WORDS for one in self._open)

    def _ours(self) -> str:
        """The innermost open element of MJML."""
        names = [one.name for one in self._open if one.name in _KNOWN]
        return names[-1] if names else "mjml"

    def _tell(self, place: int, what: str) -> None:
        self._found.append((self._line_of(place), what))

    def _line_of(self, place: int) -> int:
        # Places come in order, so that each part of the text is counted once.
        if place >= self._seen:
            self._line += self._source.count("\n", self._seen, place)
            self._seen = place
            return self._line
        return self._source.count("\n", 0, place) + 1


def _unknown(name: str) -> str:
    if near := difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.7):
        message = _("there is no <%(name)s>. Did you mean <%(near)s>?")
        return (message % {"name": name, "near": near[0]}).rstrip("?")
    return _("there is no <%(name)s>") % {"name": name}
