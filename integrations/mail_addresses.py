"""E-mail addresses as they stand in messages: bare, and as mail servers take them.

Most are plain, and are taken as they are: the libraries that know all that an address may be need
longer for one than everything else about a message.
"""

import re
from email.utils import parseaddr
from functools import lru_cache

from django.core.mail.message import sanitize_address

# Only what no rule writes in another way: atoms with dots between them (RFC 5322).
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9-]+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
# Of what is longer a name is folded, an address refused.
_PLAIN_LIMIT = 64


def is_plain(text: str) -> bool:
    """Whether a text is an address that is written the same everywhere."""
    return len(text) <= _PLAIN_LIMIT and _PLAIN.fullmatch(text) is not None


def bare_address(text: str) -> str:
    """The address in "Anna <anna@example.com>"; "" where there is none."""
    return text if is_plain(text) else parseaddr(text)[1]


def written_address(text: str) -> str:
    """An address, with its name where it has one, in ASCII. Raises ValueError for what is none."""
    return text if is_plain(text) else _written(text)


@lru_cache(maxsize=500)
def _written(text: str) -> str:
    # The sender of all of them has a name.
    return str(sanitize_address(text, "utf-8"))
