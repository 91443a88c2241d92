"""A vendor to connect to."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from tests.integrations.vendors.acme import Acme, acme


@pytest.fixture
def vendor(settings: Any) -> Iterator[Acme]:
    """A vendor's system that keeps records of websites."""
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with acme() as sandbox:
        yield sandbox
