"""The keeper of one embedded server: starts it, revives it, and stops it when nobody uses it.

Whoever needs a server holds a shared lock on a file (`servers.Lease`); the kernel lets it go when
that process ends, however it ends. The keeper stops the server as soon as it can have the same lock
for itself. So `make run` and any number of commands share a server, and the last one turns off the
light, even where the first one was killed.
"""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from .errors import StartRefused
from .postgres import Postgres
from .servers import lock_files
from .valkey import Valkey

READY, TAKEN = "ready", "taken"

_LOOK_EVERY_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger("keeper")


def keep(name: str, var: Path) -> int:
    """Start the server `name` of `var`, report on standard output, and stay until it is unused."""
    owner, users = (path.open("a") for path in lock_files(var, name))
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _report(TAKEN)
        return 0
    try:
        kind: type[Postgres] | type[Valkey] = {"postgres": Postgres, "valkey": Valkey}[name]
        server = kind.for_var(var, os.environ)
        process: subprocess.Popen[bytes] | None = server.start()
    except StartRefused as error:
        _report(str(error))
        return 1
    _report(READY)
    signal.signal(signal.SIGTERM, _leave)
    try:
        pause, tried_at = 0.0, time.monotonic()
        while not _nobody_uses(users.fileno()):
            time.sleep(_LOOK_EVERY_SECONDS)
            if process is not None and process.poll() is None:
                continue
            if process is not None:
                log.warning("%s ended (%s), starting it again", server.name, process.returncode)
                # One that lived for a while is started again at once.
                pause = 0.0 if time.monotonic() - tried_at > 60 else pause
                process = None
            if time.monotonic() - tried_at < pause:
                continue
            tried_at = time.monotonic()
            pause = min(max(2 * pause, 0.5), _LONGEST_PAUSE_SECONDS)
            try:
                process = server.start()
            except StartRefused as error:
                log.warning("%s", error)
    finally:
        if process is not None:
            server.stop(process)
    return 0


def _nobody_uses(users: int) -> bool:
    """True when no lease is left; from then on nobody gets one before this process has ended."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _report(line: str) -> None:
    """Tell the one who started this process, and let go of the pipe to it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    # Nobody's child: it outlives the one who started it while another one holds a lease.
    if os.fork() != 0:
        os._exit(0)
    # Ctrl-C is for those who use the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    raise SystemExit(keep(sys.argv[1], Path(sys.argv[2])))
