"""A mail server that does what a test tells it."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.connectors.mail import CONNECTOR
from tests.integrations.test_mail import office as office


@pytest.fixture(autouse=True)
def _no_line_to_another_server() -> Iterator[None]:
    """Each test has a mail server of its own."""
    CONNECTOR.close()
    yield
    CONNECTOR.close()


@pytest.fixture(autouse=True)
def _styles_as_they_are(settings: Any) -> None:
    """Pages name their styles without a collected manifest."""
    storage = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
