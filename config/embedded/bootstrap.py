"""Makes `.venv` and installs a lock file into it. Run by path, by any Python 3 that there is.

    python3 config/embedded/bootstrap.py requirements.lock

Does nothing when that lock is installed already. Needs neither root nor venv's own pip, which
Debian keeps in a package of its own: the system's pip does it then.
"""

import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
CHECKOUT = Path(__file__).resolve().parents[2]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"


def main(lock_name: str) -> int:
    """Install the lock file `lock_name` of the checkout; return the exit code."""
    if sys.version_info < OLDEST:
        return _hand_over(lock_name)
    with Path(__file__).open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        lock = CHECKOUT / lock_name
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        stamp = VENV / f".installed-{lock_name}"
        if _python_works():
            if stamp.exists() and stamp.read_text("ascii") == digest:
                return 0
        elif not _make_venv():
            return 1
        _say(f"Installing the packages of {lock_name} (the first time this takes a minute) …")
        if not _install(lock):
            return 1
        stamp.write_text(digest, "ascii")
    return 0


def _hand_over(lock_name: str) -> int:
    """Let a newer Python of this machine do it, if there is one."""
    for minor in range(14, 10, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, __file__, lock_name])  # noqa: S606 - no shell is wanted
    _say(
        f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old: 3.11 is the oldest that"
        " will do. For example: make PYTHON=/usr/bin/python3.11 run"
    )
    return 1


def _python_works() -> bool:
    """False too where the Python that `.venv` points to was upgraded away."""
    try:
        return subprocess.run([PYTHON, "-c", ""], check=False).returncode == 0
    except OSError:
        return False


def _make_venv() -> bool:
    _say(f"Making .venv with Python {sys.version_info[0]}.{sys.version_info[1]} …")
    try:
        builder = importlib.import_module("venv").EnvBuilder(clear=True, symlinks=True)
    except ImportError:
        _say("Python came without its module venv. On Debian: apt-get install python3-venv")
        return False
    builder.create(VENV)
    return True


def _install(lock: Path) -> bool:
    """Install by the first tool that can: uv, this Python's pip, the pip that `.venv` gets."""
    options = ["install", "--quiet", "--require-hashes", "-r", str(lock)]
    pip = ["-m", "pip", "--disable-pip-version-check", "--no-input"]
    tools = []
    if uv := shutil.which("uv"):
        tools.append([[uv, "pip", *options, "--compile-bytecode", "--python", str(PYTHON)]])
    tools.append([[sys.executable, *pip, "--python", str(PYTHON), *options]])
    tools.append([[str(PYTHON), "-m", "ensurepip"], [str(PYTHON), *pip, *options]])
    complaints = []
    for commands in tools:
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                complaints.append(f"$ {' '.join(command)}\n{done.stderr.strip()}")
                break
        else:
            return True
    _say("\n\n".join(complaints))
    _say(
        f"The packages of {lock.name} could not be installed, for the reasons above. Where pip is"
        " missing, on Debian: apt-get install python3-pip"
    )
    return False


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
