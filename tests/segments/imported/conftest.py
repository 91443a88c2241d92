"""The system that segments come from in these tests."""

from collections.abc import Iterator

import pytest

from tests.segments.imported.system import System, registered


@pytest.fixture
def system() -> Iterator[System]:
    """Registered as a connector registers one."""
    with registered() as made:
        yield made
