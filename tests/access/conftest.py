"""The workspace with a secret in it, and the pages as in development."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache

from tests.access.secrets import Secret, hide_something


@pytest.fixture(autouse=True)
def as_in_development(settings: Any, tmp_path: Path) -> None:
    """Pages name static files as they lie in the checkout; mail and exports have a folder."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    settings.EXPORTS_ROOT = tmp_path / "exports"
    cache.clear()


@pytest.fixture
def secret(db: None) -> Secret:
    """A workspace in which the group Poland keeps a segment from the group France."""
    return hide_something()
