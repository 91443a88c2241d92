"""Where the embedded servers, uploads and exports live, and where their sockets are."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

# A socket's path must fit in 104 bytes on macOS and 108 on Linux, with its closing NUL.
_SOCKET_PATH_LIMIT = 103
_LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432.lock")
# Letters that no address of a database or a broker has to quote.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def var_directory(environ: Mapping[str, str]) -> Path:
    """The absolute path of `REGULARS_VAR`; a relative one starts at the checkout."""
    return (CHECKOUT / (environ.get("REGULARS_VAR", "").strip() or "var")).resolve()


def socket_directory(var: Path, server: str) -> Path:
    """Where `server` puts its socket: under `var`, or in /tmp where that path would not do.

    The same for every process of one user, whatever its environment, so that all find it.
    """
    near = var / server / "socket"
    length = len(os.fsencode(near)) + _LONGEST_SOCKET_NAME
    if length <= _SOCKET_PATH_LIMIT and _PLAIN.fullmatch(str(near)):
        return near
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:16]
    # Safe in a directory that all may write: make_private refuses one that is not ours alone.
    return Path(f"/tmp/regulars-{os.getuid()}-{digest}-{server}")  # noqa: S108


def secret_key_file(var: Path) -> Path:
    """The file of the generated `SECRET_KEY`."""
    return var / "secret_key"


def encryption_keys_file(var: Path) -> Path:
    """The file of the generated `FIELD_ENCRYPTION_KEYS`."""
    return var / "field_encryption_keys"


def demo_logins_file(var: Path) -> Path:
    """What `load_demo_data` writes for the box of `make run`: a JSON list of objects.

    Each has `username`, `password` and `role`.
    """
    return var / "demo_logins.json"
