"""Sources that send events."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from integrations import sources
from integrations.ingestion import refusals
from tests.integrations.sending import Sender
from workspace.access import SYSTEM


@pytest.fixture(autouse=True, scope="session")
def _static_files() -> None:
    """The server looks for them when it starts."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _as_after_a_start(db: None) -> Iterator[None]:
    """Nothing was counted or told yet."""
    cache.clear()
    refusals._told.clear()
    yield
    refusals._told.clear()


@pytest.fixture
def shop(db: Any) -> Sender:
    """A source of the kind server."""
    return Sender(sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())[1])


@pytest.fixture
def site(db: Any) -> Sender:
    """A source of the kind web."""
    _source, write_key = sources.create_source(
        name="Site", kind="web", actor=SYSTEM, at=timezone.now()
    )
    return Sender(write_key)
