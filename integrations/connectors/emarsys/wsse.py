"""The older way to authorize with Emarsys: a digest of a secret, a nonce and the time.

*Source:* the vendor's own script for Postman, with which the Ruby client of Absolventa agrees. The
vendor lets it end with the year 2026.
"""

import base64
import hashlib
import secrets
from datetime import UTC, datetime

HEADER = "X-WSSE"


def header(user: str, secret: str, *, at: datetime, nonce: str = "") -> str:
    """The value of the header for one request; each has a nonce of its own."""
    nonce = nonce or secrets.token_hex(16)
    created = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # Base64 of the hexadecimal text, not of the bytes that it stands for.
    hashed = hashlib.sha1(f"{nonce}{created}{secret}".encode()).hexdigest()  # noqa: S324 - theirs
    digest = base64.b64encode(hashed.encode()).decode()
    return (
        f'UsernameToken Username="{user}", PasswordDigest="{digest}", Nonce="{nonce}",'
        f' Created="{created}"'
    )
