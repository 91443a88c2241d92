"""The secrets of an embedded set-up, generated once."""

import base64
import os
import secrets
from pathlib import Path

from .errors import StartRefused
from .paths import encryption_keys_file, secret_key_file


def generate_missing(var: Path) -> None:
    """Write `SECRET_KEY` and `FIELD_ENCRYPTION_KEYS` into `var`, readable by its owner only.

    A file that exists is never written: what it encrypted would be lost.
    """
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(secret_key_file(var), secrets.token_urlsafe(50))
        _write_once(encryption_keys_file(var), base64.urlsafe_b64encode(os.urandom(32)).decode())
    except OSError as error:
        raise StartRefused(
            f"Setting REGULARS_VAR names {var}, where nothing can be written ({error.strerror})."
            " For example: REGULARS_VAR=./var"
        ) from error


def _write_once(path: Path, secret: str) -> None:
    if path.exists():
        return
    # Written whole, then linked: two starts at once agree on the first one's secret.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secret}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
