"""What tests of this room share."""

import pytest
from django.conf import settings


@pytest.fixture(autouse=True, scope="session")
def _static_files() -> None:
    """The server looks for them when it starts."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
