"""The sandbox of a vendor in a process of its own, which knows nothing of the product."""

from multiprocessing.connection import Connection

from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.server import make_server


def serve(pipe: Connection, count: int) -> None:
    """Answer as a Dotdigital that knows so many contacts; tell where, and how to authorize."""
    box = Dotdigital()
    box.rates = dict.fromkeys(box.rates, 1_000_000)
    server = make_server(box)
    box.learn(f"c{number}@example.com" for number in range(1, count + 1))
    pipe.send((box.url, {"username": box.username, "password": box.password}))
    server.serve_forever()
