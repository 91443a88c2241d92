"""Nothing that a test of criteria needs is made more than once."""

import pytest

from tests.segments.criteria.people import add_definitions


@pytest.fixture
def definitions(db: None) -> None:
    """Tags, events and the rest, as the catalog of these tests says."""
    add_definitions()
