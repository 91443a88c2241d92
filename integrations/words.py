"""HTML, or MJML, as plain text: what readers without HTML are sent where nothing else is written.

By its marks alone, without building a tree: it is done for every message.
"""

import re
from html import unescape

_MARKS = re.compile(
    # What is never closed goes on to the end: no text takes longer than its length.
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<silent>script|style|head|title|mj-head|template)\b.*?(?:</(?P=silent)\s*>|\Z)"
    r"|<(?P<close>/?)(?P<name>[A-Za-z][\w:-]*)(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>"
    r"|<![^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_BLANKS = re.compile(r"[ \t\r\n\f\v\u00a0]+")
_IN_LINE = re.compile(r"[ \t\r\f\v\u00a0]+")
_UNSEEN = re.compile("[\u034f\u200b\u200c\u2007\u00ad\ufeff]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
_ATTRIBUTE = r"\b{}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))"
_HREF = re.compile(_ATTRIBUTE.format("href"), re.IGNORECASE)
_ALT = re.compile(_ATTRIBUTE.format("alt"), re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
# Stand on lines of their own; those of the first kind with an empty line around them.
_PARAGRAPHS = frozenset(
    {
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "hr", "pre"),
        *("mj-section", "mj-text", "mj-table", "mj-hero", "mj-divider", "mj-accordion-element"),
        *("mj-button", "mj-navbar", "mj-social"),
    }
)
_LINES = frozenset({"div", "br", "tr", "li", "dt", "dd", "section", "article", "header", "footer"})
_LINES |= {"mj-navbar-link", "mj-social-element", "mj-accordion-title", "mj-accordion-text", "body"}
_LINKS = frozenset({"a", "mj-button", "mj-navbar-link", "mj-social-element"})
_VOID = frozenset({"br", "img", "hr", "input", "meta", "link", "mj-image", "mj-divider"})
_HEADINGS = frozenset({"h1", "h2"})


def words_of(markup: str) -> str:
    """Its words: paragraphs, lists, headings, tables by rows, addresses behind their links.

    What is hidden is left out. Line breaks of the source mean nothing.
    """
    writer = _Writer()
    end = 0
    for mark in _MARKS.finditer(markup):
        if mark.start() > end:
            writer.text(markup[end : mark.start()])
        end = mark.end()
        close, name, rest = mark.group("close", "name", "rest")
        if name and close:
            writer.close(name.lower())
        elif name:
            writer.open(name.lower(), rest)
    writer.text(markup[end:])
    return writer.result()


class _Writer:
    """Writes lines while it is told of marks and words."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._links: list[tuple[str, str, int]] = []
        self._lists: list[int | None] = []
        self._hidden: list[str] = []
        self._heading_from: int | None = None

    def text(self, text: str) -> None:
        """Words, in which entities stand for signs."""
        if not self._hidden:
            self._parts.append(_BLANKS.sub(" ", unescape(text) if "&" in text else text))

    def open(self, name: str, rest: str) -> None:
        """An element begins."""
        if self._hidden:
            if name == self._hidden[0] and not rest.endswith("/") and name not in _VOID:
                self._hidden.append(name)
            return
        may_be_hidden = ("none" in rest or "mso-hide" in rest) and name not in _VOID
        if may_be_hidden and not rest.endswith("/") and _HIDDEN.search(rest):
            self._hidden = [name]
            return
        self._break(name)
        if name in _LINKS:
            self._links.append((name, _value(_HREF, rest), len(self._parts)))
        elif name in {"img", "mj-image"}:
            self._image(name, rest)
        elif name in {"ul", "ol"}:
            self._lists.append(0 if name == "ol" else None)
        elif name == "li":
            self._parts.append(self._bullet())
        elif name in {"td", "th"}:
            self._parts.append(" ")
        elif name in _HEADINGS:
            self._heading_from = len(self._parts)
        elif name == "hr":
            self._parts.append("---\n\n")

    def close(self, name: str) -> None:
        """An element ends."""
        if self._hidden:
            if name == self._hidden[0]:
                self._hidden.pop()
            return
        if name in _LINKS and self._links and self._links[-1][0] == name:
            self._link()
        elif name in {"ul", "ol"} and self._lists:
            self._lists.pop()
        elif name in _HEADINGS and self._heading_from is not None:
            words = "".join(self._parts[self._heading_from :])
            self._parts[self._heading_from :] = [words.upper()]
            self._heading_from = None
        self._break(name)

    def result(self) -> str:
        """All of it."""
        text = _IN_LINE.sub(" ", _UNSEEN.sub("", "".join(self._parts)))
        lines = [line.strip() for line in text.split("\n")]
        return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()

    def _break(self, name: str) -> None:
        if name in _PARAGRAPHS:
            # Within a list its own lists are no paragraphs.
            self._parts.append("\n" if name in {"ul", "ol"} and self._lists else "\n\n")
        elif name in _LINES:
            self._parts.append("\n")

    def _bullet(self) -> str:
        depth = max(len(self._lists) - 1, 0)
        count = self._lists[-1] if self._lists else None
        if count is None:
            return f"{'- ' * depth}- "
        self._lists[-1] = count + 1
        return f"{'- ' * depth}{count + 1}. "

    def _link(self) -> None:
        _name, address, begin = self._links.pop()
        words = _BLANKS.sub(" ", "".join(self._parts[begin:])).strip()
        shown = address.removeprefix("mailto:").removeprefix("tel:")
        if shown and not address.startswith("#") and words not in {shown, address}:
            self._parts.append(f" ({shown})" if words else shown)

    def _image(self, name: str, rest: str) -> None:
        if alt := _value(_ALT, rest):
            self._parts.append(alt if name == "img" else f"\n{alt}\n")
        if name == "mj-image" and (address := _value(_HREF, rest)):
            self._parts.append(f" ({address})\n" if alt else f"\n{address}\n")


def _value(pattern: "re.Pattern[str]", rest: str) -> str:
    found = pattern.search(rest)
    if found is None:
        return ""
    return _BLANKS.sub(" ", unescape(next((one for one in found.groups() if one), ""))).strip()
