"""What Segment signs of a webhook: HMAC-SHA1 over the body; of a batch, over its first event only.

*Source:* Segment's page on webhooks. It signs `JSON.stringify(body)`, which is the body itself
unless somebody wrote it anew on its way; so the compact form will do, too.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_STRING_OR_BLANKS = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+')
_FIRST = re.compile(r"\s*\[\s*")
_decoder = json.JSONDecoder()


def is_signed(signature: str, body: bytes, secrets: Iterable[str]) -> bool:
    """Whether `signature` is one that a secret makes of the body.

    A body that is no JSON can be signed as it is, and is refused for its form afterwards.
    """
    given = signature.strip().lower().encode("ascii", "replace")
    return any(
        hmac.compare_digest(given, signature_of(secret, signed).encode())
        for signed in signed_forms(body)
        for secret in secrets
    )


def signature_of(secret: str, signed: bytes) -> str:
    """HMAC-SHA1, in hexadecimal digits."""
    return hmac.new(secret.encode(), signed, hashlib.sha1).hexdigest()


def signed_forms(body: bytes) -> Iterator[bytes]:
    """What may have been signed, the likeliest first."""
    yield body
    try:
        text = body.decode("utf-8-sig")
        value: Any = json.loads(text)
        if isinstance(value, list):
            if not value:
                return
            start = _FIRST.match(text)
            assert start is not None, "a list begins with a bracket"
            value, end = _decoder.raw_decode(text, start.end())
            text = text[start.end() : end]
    except (ValueError, RecursionError):
        return
    for form in (text, _without_blanks(text), _written_anew(value)):
        yield form.encode("utf-8", "surrogatepass")


def _without_blanks(text: str) -> str:
    """The same document on one line; numbers and escapes stay as they were written."""
    return _STRING_OR_BLANKS.sub(lambda found: found[1] or "", text)


def _written_anew(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
