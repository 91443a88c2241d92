"""The round that gives the cards of distributions: from tasks to publications and messages.

A portion is one transaction: the tasks that are taken, the codes that are given and the messages
that are queued are committed together, or nothing is. Whatever kills us in between leaves the tasks
as they were, and the next round takes them up: exactly one card and one message for each task.

One portion of each distribution in turn, so that a hundred thousand of one hold up nobody else.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from contacts.events import share_recording
from integrations import outbox
from integrations.digestion import passes
from integrations.models import Delivery, VendorConnection
from integrations.outbox import Finished
from loyalty.distribution import distributions
from loyalty.distribution.distribution_messages import Task, messages_for
from loyalty.gift_cards import codes, publications, publishing
from loyalty.gift_cards.publishing import Published, Wish
from loyalty.models import Campaign, Distribution, DistributionTask
from segments.criteria import compile_members
from segments.errors import CriteriaRefused
from segments.facts import parse_criteria
from workspace import sql
from workspace.access import SYSTEM
from workspace.exactjson import exact_loads

logger = logging.getLogger(__name__)

PORTION = 1000
EVERY = timedelta(seconds=5)
_TRIES = 3
_CONFLICT = "40"
_PROBLEM_LIMIT = 500
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=10)
State = DistributionTask.State

_DUE = """
SELECT d.id FROM loyalty_distribution d
CROSS JOIN LATERAL (
  SELECT t.due_at FROM loyalty_distributiontask t
  WHERE t.distribution_id = d.id AND t.state = 'pending' AND t.due_at <= %s
  ORDER BY t.due_at, t.id LIMIT 1) first
WHERE d.state = 'active' AND (d.waits_until IS NULL OR d.waits_until <= %s)
ORDER BY first.due_at, d.id
"""
_WAITING = """
SELECT id, contact_id FROM loyalty_distributiontask
WHERE distribution_id = %s AND state = 'pending' AND due_at <= %s ORDER BY due_at, id LIMIT %s
"""
# Whoever merges locks the contacts before their tasks, and so do we.
_HOLD = "SELECT FROM contacts_contact WHERE id = ANY(%s::bigint[]) ORDER BY id FOR KEY SHARE"
_TAKE = """
SELECT t.id, t.contact_id, t.context::text FROM loyalty_distributiontask t
JOIN unnest(%s::bigint[], %s::bigint[]) AS seen (id, contact_id)
  ON seen.id = t.id AND seen.contact_id = t.contact_id
WHERE t.state = 'pending' ORDER BY t.due_at, t.id FOR UPDATE OF t SKIP LOCKED
"""
_FINISH = """
UPDATE loyalty_distributiontask t SET state = f.state, problem = f.problem,
  publication_id = coalesce(f.publication_id, t.publication_id), attempts = t.attempts + 1,
  finished_at = CASE WHEN f.state = 'pending' THEN NULL ELSE %s::timestamptz END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[])
  AS f (id, state, problem, publication_id)
WHERE t.id = f.id
"""


@dataclass(slots=True)
class _Outcome:
    """What came of a task."""

    task: Task
    state: str
    problem: str = ""
    publication_id: int | None = None


def distribute(at: datetime) -> bool:
    """Do a portion of each distribution that has something to do; true where there may be more.

    For `workspace.rounds`. Raises what will pass by itself, such as a database that is not there.
    """
    pause_stranded(at=at)
    has_more = False
    for (distribution_id,) in sql.lists(_DUE, [at, at]):
        has_more |= _serve(distribution_id, at, PORTION)
    return has_more


def pause_stranded(*, at: datetime) -> None:
    """Pause what sends over a connection that was disabled."""
    stranded = Distribution.objects.filter(
        state=Distribution.State.ACTIVE, connection__is_enabled=False
    )
    for distribution in stranded.select_related("connection__vendor"):
        connection = distribution.connection
        assert connection is not None
        account: VendorConnection | None = getattr(connection, "vendor", None)
        reason = account.error if account else connection.disabled_reason
        words = {"name": connection.name, "reason": reason}
        message = _("The connection “%(name)s” is disabled. %(reason)s") % words
        distributions.pause_by_itself(distribution.pk, reason=message.strip(), at=at)


def follow_deliveries(finished: Sequence[Finished], at: datetime) -> None:
    """Count how the messages of a distribution end; for the outbox, in its transaction."""
    # In an order that all follow: others count other messages of the same distributions.
    for one in sorted(finished, key=lambda one: one.subject):
        kind, _colon, number = one.subject.partition(":")
        if kind != "distribution" or not number.isdecimal():
            continue
        if one.state == Delivery.State.DELIVERED:
            distributions.note_success(int(number))
        elif one.state == Delivery.State.FAILED and not _has_nobody(one.delivery_id):
            distributions.note_failures(int(number), 1, reason=one.error, at=at)


def _has_nobody(delivery_id: int) -> bool:
    """Whether it failed because the contact has no address, which is no fault of the way there."""
    return Delivery.objects.filter(pk=delivery_id, payload__to="").exists()


def _serve(distribution_id: int, at: datetime, limit: int) -> bool:
    """Do up to `limit` tasks; where something comes to grief fewer, until it is known which."""
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _do(distribution_id, at, limit)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None) or ""
            # Others wrote the same rows in another order: again, it is all undone.
            if not state.startswith(_CONFLICT) or attempt == _TRIES - 1:
                raise
        except Exception as error:
            if passes(error):
                raise
            logger.exception("Tasks of the distribution %s came to grief.", distribution_id)
            if limit == 1:
                return _put_aside(distribution_id, error, at)
            return _serve(distribution_id, at, max(1, limit // 10))
    return False


def _do(distribution_id: int, at: datetime, limit: int) -> bool:
    # First of all, as everyone who records events: nobody is erased meanwhile.
    share_recording()
    found = Distribution.objects.select_related("campaign", "template", "connection", "segment")
    distribution = found.filter(pk=distribution_id, state=Distribution.State.ACTIVE).first()
    if distribution is None or not _is_open(distribution, at):
        return False
    limit = _codes_there(distribution.campaign, limit)
    if not limit:
        message = _("The campaign “%(name)s” has no code left.")
        _wait(distribution, message % {"name": distribution.campaign.name}, at)
        return False
    tasks = _take(distribution_id, limit, at)
    if not tasks:
        return False
    outcomes, wanted = _narrow(distribution, tasks, at)
    answers = _publish(distribution, wanted, at)
    given = [
        (task, answer)
        for task, answer in zip(wanted, answers, strict=True)
        if answer.publication_id is not None and answer.problem != publishing.JOINED_ALREADY
    ]
    messages, failures = messages_for(distribution, given, at=at)
    outbox.enqueue(messages, at=at)
    for task, answer in zip(wanted, answers, strict=True):
        outcomes.append(_outcome(task, answer, failures.get(task.id, "")))
    _finish(outcomes, at)
    return _conclude(distribution, outcomes, at)


def _is_open(distribution: Distribution, at: datetime) -> bool:
    """Whether the campaign gives cards; else the distribution waits for its begin, or pauses."""
    campaign = distribution.campaign
    message = publishing.why_closed(campaign, at)
    if not message:
        return True
    is_active = campaign.status == Campaign.Status.ACTIVE
    if is_active and campaign.starts_at is not None and at < campaign.starts_at:
        _wait(distribution, message, at, until=campaign.starts_at)
    else:
        distributions.pause_by_itself(distribution.pk, reason=message, at=at)
    return False


def _codes_there(campaign: Campaign, limit: int) -> int:
    """How many cards may be given now: as many as there are, or are made when needed."""
    if campaign.refill and not campaign.is_static:
        return limit
    return codes.pool_count(campaign, limit)


def _take(distribution_id: int, limit: int, at: datetime) -> list[Task]:
    waiting = sql.lists(_WAITING, [distribution_id, at, limit])
    if not waiting:
        return []
    ids, contact_ids = (list(column) for column in zip(*waiting, strict=True))
    sql.execute(_HOLD, [sorted(set(contact_ids))])
    return [
        Task(pk, contact_id, exact_loads(context))
        for pk, contact_id, context in sql.lists(_TAKE, [ids, contact_ids])
    ]


def _narrow(
    distribution: Distribution, tasks: Sequence[Task], at: datetime
) -> tuple[list[_Outcome], list[Task]]:
    """Who is not in the audience, with the refusal; and the others."""
    if distribution.audience is None:
        return [], list(tasks)
    try:
        tree = parse_criteria(distribution.audience, SYSTEM)
    except CriteriaRefused as refused:
        message = _("Whom it is for cannot be told any more: %(reason)s")
        distributions.pause_by_itself(distribution.pk, reason=message % {"reason": refused}, at=at)
        return [_Outcome(task, State.PENDING) for task in tasks], []
    query = compile_members(tree, now=at, among=[task.contact_id for task in tasks])
    with sql.local_settings(query.settings):
        fits = {row[0] for row in sql.lists(query.text, query.params)}
    message = _("The contact is none of those for whom it is.")
    outside = [
        _Outcome(task, State.REFUSED, message) for task in tasks if task.contact_id not in fits
    ]
    return outside, [task for task in tasks if task.contact_id in fits]


def _publish(distribution: Distribution, tasks: Sequence[Task], at: datetime) -> list[Published]:
    wishes = [
        Wish(task.contact_id, f"distribution:{task.id}", {"distribution": distribution.key})
        for task in tasks
    ]
    return publications.publish_many(
        distribution.campaign,
        wishes,
        distribution=distribution,
        channel=distribution.channel,
        at=at,
    )


def _outcome(task: Task, answer: Published, failure: str) -> _Outcome:
    """What an answer means for the task: done, refused for good, or to be tried again."""
    if answer.problem == publishing.HELD_OUT:
        return _Outcome(task, State.HELD_OUT, answer.message)
    if answer.problem == publishing.NONE_SUITABLE:
        return _Outcome(task, State.PENDING, answer.message)
    if answer.problem:
        return _Outcome(task, State.REFUSED, answer.message or answer.problem)
    if failure and not task.is_only_without_address:
        return _Outcome(task, State.FAILED, failure, answer.publication_id)
    return _Outcome(task, State.DONE, failure, answer.publication_id)


def _finish(outcomes: Sequence[_Outcome], at: datetime) -> None:
    sql.execute(
        _FINISH,
        [
            at,
            [one.task.id for one in outcomes],
            [str(one.state) for one in outcomes],
            [one.problem[:_PROBLEM_LIMIT] for one in outcomes],
            [one.publication_id for one in outcomes],
        ],
    )


def _conclude(distribution: Distribution, outcomes: Sequence[_Outcome], at: datetime) -> bool:
    """Wait where codes were missing, count what failed; whether there may be more to do."""
    failed = [one.problem for one in outcomes if one.state == State.FAILED]
    if failed:
        distributions.note_failures(distribution.pk, len(failed), reason=failed[-1], at=at)
    elif distribution.channel == Distribution.Channel.NONE:
        distributions.note_success(distribution.pk)
    missing = next((one.problem for one in outcomes if one.state == State.PENDING), None)
    if missing is not None:
        _wait(distribution, missing, at)
        return False
    if distribution.waits_in_a_row:
        Distribution.objects.filter(pk=distribution.pk).update(
            waits_until=None, waits_in_a_row=0, waiting_reason=""
        )
    return True


def _wait(
    distribution: Distribution, reason: str, at: datetime, *, until: datetime | None = None
) -> None:
    """Try again later: each time twice as late, up to ten minutes."""
    pause = min(_FIRST_WAIT * 2 ** min(distribution.waits_in_a_row, 10), _LONGEST_WAIT)
    Distribution.objects.filter(pk=distribution.pk).update(
        waits_until=until or at + pause,
        waits_in_a_row=distribution.waits_in_a_row + 1,
        waiting_reason=reason[:_PROBLEM_LIMIT],
    )


def _put_aside(distribution_id: int, error: Exception, at: datetime) -> bool:
    """The one task by which we stumble has failed, with the reason, and holds up nobody."""
    reason = f"{type(error).__name__}: {error}".replace("\0", "")
    with transaction.atomic():
        share_recording()
        tasks = _take(distribution_id, 1, at)
        _finish([_Outcome(task, State.FAILED, reason) for task in tasks], at)
        if tasks:
            distributions.note_failures(distribution_id, 1, reason=reason, at=at)
    return bool(tasks)
