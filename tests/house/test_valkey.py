"""The embedded Valkey keeps what it acknowledged."""

import os
from pathlib import Path

import redis

from config.embedded import valkey
from config.embedded.valkey import Valkey


def client(server: Valkey) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(server.socket_dir / "valkey.sock"))


def test_killing_the_server_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    server = Valkey.for_var(tmp_path, os.environ)
    process = server.start()
    with client(server) as connection:
        for number in range(500):
            connection.rpush("queue", number)
    process.kill()
    process.wait()
    process = server.start()
    with client(server) as connection:
        assert connection.llen("queue") == 500
    server.stop(process)
    assert process.returncode == 0
    assert not valkey.is_live(tmp_path)


def test_the_server_never_evicts_what_was_queued_and_listens_on_a_socket_only(
    tmp_path: Path,
) -> None:
    server = Valkey.for_var(tmp_path, os.environ)
    process = server.start()
    try:
        with client(server) as connection:
            settings = connection.config_get("maxmemory-policy", "port", "appendonly")
        mode = server.socket_dir.stat().st_mode & 0o777
    finally:
        server.stop(process)
    assert settings == {"maxmemory-policy": "noeviction", "port": "0", "appendonly": "yes"}
    assert mode == 0o700


def test_a_predecessor_that_is_on_its_way_out_is_waited_for(tmp_path: Path) -> None:
    server = Valkey.for_var(tmp_path, os.environ)
    leaving = server.start()
    leaving.terminate()
    process = server.start()
    assert valkey.is_live(tmp_path)
    server.stop(process)
    leaving.wait()
