"""The workspace with a secret in it, and the pages as in development."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from tests.access.secrets import Secret, hide_something


@pytest.fixture(scope="module")
def workspace(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Secret]:
    """A workspace in which the group Poland keeps a segment from the group France.

    Made once for all tests of a file: what each of them does is undone.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield hide_something()
        transaction.set_rollback(True)


@pytest.fixture
def secret(workspace: Secret, db: None, settings: Any, tmp_path: Path) -> Secret:
    """The workspace, as one test has it for itself."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    cache.clear()
    return workspace
