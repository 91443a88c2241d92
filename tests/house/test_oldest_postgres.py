"""What people rely on works with the oldest PostgreSQL that we support, too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded import postgres
from config.embedded.paths import CHECKOUT

OLDEST = Path("/usr/lib/postgresql/15/bin")
SUITES = (
    *("tests/architecture", "tests/contacts", "tests/segments", "tests/walks", "tests/workspace"),
    "tests/api",
)


@pytest.mark.long
def test_the_suite_passes_on_the_oldest_postgres(tmp_path: Path) -> None:
    if postgres.major_version(OLDEST) is None:
        pytest.skip(f"PostgreSQL 15 is not in {OLDEST}")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "BROKER_URL", "CACHE_URL", "REGULARS_TEST_VALKEY"}
        and not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not long", *SUITES],
        cwd=CHECKOUT,
        env={**inherited, "POSTGRES_BIN": str(OLDEST), "REGULARS_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
