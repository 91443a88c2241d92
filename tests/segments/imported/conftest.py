"""The system that segments come from in these tests."""

from collections.abc import Iterator

import pytest

from integrations.vendors import importers, registry
from segments.imported.syncing import SYNCS
from tests.segments.imported.system import KIND, System, vendor


@pytest.fixture
def system() -> Iterator[System]:
    """Registered as a connector registers one."""
    made = System()
    registry.register_vendor(vendor())
    importers.register_importer(KIND, made.importer)
    for sync in SYNCS:
        registry.register_sync(KIND, sync)
    try:
        yield made
    finally:
        del registry._vendors[KIND], registry._syncs[KIND], importers._importers[KIND]
