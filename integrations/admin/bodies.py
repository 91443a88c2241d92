"""Bodies of events for people: indented, with keys and values in different colours."""

import re

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workspace.exactjson import exact_dumps, exact_loads

_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)|(?P<rest>[^\"\d\-a-z]+|.)",
    re.DOTALL,
)
# Beyond this a body is shown as it came: to colour it would take longer than to read it.
_COLOURED_LIMIT = 60_000


def pretty(body: str) -> str:
    """The JSON text indented; as it came where it is none."""
    try:
        return exact_dumps(exact_loads(body), indent=2)
    except ValueError:
        return body


def coloured(body: str) -> SafeString:
    """The JSON text indented and coloured, safe to be put into a page."""
    text = pretty(body)
    if len(text) > _COLOURED_LIMIT:
        return format_html("{}", text)
    parts = ((found.lastgroup, found[0]) for found in _TOKEN.finditer(text))
    return format_html_join("", '<span class="rg-json-{}">{}</span>', parts)
