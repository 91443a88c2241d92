"""Keeps a server's data with a migrated database for later runs: to migrate takes half a minute.

They lie in pytest's cache, under the digest of all that they were made of: other migrations,
permissions or programs make them anew. `pytest --cache-clear` does so, too.
"""

import hashlib
import shutil
import sys
from pathlib import Path

import django
from django.apps import apps

from config.embedded import postgres

_FOLDER = "migrated"


def place(cache: Path, binaries: Path) -> Path:
    """Where the data are, or would be."""
    digest = hashlib.sha256(f"{binaries} {postgres.major_version(binaries)}".encode())
    digest.update(f"{sys.version} {django.__version__}".encode())
    digest.update(Path(postgres.__file__).read_bytes())
    for app in apps.get_app_configs():
        folder = Path(app.path) / "migrations"
        for file in sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".sql"}):
            digest.update(f"{app.label} {file.name}".encode() + file.read_bytes())
    for model in apps.get_models(include_auto_created=True):
        about = model._meta
        permissions = [*about.default_permissions, *about.permissions]
        digest.update(f"{about.label} {about.verbose_name_raw} {permissions}".encode())
    return cache / _FOLDER / digest.hexdigest()[:32]


def take(kept: Path, data: Path) -> bool:
    """Copy what was kept to where a server will find it; False where there is nothing."""
    if not kept.is_dir():
        return False
    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(kept, data)
    except (OSError, shutil.Error):
        # Another run has just put newer data in their place.
        shutil.rmtree(data, ignore_errors=True)
        return False
    return True


def keep(data: Path, kept: Path) -> None:
    """Keep the data of a server that is down, in the place of all that were kept before."""
    shutil.rmtree(kept.parent, ignore_errors=True)
    unfinished = kept.with_name(f"{kept.name}-{data.parent.parent.name}")
    try:
        shutil.copytree(data, unfinished)
        unfinished.rename(kept)
    except (OSError, shutil.Error):
        # Another run keeps its own: one is as good as the other.
        shutil.rmtree(unfinished, ignore_errors=True)
