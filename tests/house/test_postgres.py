"""The embedded PostgreSQL survives what happens to processes and directories."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import paths, postgres
from config.embedded.errors import StartRefused
from config.embedded.postgres import Postgres
from config.embedded.process import Account


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Postgres]]:
    """Servers whose sockets may lie in /tmp: those directories go with the test."""
    made: list[Postgres] = []

    def make(var: Path = tmp_path / "var") -> Postgres:
        server = Postgres.for_var(var, os.environ)
        made.append(server)
        return server

    yield make
    for server in made:
        shutil.rmtree(server.socket_dir, ignore_errors=True)


def connect(server: Postgres) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(postgres.address(server.socket_dir), connect_timeout=5)


@pytest.mark.walk
def test_killing_the_server_under_writers_loses_no_acknowledged_commit(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    process = server.start()
    with connect(server) as connection:
        connection.execute("CREATE TABLE entry (writer int, number int)")
    acknowledged: set[tuple[object, ...]] = set()

    def write(writer: int) -> None:
        with connect(server) as connection:
            for number in range(1_000_000):
                try:
                    connection.execute("INSERT INTO entry VALUES (%s, %s)", (writer, number))
                    connection.commit()
                except psycopg.OperationalError:
                    return
                acknowledged.add((writer, number))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in writers:
        thread.start()
    time.sleep(0.5)
    process.kill()
    process.wait()
    for thread in writers:
        thread.join()

    process = server.start()
    try:
        with connect(server) as connection:
            found = set(connection.execute("SELECT writer, number FROM entry").fetchall())
    finally:
        server.stop(process)
    assert len(acknowledged) > 50
    assert acknowledged <= found


@pytest.mark.walk
def test_a_pid_file_whose_number_now_belongs_to_another_program_is_stale(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    process = server.start()
    pid_file = server.data / "postmaster.pid"
    text = pid_file.read_text("utf-8")
    process.kill()
    process.wait()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(text.replace(str(process.pid), str(stranger.pid), 1), "utf-8")
        process = server.start()
        server.stop(process)
        assert stranger.poll() is None, "the other program is not ours to end"
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.walk
def test_a_server_that_lost_its_owner_is_stopped_and_replaced(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    orphan = server.start()
    process = server.start()
    assert orphan.wait(10) == 0
    with connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop(process)
    assert process.returncode == 0


@pytest.mark.walk
def test_data_that_were_left_unfinished_are_made_again(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    half = server.home / "data.new"
    half.mkdir(parents=True, mode=0o700)
    (half / "PG_VERSION").write_text("18\n", "ascii")
    server.stop(server.start())
    assert not half.exists()


@pytest.mark.walk
@pytest.mark.parametrize("folder", ["d" * 60 + "/" + "e" * 60, "with spaces & ümlauts %41"])
def test_a_path_that_no_socket_can_have_works_all_the_same(
    make_server: Callable[..., Postgres], tmp_path: Path, folder: str
) -> None:
    var = tmp_path / folder / "var"
    server = make_server(var)
    process = server.start()
    try:
        assert postgres.is_live(var)
        with psycopg.connect(postgres.connection_url(var)) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == ("regulars",)
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop(process)
    assert not postgres.is_live(var)


@pytest.mark.walk
def test_nothing_is_started_in_a_socket_directory_of_somebody_else(
    make_server: Callable[..., Postgres], tmp_path: Path
) -> None:
    server = make_server(tmp_path / ("d" * 120))
    server.socket_dir.symlink_to(tmp_path)
    try:
        with pytest.raises(StartRefused, match="belongs to another user"):
            server.start()
    finally:
        server.socket_dir.unlink()


def test_data_of_another_major_version_are_refused_in_one_sentence(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    server.data.mkdir(parents=True, mode=0o700)
    (server.data / "PG_VERSION").write_text("14\n", "ascii")
    with pytest.raises(StartRefused) as refusal:
        server.start()
    assert str(refusal.value).startswith("Setting POSTGRES_BIN must name PostgreSQL 14")
    assert str(refusal.value).endswith("For example: POSTGRES_BIN=/usr/lib/postgresql/14/bin")


def test_a_folder_without_postgres_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartRefused) as refusal:
        postgres.find_binaries({"POSTGRES_BIN": str(tmp_path)})
    assert str(refusal.value) == (
        f"Setting POSTGRES_BIN names {tmp_path}, where no postgres program runs."
        " For example: POSTGRES_BIN=/usr/lib/postgresql/15/bin"
    )


def test_the_server_listens_on_its_owners_socket_only(
    make_server: Callable[..., Postgres],
) -> None:
    server = make_server()
    process = server.start()
    try:
        with connect(server) as connection:
            addresses = connection.execute("SHOW listen_addresses").fetchone()
            durable = connection.execute(
                "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
            ).fetchone()
    finally:
        server.stop(process)
    assert addresses == ("",)
    assert durable == ("on", "on")
    assert server.data.stat().st_mode & 0o077 == 0


@pytest.mark.walk
def test_the_server_ends_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path;"
        "from config.embedded.postgres import Postgres;"
        "s = Postgres.for_var(Path(sys.argv[1]), os.environ);"
        "print(s.start().pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "var")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=paths.CHECKOUT,
    )
    assert starter.stdout is not None
    with starter.stdout:
        pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert not (tmp_path / "var/postgres/data/postmaster.pid").exists(), "it shut down cleanly"


@pytest.mark.walk
@pytest.mark.skipif(os.getuid() != 0, reason="only root needs a stand-in")
def test_root_without_user_namespaces_runs_it_as_nobody_even_under_a_private_directory(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    nobody = pwd.getpwnam("nobody")
    server = Postgres.for_var(tmp_path, os.environ)
    server.account = Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    process = server.start()
    elsewhere = (tmp_path / "postgres").resolve()
    try:
        with psycopg.connect(postgres.connection_url(tmp_path)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert Path(f"/proc/{process.pid}").stat().st_uid == nobody.pw_uid
        assert elsewhere.is_relative_to("/var/lib")
    finally:
        server.stop(process)
        shutil.rmtree(elsewhere)
