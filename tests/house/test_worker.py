"""The tests' worker is a real one: another process, a real broker, the test's database."""

import subprocess
import time

from config.celery import app


def done_by_workers(task: str) -> int:
    stats = app.control.inspect(timeout=1.0).stats() or {}
    return sum(worker["total"].get(task, 0) for worker in stats.values())


def test_what_is_sent_to_either_queue_is_done(
    celery_worker_process: subprocess.Popen[bytes],
) -> None:
    for queue in ("default", "bulk"):
        app.send_task("celery.backend_cleanup", queue=queue)
    deadline = time.monotonic() + 60
    while done_by_workers("celery.backend_cleanup") < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert done_by_workers("celery.backend_cleanup") == 2
    assert celery_worker_process.poll() is None
