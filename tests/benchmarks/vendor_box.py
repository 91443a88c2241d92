"""The sandbox of a vendor in a process of its own, which knows nothing of the product."""

import threading
import time
from multiprocessing.connection import Connection

from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.server import make_server


def serve(pipe: Connection, count: int) -> None:
    """Answer as a Dotdigital that knows so many contacts; tell where, and how to authorize.

    To whatever else comes through the pipe it answers how many seconds it has worked.
    """
    box = Dotdigital()
    box.rates = dict.fromkeys(box.rates, 1_000_000)
    server = make_server(box)
    box.learn(f"c{number}@example.com" for number in range(1, count + 1))
    pipe.send((box.url, {"username": box.username, "password": box.password}))
    threading.Thread(target=_tell_work, args=(pipe,), daemon=True).start()
    server.serve_forever()


def _tell_work(pipe: Connection) -> None:
    while True:
        pipe.recv()
        pipe.send(time.process_time())
