"""Languages of messages: codes as "pl" and "pt-BR", and which of those there are suits whom."""

import re
from collections.abc import Collection

from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

_CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


def read_language(text: str) -> str:
    """A code as it is kept: "pt_br" becomes "pt-BR"; "" where it is none."""
    code = text.strip().replace("_", "-")
    if not _CODE.fullmatch(code):
        return ""
    first, *rest = code.split("-")
    parts = [part.upper() if len(part) == 2 else part.capitalize() for part in rest]
    return "-".join([first.lower(), *parts])


def choose(wanted: str, offered: Collection[str]) -> str | None:
    """Which of the codes in `offered` suits who wants `wanted`: the same, or its base language.

    Where only another form of the language is there ("pt-PT" for "pt-BR"), it is taken before the
    default, which is None.
    """
    code = read_language(wanted)
    if not code:
        return None
    base = code.split("-", 1)[0]
    for one in (code, base):
        if one in offered:
            return one
    return next((one for one in sorted(offered) if one.split("-", 1)[0] == base), None)


def name_of(code: str) -> str:
    """The language's name for people, in the language of whoever looks; the code where unknown."""
    try:
        return str(get_language_info(code.lower())["name_translated"])
    except KeyError:
        return code or _("Default")
