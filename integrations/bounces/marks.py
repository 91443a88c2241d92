"""What a mail carries so that it is known when it comes back, and nobody can forge it.

The mark is the delivery's key, signed. It stands in a header, and, where there is an address for
what comes back (`BOUNCE_ADDRESS`), in the sender of the envelope.
"""

import re
from email.utils import parseaddr

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.utils.crypto import constant_time_compare, salted_hmac

HEADER = "X-Regulars-Delivery"
# What is written beside a message where the provider keeps such notes.
NOTE = "regulars_delivery"
_SALT = "integrations.bounces"
_PLAIN_KEY = re.compile(r"[a-z0-9:-]{1,40}")
_MARKED = re.compile(r"[^@+]+\+([a-z0-9=-]{1,40})=([0-9a-f]{12})@", re.IGNORECASE)
_LOCAL_LIMIT = 64


def mark_of(key: str) -> str:
    """The mark of the delivery with this key."""
    return Signer(salt=_SALT).sign(key)


def key_of(mark: str) -> str | None:
    """The key that a mark names; None for a mark that is not ours."""
    try:
        return Signer(salt=_SALT).unsign(mark.strip())
    except BadSignature:
        return None


def bounce_address(key: str) -> str:
    """The address to which this delivery comes back; "" where none is set.

    It names the delivery where there is room for it: before an @ stand 64 characters at most.
    """
    name, _at, domain = parseaddr(settings.BOUNCE_ADDRESS)[1].rpartition("@")
    if not name:
        return ""
    local = f"{name}+{key.replace(':', '=')}={_short_signatures(key)[0]}"
    if not _PLAIN_KEY.fullmatch(key) or len(local) > _LOCAL_LIMIT:
        local = name
    return f"{local}@{domain}"


def key_of_address(address: str) -> str | None:
    """The key of the delivery that an address for what comes back names; None without one."""
    marked = _MARKED.search(address)
    if marked is None:
        return None
    # Servers on the way may write it in capitals.
    key, signature = marked[1].lower().replace("=", ":"), marked[2].lower()
    is_ours = any(constant_time_compare(signature, one) for one in _short_signatures(key))
    return key if is_ours else None


def _short_signatures(key: str) -> list[str]:
    """The signature with the present secret key, then those with former ones."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac(_SALT, key, secret=one, algorithm="sha256").hexdigest()[:12] for one in secrets
    ]
