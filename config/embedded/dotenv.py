"""The file `.env`: settings of this checkout."""

import os
import re
from pathlib import Path


def read_dotenv(path: Path, environ: dict[str, str] | None = None) -> None:
    """Add the lines `NAME=value` of `path`, if it exists, to the environment; what is set stays."""
    target: dict[str, str] | os._Environ[str] = os.environ if environ is None else environ
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name.strip()):
            raise SystemExit(
                f"Line {number} of {path.name} is not NAME=value. For example: TIME_ZONE=UTC"
            )
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        target.setdefault(name.strip(), value)
