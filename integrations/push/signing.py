"""JSON Web Tokens, signed: the two kinds by which push services know us.

By hand, because each is a few lines on top of `cryptography`, whose libraries would bring clocks
and ways to call others of their own. *Source:* RFC 7515, RFC 7518, 3.3 and 3.4.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def sign(claims: Mapping[str, Any], key: Key, **header: str) -> str:
    """The token that says `claims`: ES256 with a key of the curve P-256, RS256 with one of RSA."""
    is_curve = isinstance(key, ec.EllipticCurvePrivateKey)
    head = {"typ": "JWT", "alg": "ES256" if is_curve else "RS256", **header}
    said = f"{encode(_json(head))}.{encode(_json(claims))}"
    return f"{said}.{encode(_signature(said.encode(), key))}"


def encode(data: bytes) -> str:
    """Base64 for addresses, without the padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """What was encoded, with or without padding, in either alphabet. Raises ValueError."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)


def _signature(said: bytes, key: Key) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(said, padding.PKCS1v15(), hashes.SHA256())
    first, second = decode_dss_signature(key.sign(said, ec.ECDSA(hashes.SHA256())))
    return first.to_bytes(32) + second.to_bytes(32)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
