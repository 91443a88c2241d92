"""A mail server that does what a test tells it."""

from collections.abc import Iterator

import pytest

from integrations.connectors.mail import CONNECTOR
from tests.integrations.test_mail import office as office


@pytest.fixture(autouse=True)
def _no_line_to_another_server() -> Iterator[None]:
    """Each test has a mail server of its own."""
    CONNECTOR.close()
    yield
    CONNECTOR.close()
