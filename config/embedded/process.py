"""Processes that end with the one that started them, and directories that are ours alone."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from .errors import StartRefused

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 10 * 2**20


@dataclass(frozen=True, slots=True)
class Account:
    """As whom a server runs: a command that goes before its own, or another user's number."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def owner(self) -> int:
        """To whom this account's files belong."""
        return os.getuid() if self.uid is None else self.uid

    @property
    def owner_group(self) -> int:
        """To which group they belong."""
        return os.getgid() if self.gid is None else self.gid

    def run(
        self, command: Sequence[str | Path], *, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end as this account, with `typed` as its standard input.

        One that this account may not run gives the code that a shell gives: 126.
        """
        try:
            return self._run(list(map(str, command)), typed)
        except OSError as error:
            return subprocess.CompletedProcess(command, 126, "", error.strerror)

    def _run(self, command: list[str], typed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, *command],
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )


@cache
def unprivileged_account() -> Account:
    """The account for a server that refuses root: ours, unless we are root.

    For root a user namespace first, in which root's files look like nobody's: nothing changes
    owner. Where namespaces are forbidden (containers, chroots) the user nobody.
    """
    if os.getuid() != 0:
        return Account()
    if unshare := shutil.which("unshare"):
        prefix = (unshare, "--user", "--map-user=65534", "--map-group=65534", "--")
        if Account(prefix).run(["true"]).returncode == 0:
            return Account(prefix)
    return _nobody()


def _nobody() -> Account:
    nobody = pwd.getpwnam("nobody")
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def spawn(
    command: Sequence[str | Path],
    *,
    output: int | IO[bytes] | None,
    dies_with: signal.Signals | None = signal.SIGTERM,
    account: Account | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | str = "/",
    holding: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches only its starter.

    It gets `dies_with` when this process ends, however it ends (Linux only). Call it from the main
    thread: Linux watches the thread that started the process. It keeps the file descriptors
    `holding`, and with them the locks on these files.
    """
    account = account or Account()
    return subprocess.Popen(
        [*account.prefix, *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=None if environ is None else dict(environ),
        start_new_session=True,
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        pass_fds=holding,
        preexec_fn=None if dies_with is None else _dying_with_parent(dies_with),
    )


def stop_with_parent() -> None:
    """Have this process get SIGTERM when the one that started it ends."""
    _dying_with_parent(signal.SIGTERM, parent=os.getppid())()


def _dying_with_parent(number: signal.Signals, parent: int | None = None) -> Callable[[], None]:
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = parent or os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def is_alive(pid: int) -> bool:
    """True when a process `pid` exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def command_name(pid: int) -> str:
    """The name of the program that process `pid` runs, or '' when there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
    if Path("/proc/self/comm").exists():
        return ""
    listing = subprocess.run(
        ["/bin/ps", "-p", str(pid), "-o", "comm="],
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(listing.stdout.strip()).name


def make_private(directory: Path, *, account: Account | None = None) -> None:
    """Make `directory` with mode 0700 for the account; refuse one that belongs to somebody else.

    Root takes over what its stand-in nobody owned at an earlier start, and the other way round.
    """
    account = account or Account()
    ours = {os.getuid(), account.owner} | ({_nobody().owner} if os.getuid() == 0 else set())
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise StartRefused(
                f"The directory {directory} belongs to another user, so that no server is started"
                " in it: remove it, or set REGULARS_VAR to a path of your own."
            )
        if found.st_uid != account.owner:
            os.chown(directory, account.owner, account.owner_group)
        if stat.S_IMODE(found.st_mode) != 0o700:
            directory.chmod(0o700)
    except OSError as error:
        raise StartRefused(
            f"The directory {directory} cannot be used ({error.strerror}): make it writable,"
            " or set REGULARS_VAR to another path."
        ) from error


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, with the seconds it is given, until the process has ended."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to; one that has grown long makes room as `NAME.1`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def last_lines(path: Path) -> list[str]:
    """The last lines of a log that are not empty; none when there is no log."""
    with contextlib.suppress(OSError), path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        lines = log.read().decode("utf-8", "replace").split("\n")
        return [line.strip() for line in lines if line.strip()]
    return []
