"""Runs of actions: once and whole whatever happens to their workers, cancelled, undone."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from contacts.erasure import erase_contact
from contacts.models import ConsentDefinition, ConsentEntry, Contact, ContactTag, Tag
from segments import action_runs, action_undo, action_writes, actions
from segments.errors import ActionNotUndoable
from segments.models import Membership, Segment, SegmentAction, SegmentActionChange
from tests.segments.apart import Apart
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    do_work,
    make_contacts,
    make_segment,
    refresh,
)
from workspace import jobs, locks, retention
from workspace.access import SYSTEM
from workspace.jobs import Work
from workspace.models import AuditEntry, Job

ever = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.django_db


@pytest.fixture
def vip(db: None) -> Tag:
    return Tag.objects.create(key="vip", label="VIP")


@pytest.fixture
def poles(db: None) -> Segment:
    make_contacts("Warszawa", "Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment)
    return segment


def _plan(segment: Segment, kind: str = "add_tag", key: str = "vip", **given: Any) -> SegmentAction:
    return actions.plan_action(
        segment, actor=SYSTEM, at=given.pop("at", NOW), kind=kind, key=key, **given
    )


def _tagged() -> set[int]:
    return set(ContactTag.objects.values_list("contact_id", flat=True))


def _members(segment: Segment) -> set[int]:
    found = Membership.objects.filter(segment=segment)
    return set(found.values_list("contact_id", flat=True))


def _work(action: SegmentAction) -> Work:
    return Work(job=Job.objects.get(pk=action.runs.get().job_id or 0), actor=SYSTEM)


class Killed(BaseException):
    """The worker dies here."""


class _Dying(Work):
    """Work whose worker dies when all is written, and nothing is committed yet."""

    def advance(self, done: int, total: int | None = None, message: str = "") -> None:
        if done:
            raise Killed


# --- Once and whole ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["add_tag", "remove_tag", "add_consent"])
def test_a_run_that_is_killed_leaves_nothing_and_its_repetition_does_all(
    poles: Segment, vip: Tag, kind: str
) -> None:
    ConsentDefinition.objects.create(key="vip", label="VIP offers")
    if kind == "remove_tag":
        _plan(poles)
        do_work()
    before = _tagged()
    action = _plan(poles, kind)
    run = action.runs.get()
    dying = _Dying(_work(action).job, SYSTEM)
    with pytest.raises(Killed):
        action_runs.execute(run.pk, work=dying, at=NOW)
    run.refresh_from_db()
    assert (run.state, run.changed_count) == ("running", None)
    assert _tagged() == before
    assert not ConsentEntry.objects.exists()
    first = action_runs.execute(run.pk, work=_work(action), at=NOW)
    again = action_runs.execute(run.pk, work=_work(action), at=NOW + HOUR)
    assert first == again
    assert (first["changed"], first["unchanged"]) == (3, 0)
    if kind == "add_consent":
        assert ConsentEntry.objects.count() == 3
    else:
        assert _tagged() == (_members(poles) if kind == "add_tag" else set())
    ran = AuditEntry.objects.filter(action="segment.action_run", changes__run=[None, str(run.pk)])
    assert ran.count() == 1


def test_a_job_whose_worker_died_is_taken_up_and_counts_once(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    job = _work(action).job
    action_runs.execute(action.runs.get().pk, work=_work(action), at=NOW)
    # It was killed between the commit and the word that it had ended.
    Job.objects.filter(pk=job.pk).update(state="queued")
    done = jobs.run(job.pk)
    assert done is not None
    assert (done.state, done.result["changed"]) == ("succeeded", 3)
    action.refresh_from_db()
    assert action.state == "done"


@ever
def test_two_workers_with_the_same_run_change_everybody_once(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    run = action.runs.get()
    works = [
        Apart(lambda: action_runs.execute(run.pk, work=_work(action), at=NOW)) for _ in range(4)
    ]
    results = [work.join().result for work in works]
    assert all(result == results[0] for result in results)
    assert results[0]["changed"] == 3
    assert SegmentActionChange.objects.count() == 3
    assert AuditEntry.objects.filter(action="segment.action_run").count() == 1


@ever
def test_ten_sweeps_at_once_begin_an_action_once(vip: Tag) -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    action = _plan(segment)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE segments_segment SET refresh_requested_at = NULL")
    Segment.objects.update(calculated_at=NOW)
    sweeps = [Apart(lambda: action_runs.run_due(as_of=NOW)) for _ in range(10)]
    begun = [one for sweep in sweeps for one in sweep.join().result]
    assert begun == [action]
    assert action.runs.count() == 1


@ever
def test_while_an_action_runs_no_refresh_changes_the_members(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    with transaction.atomic():
        locks.lock(f"segments refresh {poles.pk}")
        run = Apart(lambda: action_runs.execute(action.runs.get().pk, work=_work(action), at=NOW))
        assert run.is_waiting
        newcomer = Contact.objects.create(city="Warszawa").pk
        Membership.objects.create(segment=poles, contact_id=newcomer, entered_at=NOW)
    assert run.join().result["members"] == 4
    assert newcomer in _tagged()


@ever
def test_a_cancelled_run_leaves_nothing(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    job = _work(action).job
    with transaction.atomic():
        locks.lock(f"segments refresh {poles.pk}")
        run = Apart(lambda: jobs.run(job.pk))
        assert run.is_waiting
        Apart(lambda: actions.cancel_action(action, actor=SYSTEM, at=NOW)).join()
        assert run.join().result.state == "cancelled"
    action.refresh_from_db()
    assert (action.state, action.runs.get().state) == ("cancelled", "cancelled")
    assert _tagged() == set()


@ever
def test_who_is_erased_meanwhile_gets_nothing(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    erased = min(_members(poles))
    with transaction.atomic():
        erase_contact(erased, actor=SYSTEM, at=timezone.now())
        run = Apart(lambda: action_runs.execute(action.runs.get().pk, work=_work(action), at=NOW))
        assert run.is_waiting
    assert run.join().result["changed"] == 2
    assert erased not in _tagged()


def test_members_go_through_in_ranges(
    poles: Segment, vip: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_contacts(*["Warszawa"] * 4)
    refresh(poles)
    told: list[int] = []
    for size in (1, 2, 3, 7, 8):
        monkeypatch.setattr(action_writes, "RANGE", size)
        action = _plan(poles)
        work = _work(action)
        done = action_runs.execute(action.runs.get().pk, work=work, at=NOW)
        assert (done["members"], work.done, work.total) == (7, 7, 7)
        told.append(done["changed"])
    assert told == [7, 0, 0, 0, 0]


def test_a_run_whose_job_was_lost_says_so(poles: Segment, vip: Tag) -> None:
    failed, repeated = _plan(poles), _plan(poles, when="after_refresh")
    refresh(poles, as_of=NOW + HOUR)
    action_runs.run_due(as_of=NOW + HOUR)
    Job.objects.update(state="failed", message="It failed by a defect.")
    action_runs.run_due(as_of=NOW + HOUR)
    failed.refresh_from_db()
    assert (failed.state, failed.reason) == ("failed", "It failed by a defect.")
    repeated.refresh_from_db()
    assert (repeated.state, repeated.runs.get().state) == ("planned", "failed")
    refresh(poles, as_of=NOW + 2 * HOUR)
    assert action_runs.run_due(as_of=NOW + 2 * HOUR) == [repeated], "the next one is a new chance"


def test_a_job_that_was_cancelled_while_it_waited_ends_its_run(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    jobs.cancel(_work(action).job, actor=SYSTEM, at=NOW)
    action_runs.settle(at=NOW)
    action.refresh_from_db()
    assert action.state == "cancelled"


# --- Undone --------------------------------------------------------------------------------------


def test_undo_takes_back_only_what_the_run_gave_and_is_still_so(poles: Segment, vip: Tag) -> None:
    had, given, lost = sorted(_members(poles))
    ContactTag.objects.create(contact_id=had, tag=vip)
    action = _plan(poles)
    do_work()
    ContactTag.objects.filter(contact_id=lost).delete()
    ContactTag.objects.create(contact_id=lost, tag=vip, added_at=NOW + HOUR)
    run = action.runs.get()
    action_undo.request_undo(run, actor=SYSTEM, at=NOW)
    do_work(at=NOW + HOUR)
    assert _tagged() == {had, lost}
    run.refresh_from_db()
    assert (run.undone_count, run.undone_at) == (1, NOW + HOUR)
    assert not SegmentActionChange.objects.exists()
    assert given not in _tagged()


def test_undo_of_a_removal_gives_back_since_when_it_was_had(poles: Segment, vip: Tag) -> None:
    had, again, _never = sorted(_members(poles))
    for contact_id in (had, again):
        ContactTag.objects.create(contact_id=contact_id, tag=vip, added_at=NOW - DAY)
    action = _plan(poles, "remove_tag")
    do_work()
    ContactTag.objects.create(contact_id=again, tag=vip, added_at=NOW + HOUR)
    action_undo.request_undo(action.runs.get(), actor=SYSTEM, at=NOW)
    do_work()
    since = dict(ContactTag.objects.values_list("contact_id", "added_at"))
    assert since == {had: NOW - DAY, again: NOW + HOUR}
    assert action.runs.get().undone_count == 1


def test_undo_happens_once(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    do_work()
    run = action.runs.get()
    first = action_undo.request_undo(run, actor=SYSTEM, at=NOW)
    assert action_undo.request_undo(run, actor=SYSTEM, at=NOW) == first
    do_work()
    again = action_undo.undo(run.pk, work=_work(action), at=NOW)
    assert again["undone"] == 3
    with pytest.raises(ActionNotUndoable, match="already"):
        action_undo.request_undo(run, actor=SYSTEM, at=NOW)
    assert AuditEntry.objects.filter(action="segment.action_undone").count() == 1


def test_consents_and_what_is_not_done_cannot_be_undone(poles: Segment, vip: Tag) -> None:
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
    consent = _plan(poles, "add_consent", "newsletter")
    do_work()
    with pytest.raises(ActionNotUndoable):
        action_undo.request_undo(consent.runs.get(), actor=SYSTEM, at=NOW)
    with pytest.raises(ActionNotUndoable):
        action_undo.request_undo(_plan(poles).runs.get(), actor=SYSTEM, at=NOW)


def test_whom_a_run_changed_is_forgotten_after_thirty_days(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    do_work()
    assert dict(_purged(NOW + 30 * DAY - HOUR)) == {"changes_of_actions": 0}
    assert dict(_purged(NOW + 30 * DAY)) == {"changes_of_actions": 3}
    assert dict(_purged(NOW + 30 * DAY)) == {"changes_of_actions": 0}
    with pytest.raises(ActionNotUndoable, match="30 days"):
        action_undo.request_undo(action.runs.get(), actor=SYSTEM, at=NOW + 30 * DAY)


def _purged(as_of: Any) -> Any:
    rounds = retention.purge_expired(as_of=as_of)
    return next(purged.counts for purged in rounds if purged.kind == "segment_actions")


def test_an_erased_contact_is_forgotten_and_gets_nothing_back(poles: Segment, vip: Tag) -> None:
    erased = min(_members(poles))
    ContactTag.objects.create(contact_id=erased, tag=vip)
    action = _plan(poles, "remove_tag")
    do_work()
    proof = erase_contact(erased, actor=SYSTEM, at=timezone.now())
    assert proof.deleted["segment_actions"] == 1
    assert not any(proof.remaining.values())
    action_undo.request_undo(action.runs.get(), actor=SYSTEM, at=NOW)
    do_work()
    assert _tagged() == set()


# --- The command ---------------------------------------------------------------------------------


def _command(*arguments: str) -> list[dict[str, Any]]:
    output = StringIO()
    call_command("run_actions", "--json", *arguments, stdout=output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_the_command_does_one_round_as_of_a_moment(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + HOUR)
    assert _command("--as-of", (NOW + HOUR / 2).isoformat()) == []
    (told,) = _command("--as-of", (NOW + HOUR).isoformat())
    assert told == {
        "action": action.pk,
        "segment": "poles",
        "kind": "add_tag",
        "key": "vip",
        "state": "done",
        "members": 3,
        "changed": 3,
        "unchanged": 0,
    }
    assert _command("--as-of", (NOW + HOUR).isoformat()) == []
    assert _tagged() == _members(poles)


def test_the_command_says_what_was_refused(vip: Tag) -> None:
    make_contacts("Warszawa")
    segment = make_segment(readiness_hours=1)
    refresh(segment)
    _plan(segment, when=NOW + 2 * HOUR)
    (told,) = _command("--as-of", (NOW + 2 * HOUR).isoformat())
    assert told["state"] == "refused"
    assert "expired" in told["reason"]
