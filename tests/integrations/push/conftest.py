"""Push services on this machine may be called."""

from ipaddress import ip_network
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _services_here(settings: Any, db: None) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.PUSH_HOSTS = ["127.0.0.1", "*.push.example"]
