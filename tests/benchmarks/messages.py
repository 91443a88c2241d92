"""How fast messages of journeys are planned, written out and sent, into a server that only takes.

In a database of its own, which is gone afterwards; no other engine takes part.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from time import process_time, sleep

import django
from django.test import override_settings
from django.utils import timezone

from integrations import templates
from integrations.models import Delivery
from integrations.sending import Senders
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.engine import admissions, tick
from journeys.messages import composing
from journeys.models import Journey, JourneyVersion, Message
from workspace import sql
from workspace.access import SYSTEM

from . import mail_sink
from .bench_workspace import empty_workspace
from .clock import seconds
from .report import Report

_DRAWING = {
    "nodes": [
        {"id": "start", "kind": "event_entry", "config": {"event": "x"}},
        {"id": "first", "kind": "message", "config": {"email": "first"}},
    ],
    "edges": [{"from": "start", "to": "first"}],
}
_HTML = (
    "<style>h1 { color: #333 } td { padding: 4px }</style><h1>Hello {{ contact.first_name }}</h1>"
    + "<table>"
    + "".join(
        f"<tr><td><a href='https://shop.example/p/{number}'>Thing {number}</a></td></tr>"
        for number in range(20)
    )
    + "</table><p><a href='{{ unsubscribe_url }}'>No more</a></p>"
)
_EMAIL = "django.core.mail.backends.smtp.EmailBackend"


def run(*, message_count: int, writes: bool) -> int:
    """Measure with so many; returns 1 where one was not sent, or twice."""
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    report = Report("Messages of journeys", versions, has_targets=False)
    with empty_workspace(), _mail_server():
        rows = [_measure_plan(message_count), _measure_composing(), _measure_sending()]
        report.add_table(
            "E-mails with twenty links, HTML and text",
            ("what", "messages", "seconds", "a second", "of our processor, each"),
            [
                (
                    what,
                    f"{message_count:,}",
                    f"{taken:.1f}",
                    f"{message_count / taken:,.0f}",
                    f"{processor / message_count * 1000:.2f} ms",
                )
                for what, taken, processor in rows
            ],
        )
        is_wrong = Message.objects.filter(state="sent").count() != message_count
        is_wrong |= Delivery.objects.filter(attempts__gt=1).exists()
    report.finish()
    if writes and not is_wrong:
        report.write()
    return int(is_wrong)


# What was done, how long it took, and how long of it this process had the processor.
_Measured = tuple[str, float, float]


def _measured(what: str, do: Callable[[], object]) -> _Measured:
    before = process_time()
    taken = seconds(do)
    return what, taken, process_time() - before


def _measure_plan(count: int) -> _Measured:
    at = timezone.now()
    sql.execute(
        "INSERT INTO contacts_contact (email, first_name)"
        " SELECT 'c' || n || '@example.com', 'C' || n FROM generate_series(1, %s) n",
        [count],
    )
    templates.create_template(
        name="First",
        key="first",
        subject="Hello {{ contact.first_name }}",
        html=_HTML,
        actor=SYSTEM,
        at=at,
    )
    journey = Journey.objects.create(key="bench", name="Bench", state="live", drawing=_DRAWING)
    version = JourneyVersion.objects.create(
        journey=journey,
        number=1,
        drawing=_DRAWING,
        places=make_plan(read(_DRAWING)).as_json(),
        published_at=at,
    )
    admissions.admit(
        version, "SELECT id AS contact_id FROM contacts_contact", {}, at=at, cause="bench"
    )
    return _measured("planned by a tick", lambda: tick.tick_version(version, as_of=at))


def _measure_composing() -> _Measured:
    def write_out() -> None:
        while composing.compose_due(timezone.now()):
            pass

    return _measured("written out", write_out)


def _measure_sending() -> _Measured:
    senders = Senders()

    def send() -> None:
        while Delivery.objects.filter(state__in=("queued", "in_flight")).exists():
            senders.wake(timezone.now())
            sleep(0.05)

    measured = _measured("sent over SMTP, by one process", send)
    senders.stop()
    return measured


@contextmanager
def _mail_server() -> Iterator[None]:
    """A mail server in a process of its own, so that it takes no time from who sends."""
    context = get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=mail_sink.serve, args=(its,), daemon=True)
    process.start()
    its.close()
    port = ours.recv()
    try:
        with override_settings(EMAIL_BACKEND=_EMAIL, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port):
            yield
    finally:
        ours.send(None)
        process.join()
