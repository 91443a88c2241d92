"""Workers are killed while a vendor is at work for them; what others do after is right.

Real processes, a real broker, vendors on this machine. Who died is found by its silence, which
takes minutes: here the clock of who looks is put forward instead.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from contacts.models import Contact
from integrations import announcements, outbound, outbox
from integrations.models import Delivery, VendorConnection, VendorSync
from integrations.sandbox.dotdigital import Dotdigital
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.segment import Segment as Twilio
from integrations.sandbox.server import Fault, Sandbox, running
from integrations.vendors import connections, syncing
from integrations.webhooks import create_webhook
from loyalty.models import Member
from segments import membership
from segments.audiences import audiences
from segments.audiences.models import Audience, AudienceMember
from segments.imported import importing
from segments.models import Membership, MembershipChange, Segment
from tests.commands import command
from tests.conftest import celery_worker
from tests.contract.months.facts import GIVEN, Hook
from tests.factories import make_contact
from tests.house.test_make_run import wait_until
from tests.segments.factories import make_segment
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job, Website

pytestmark = pytest.mark.long
PEOPLE = 40
COLLECTION = "SS_Segmentation_Data"


@pytest.fixture
def vendors(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Run a vendor's system, to which this process and its workers are led by these settings."""
    monkeypatch.setenv("OUTBOUND_ALLOW", "127.0.0.0/8")
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with ExitStack() as stack:

        def run(box: Sandbox, *names: str) -> Sandbox:
            stack.enter_context(running(box))
            for name in names:
                monkeypatch.setenv(name, box.url)
                setattr(settings, name, box.url)
            return box

        yield run
        outbound.hang_up()


@pytest.fixture
def people(transactional_db: None) -> list[Contact]:
    at = timezone.now()
    return [
        make_contact(
            email=f"p{number}@shop.test",
            external_id=f"u{number}",
            city="Warszawa",
            birth_date=f"{1950 + number}-05-01",
            at=at,
        )
        for number in range(PEOPLE)
    ]


def authorize(kind: str, credentials: dict[str, str], **given: Any) -> VendorConnection:
    return connections.authorize_connection(
        kind=kind, credentials=credentials, actor=SYSTEM, at=timezone.now(), **given
    )


def at_dotdigital(box: Dotdigital) -> VendorConnection:
    website = Website.objects.create(key="main", name="Main")
    given = {"username": box.username, "password": box.password}
    return authorize("dotdigital", given, websites=[website])


def kill_and_take_up(
    log: Path,
    begin: Callable[[], Any],
    until: Callable[[], Any],
    meanwhile: Callable[[], Any] = lambda: None,
) -> Job:
    """Have a worker begin, kill it at a moment, and have another one take up what it left."""
    with celery_worker(log / "first.log") as worker:
        begin()
        assert wait_until(until, seconds=60), (log / "first.log").read_text()[-4000:]
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    meanwhile()
    job = Job.objects.order_by("-pk").filter(state="running").get()
    with celery_worker(log / "second.log"):
        jobs.sweep(at=timezone.now() + jobs.SILENCE_LIMIT + timedelta(minutes=1))
        over = ["succeeded", "failed", "cancelled"]
        done = Job.objects.filter(pk=job.pk, state__in=over)
        assert wait_until(done.exists, seconds=120), (log / "second.log").read_text()[-4000:]
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 2), job.message
    assert not VendorSync.objects.filter(state="running").exists()
    return job


def test_an_import_that_runs_when_its_worker_dies_is_asked_about_and_not_sent_again(
    vendors: Callable[..., Any], celery_not_eager: None, people: list[Contact], tmp_path: Path
) -> None:
    box = vendors(Dotdigital(seconds=3), "DOTDIGITAL_URL")
    box.learn(one.email for one in people)
    connection = at_dotdigital(box)
    done = kill_and_take_up(
        tmp_path,
        lambda: syncing.request_sync(
            connection.pk, actor=SYSTEM, at=timezone.now(), names=["metrics"]
        ),
        lambda: connection.upload_chunks.filter(state="submitted").exists(),
    )
    assert done.result["metrics"]["sent"] == PEOPLE
    assert set(box.records(COLLECTION)) == {f"{one.email}:main" for one in people}
    assert len(box.asked("/insightData/v3/import", method="PUT")) == 1


def test_a_reading_of_emarsys_that_dies_is_done_once_from_its_beginning(
    vendors: Callable[..., Any], celery_not_eager: None, people: list[Contact], tmp_path: Path
) -> None:
    box = vendors(EmarsysSandbox(), "EMARSYS_URL", "EMARSYS_AUTH_URL")
    box.run_seconds = 3.0
    remote = box.add_segment("Readers", [one.email for one in people])
    Member.objects.bulk_create(Member(contact=one, joined_at=timezone.now()) for one in people[::2])
    [(user, secret)] = box.clients.items()
    connection = authorize("emarsys", {"user": user, "secret": secret})
    box.chaos = lambda request: Fault(delay=3) if "/contactlist/" in request.path else None

    def is_reading() -> bool:
        is_there = bool(box.asked("/contactlist/"))
        if is_there:
            box.chaos = lambda request: None
        return is_there

    kill_and_take_up(
        tmp_path,
        lambda: importing.import_segments(
            connection, [str(remote.id)], actor=SYSTEM, at=timezone.now()
        ),
        is_reading,
    )
    segment = Segment.objects.get(source="imported")
    members = Membership.objects.filter(segment=segment).values_list("contact_id", flat=True)
    assert set(members) == {one.pk for one in people[::2]}
    assert MembershipChange.objects.filter(segment=segment).count() == PEOPLE // 2


def test_a_list_that_is_being_filled_when_its_worker_dies_is_filled_and_made_once(
    vendors: Callable[..., Any], celery_not_eager: None, people: list[Contact], tmp_path: Path
) -> None:
    box = vendors(Dotdigital(seconds=2), "DOTDIGITAL_URL")
    connection = at_dotdigital(box)
    segment = make_segment(at=timezone.now())
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test", wait=True)

    def let_time_pass() -> None:
        assert AudienceMember.objects.filter(state="adding").count() == PEOPLE
        # As if the five minutes were over in which what is lost may still arrive.
        Audience.objects.update(lost_at=timezone.now() - timedelta(minutes=6))

    def begin() -> None:
        audiences.begin_audience(
            segment, connection_id=connection.pk, actor=SYSTEM, at=timezone.now()
        )

    kill_and_take_up(
        tmp_path,
        begin,
        lambda: box.asked("/contacts/v3/import", method="PUT"),
        let_time_pass,
    )
    assert box.members("Poles") == {one.email for one in people}
    assert len(box.contacts.lists) == 1
    assert Audience.objects.get().there_count == PEOPLE


def payload_of(number: int) -> dict[str, Any]:
    at = timezone.now().isoformat()
    return {"id": f"once:{number}", "type": "export.ready", "created_at": at, "data": {}}


def test_facts_on_their_way_when_their_sender_dies_arrive_once_and_in_order(
    vendors: Callable[..., Any], people: list[Contact]
) -> None:
    box, hook = vendors(Twilio(), "SEGMENT_URL"), vendors(Hook())
    authorize(
        "segment",
        {"write_key": box.write_key},
        settings={"types": [GIVEN], "per_second": 1000},
    )
    webhook, _secret = create_webhook(
        url=f"{hook.url}/hook", types=["export.ready"], actor=SYSTEM, at=timezone.now()
    )
    once = [
        outbox.Message(f"once:{n}", webhook.pk, "export.ready", payload_of(n), repeats=False)
        for n in range(8)
    ]
    for turn in range(3):
        facts = [announcements.Fact(f"{turn}:{one.pk}", {"turn": turn}, one.pk) for one in people]
        announcements.announce(GIVEN, facts, at=timezone.now())
    outbox.enqueue(once, at=timezone.now())
    # Taken, and not yet answered: at the second call, when the first of each was told.
    slow = Fault(delay=4)
    box.chaos = lambda request: slow if len(box.asked("/v1/batch")) == 2 else None
    hook.chaos = lambda request: slow if hook.got.total() >= 2 else None
    with command("run_rounds") as process:
        assert wait_until(
            lambda: len(box.asked("/v1/batch")) >= 2 and len(hook.asked("/hook")) > 2, seconds=60
        )
        process.kill()
        process.wait()
    box.chaos = hook.chaos = lambda request: None
    assert Delivery.objects.filter(state="in_flight").exists()
    # As if its lease were over.
    Delivery.objects.filter(state="in_flight").update(
        claimed_at=timezone.now() - outbox.LEASE - timedelta(seconds=5)
    )
    with command("run_rounds"):
        waiting = Delivery.objects.filter(state__in=["queued", "in_flight"])
        assert wait_until(lambda: not waiting.exists(), seconds=150)
    of_segment = Delivery.objects.filter(kind=GIVEN)
    assert set(of_segment.values_list("state", flat=True)) == {"delivered"}
    told = [(one["userId"], one["properties"]["turn"]) for one in box.events]
    assert Counter(told) == Counter((f"u{n}", turn) for n in range(PEOPLE) for turn in range(3))
    for user_id in {user_id for user_id, _turn in told}:
        assert [turn for one, turn in told if one == user_id] == [0, 1, 2]
    assert not [key for key, count in hook.got.items() if count > 1], "at most once"
    fates = dict(Delivery.objects.filter(kind="export.ready").values_list("key", "state"))
    assert set(fates.values()) <= {"delivered", "failed"}
    assert "failed" in fates.values(), "what was on its way is not known to have arrived"
    assert {key for key, state in fates.items() if state == "delivered"} <= set(hook.got)
