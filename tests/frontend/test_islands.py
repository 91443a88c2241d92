"""The islands' own tests, run by vitest, and their committed bundles."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_BUNDLES = (
    _CHECKOUT / "segments" / "static" / "segments" / "criteria_builder",
    _CHECKOUT / "journeys" / "static" / "journeys" / "canvas",
)
_OLDEST = (20, 19)
_LARGEST = 700_000


def _run(*command: str, seconds: int = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=_CHECKOUT, capture_output=True, text=True, timeout=seconds, check=False
    )


def _lacking() -> str:
    """What is missing to run the islands' tests; nothing where all is there."""
    if not shutil.which("npm") or not shutil.which("node"):
        return "no Node was found"
    found = re.match(r"v(\d+)\.(\d+)", _run("node", "--version").stdout)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        return "Node is older than {}.{}".format(*_OLDEST)
    return ""


@pytest.fixture(scope="module")
def npm() -> str:
    """npm with the packages of the lock file; without them the tests are skipped, or fail."""
    reason = _lacking()
    if not reason and _run("sh", "config/islands.sh", "install").returncode != 0:
        reason = "npm could not install the packages of package-lock.json"
    if reason:
        message = f"THE ISLANDS WERE NOT TESTED: {reason}."
        if os.environ.get("REQUIRE_NODE", "") not in {"", "0"}:
            pytest.fail(f"REQUIRE_NODE is set. {message}", pytrace=False)
        pytest.skip(message)
    return "npm"


@pytest.mark.walk
def test_the_models_of_the_islands_hold_in_vitest(npm: str) -> None:
    result = _run(npm, "test", "--silent", "--", "--reporter=dot", "--no-color")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("bundle", _BUNDLES, ids=lambda bundle: str(bundle.name))
def test_the_bundle_is_small_enough_and_evaluates_no_text(bundle: Path) -> None:
    script = (bundle / f"{bundle.name}.js").read_text(encoding="utf-8")
    style = (bundle / f"{bundle.name}.css").read_text(encoding="utf-8")
    assert len(script) + len(style) < _LARGEST
    assert not re.search(r"\beval\(|new Function\(", script)
    assert "url(" not in style


def test_the_lock_file_names_no_host() -> None:
    assert "resolved" not in (_CHECKOUT / "package-lock.json").read_text(encoding="utf-8")
