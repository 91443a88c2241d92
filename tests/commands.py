"""Commands of the product as processes of their own, on the database of the test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from config.embedded import paths


@contextmanager
def command(*words: str, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py` with these words, and `environ` beside our own; killed at the end."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    with subprocess.Popen(
        [sys.executable, "manage.py", *words],
        env={**os.environ, "DATABASE_URL": database, **environ},
        cwd=paths.CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
