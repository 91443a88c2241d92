"""The codes of campaigns: made in bulk, one by one, and whenever the pool runs low.

Codes come in batches; a batch, its codes and its one posting in the ledger are one transaction. A
job that makes many commits one batch after another, each naming the job: how far it is stands in
the database, so that the work can be taken up after its worker died, and no code is lost or made
twice.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty.errors import (
    CampaignBusy,
    CampaignStatic,
    CampaignUnknown,
    CodesExhausted,
    CodeTaken,
)
from loyalty.gift_cards import ledger, publication_notices
from loyalty.gift_cards.campaign_settings import AMOUNT_LIMIT, CODES_LIMIT
from loyalty.gift_cards.code_patterns import CODE_LIMIT, CodePattern, read_pattern, room_problem
from loyalty.models import Campaign, CodeBatch, Voucher
from workspace import access, audit, jobs, locks, rounds, sql
from workspace.access import SYSTEM, Actor
from workspace.errors import DomainError, InputInvalid, Problem
from workspace.jobs import Cancelled, Work
from workspace.models import Job

logger = logging.getLogger(__name__)

GENERATE_JOB = "loyalty.generate_codes"
REFILL_CHANNEL = "loyalty_refill"
# So many codes are one batch: a few seconds of work, one posting.
PORTION = 50_000
# Where random codes exist already, others are made instead; so often at most for one batch.
_ATTEMPTS = 20
_WITHIN_REQUEST = 1_000
_REFILLS_AT_A_TIME = 20
# What codes may consist of that somebody else made: nothing that misleads or breaks a file.
CODE_FORM = r"^[A-Z0-9]([A-Z0-9._-]*[A-Z0-9])?$"


def campaign_subject(campaign: Campaign) -> str:
    """What jobs about a campaign name as their subject."""
    return f"campaign:{campaign.pk}"


def pattern_of(campaign: Campaign) -> CodePattern:
    """How the codes of a campaign look."""
    return read_pattern(campaign.code_config)[0]


def room_left(campaign: Campaign) -> int:
    """How many codes may still be made, for guessing not to pay."""
    return max(0, pattern_of(campaign).code_limit - campaign.voucher_count)


def creation_of(campaign: Campaign) -> Campaign.Creation:
    """How far the making of its codes is; work that ended without a word has failed."""
    creation = Campaign.Creation(campaign.creation)
    if creation != Campaign.Creation.IN_PROGRESS:
        return creation
    if campaign.job is not None and campaign.job.state in (Job.State.QUEUED, Job.State.RUNNING):
        return creation
    if campaign.job is not None and campaign.job.state == Job.State.CANCELLED:
        return Campaign.Creation.DONE if campaign.voucher_count else Campaign.Creation.NONE
    return Campaign.Creation.FAILED


@transaction.atomic
def generate_codes(campaign: Campaign, count: int, *, actor: Actor, at: datetime) -> Job:
    """Have a worker make so many codes; the job tells how far it is, and can be cancelled.

    Raises CampaignUnknown, CampaignStatic, CampaignBusy, and InputInvalid for a number that cannot
    be, or for which the pattern leaves no room.
    """
    access.require(actor, "loyalty.generate_codes_campaign")
    campaign = hold_to_add(campaign, actor=actor)
    if not 1 <= count <= CODES_LIMIT:
        message = _("It is a whole number from 1 to %(limit)d.") % {"limit": CODES_LIMIT}
        problem = Problem("count", "out_of_range", message)
        raise InputInvalid(message, problems=[problem])
    return request_generation(campaign, count, actor=actor, at=at)


def request_generation(
    campaign: Campaign,
    count: int,
    *,
    actor: Actor,
    at: datetime,
    kind: CodeBatch.Kind = CodeBatch.Kind.GENERATED,
) -> Job:
    """The same for who has looked already whether the actor may, and holds the campaign."""
    if problem := room_problem(pattern_of(campaign), campaign.voucher_count + count):
        raise InputInvalid(problem.message, problems=[problem])
    job = jobs.start(
        GENERATE_JOB,
        title=_("Make %(count)s codes for “%(name)s”")
        % {"count": f"{count:,}", "name": campaign.name},
        actor=actor,
        subject=campaign_subject(campaign),
        arguments={"campaign_id": campaign.pk, "count": count, "kind": kind},
    )
    note_beginning(campaign, job)
    changes = {"count": [None, count], "job": [None, job.pk]}
    audit.record(
        actor=actor, action="campaign.codes_requested", subject=campaign, changes=changes, at=at
    )
    return job


@jobs.handler(GENERATE_JOB)
def run_generation(work: Work) -> dict[str, Any]:
    """Make the codes that a job asks for; taken up again, those that are missing."""
    given = work.arguments
    campaign_id, count = int(given["campaign_id"]), int(given["count"])
    kind = CodeBatch.Kind(given.get("kind", CodeBatch.Kind.GENERATED))
    done = made_by(work.job)
    work.advance(done, count)
    try:
        while done < count:
            done += _make_portion(work, campaign_id, count, kind)
            work.advance(done, count)
    except Cancelled:
        note_end(campaign_id)
        raise
    except DomainError:
        note_end(campaign_id, is_failed=True)
        raise
    note_end(campaign_id, work.job)
    return {"campaign": campaign_id, "made": done}


def made_by(job: Job) -> int:
    """How many codes a job has made so far."""
    found = CodeBatch.objects.filter(job=job).aggregate(total=Sum("code_count"))["total"]
    return int(found or 0)


@transaction.atomic
def make_codes(
    campaign: Campaign,
    count: int,
    *,
    kind: CodeBatch.Kind,
    actor: Actor,
    at: datetime,
    job: Job | None = None,
) -> CodeBatch:
    """Make codes here and now, as one batch.

    Codes that exist already in the workspace are replaced by others. Raises CodesExhausted where
    the pattern leaves no room.
    """
    pattern = pattern_of(campaign)
    if problem := room_problem(pattern, campaign.voucher_count + count):
        raise CodesExhausted(problem.message)
    amount_minor = count * campaign.amount_minor
    batch = _new_batch(campaign, kind, count, amount_minor, actor=actor, at=at, job=job)
    missing = count
    for _attempt in range(_ATTEMPTS):
        missing -= _insert(campaign, batch, pattern.make(missing), at)
        if not missing:
            break
    else:
        message = _("No %(count)d different codes could be found for “%(pattern)s”.")
        raise CodesExhausted(message % {"count": count, "pattern": pattern.pattern})
    settle_batch(batch, at=at)
    return batch


@transaction.atomic
def create_voucher(
    campaign: Campaign,
    *,
    actor: Actor,
    at: datetime,
    code: str = "",
    amount_minor: int | None = None,
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    redemption_limit: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Voucher:
    """Make one code of a campaign, random where none is given; its worth may differ.

    Raises CampaignUnknown, CampaignStatic, CodeTaken, and InputInvalid with all faults.
    """
    access.require(actor, "loyalty.generate_codes_campaign")
    campaign = hold_to_add(campaign, actor=actor, while_busy=True)
    amount = campaign.amount_minor if amount_minor is None else amount_minor
    problems = list(_faults_of_one(amount, starts_at, expires_at))
    code = normal_code(code)
    if code and (fault := code_fault(code)):
        problems.append(Problem("code", "invalid", fault))
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    kind = CodeBatch.Kind.SINGLE
    batch = _new_batch(campaign, kind, 1, amount, actor=actor, at=at, job=None)
    pattern = pattern_of(campaign)
    for _attempt in range(_ATTEMPTS):
        wanted = code or pattern.make(1)[0]
        if _insert(campaign, batch, [wanted], at, amount_minor=amount):
            break
        if code:
            message = _("The code “%(code)s” exists already.") % {"code": code}
            raise CodeTaken(message, voucher=code)
    else:
        raise CodesExhausted(_("No free code could be found: lengthen the pattern."))
    Voucher.objects.filter(batch=batch).update(
        starts_at=starts_at,
        expires_at=expires_at,
        redemption_limit=(
            campaign.redemption_limit if redemption_limit is None else redemption_limit
        ),
        metadata=dict(metadata) if metadata else None,
    )
    settle_batch(batch, at=at)
    voucher = Voucher.objects.select_related("campaign").get(batch=batch)
    # The code itself is worth money: the trail names the voucher by its number.
    audit.record(
        actor=actor,
        action="voucher.created",
        object_type="loyalty.voucher",
        object_id=str(voucher.pk),
        label=campaign.name,
        changes={"amount_minor": [None, amount]},
        at=at,
    )
    return voucher


def normal_code(code: str) -> str:
    """A code as codes are kept and compared: upper case, without space around it."""
    return code.strip().upper()


def code_fault(code: str) -> str | None:
    """Why a code that somebody else made cannot be taken; None where it can."""
    if not re.fullmatch(CODE_FORM, code):
        return _("A code consists of letters A to Z, digits and, between them, “-”, “_” and “.”.")
    if not 6 <= len(code) <= CODE_LIMIT:
        return _("A code has 6 to %(limit)d characters.") % {"limit": CODE_LIMIT}
    return None


def pool_count(campaign: Campaign, limit: int) -> int:
    """How many codes wait to be given away, counted up to `limit`."""
    found = sql.one(
        "SELECT count(*) FROM (SELECT 1 FROM loyalty_voucher WHERE campaign_id = %s"
        " AND published_at IS NULL AND is_enabled LIMIT %s) AS pool",
        [campaign.pk, limit],
    )
    return int(found)


def wake_refill() -> None:
    """Have somebody look which campaigns need codes, once the transaction is committed."""
    rounds.wake(REFILL_CHANNEL)


def refill(as_of: datetime) -> bool:
    """Have codes made for campaigns that run low; true where there may be more to do.

    For `workspace.rounds`. What a worker has begun is left to it.
    """
    active = Campaign.objects.filter(
        refill=True, is_static=False, status=Campaign.Status.ACTIVE
    ).order_by("pk")
    begun = 0
    for campaign in active:
        # A query for each: these campaigns are few, and each is asked for no more than it needs.
        if pool_count(campaign, campaign.refill_below) < campaign.refill_below:
            begun += _refill_one(campaign.pk, as_of)
        if begun == _REFILLS_AT_A_TIME:
            return True
    return False


@transaction.atomic
def _refill_one(campaign_id: int, as_of: datetime) -> bool:
    campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
    if jobs.unfinished(campaign_subject(campaign)) is not None:
        return False
    count = min(campaign.refill_count, room_left(campaign))
    if not count:
        if campaign.creation != Campaign.Creation.FAILED:
            logger.warning("Campaign %s has no room for more codes.", campaign.key)
            Campaign.objects.filter(pk=campaign.pk).update(creation=Campaign.Creation.FAILED)
        return False
    request_generation(campaign, count, actor=SYSTEM, at=as_of, kind=CodeBatch.Kind.REFILL)
    return True


def hold_to_add(campaign: Campaign, *, actor: Actor, while_busy: bool = False) -> Campaign:
    """The campaign as it is now, locked until the transaction ends, to have codes added.

    Raises CampaignUnknown, CampaignStatic and, unless that does not matter, CampaignBusy.
    """
    held = Campaign.objects.select_for_update().filter(pk=campaign.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise CampaignUnknown(campaign.key)
    if held.is_static and held.voucher_count:
        message = _("No codes may be added to “%(name)s”: its number of codes was fixed.")
        raise CampaignStatic(message % {"name": held.name})
    if not while_busy:
        refuse_while_busy(held)
    return held


def refuse_while_busy(campaign: Campaign) -> None:
    """Raise CampaignBusy while codes of the campaign are being made or read."""
    if jobs.unfinished(campaign_subject(campaign)) is not None:
        message = _("Codes of “%(name)s” are just being made. Wait until that is over.")
        raise CampaignBusy(message % {"name": campaign.name})


def settle_batch(batch: CodeBatch, *, at: datetime) -> None:
    """Book a batch whose codes are there, and count them for its campaign."""
    ledger.issue_batch(batch, at=at)
    Campaign.objects.filter(pk=batch.campaign_id).update(
        voucher_count=F("voucher_count") + batch.code_count
    )


def note_end(campaign_id: int, job: Job | None = None, *, is_failed: bool = False) -> None:
    """Write into the campaign how making or reading its codes ended, and tell who listens."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if is_failed:
            campaign.creation = Campaign.Creation.FAILED
        elif campaign.voucher_count:
            campaign.creation = Campaign.Creation.DONE
        else:
            campaign.creation = Campaign.Creation.NONE
        campaign.save(update_fields=["creation"])
        if job is not None:
            publication_notices.tell_generation(campaign, job, at=timezone.now())


def _make_portion(work: Work, campaign_id: int, count: int, kind: CodeBatch.Kind) -> int:
    """Make the next batch of a job; returns how many codes it has."""
    at = timezone.now()
    with transaction.atomic():
        # A worker that was thought dead may still be at it: one portion at a time.
        locks.lock(f"codes of job {work.job.pk}")
        portion = min(PORTION, count - made_by(work.job))
        if portion <= 0:
            return 0
        campaign = Campaign.objects.get(pk=campaign_id)
        make_codes(campaign, portion, kind=kind, actor=work.actor, at=at, job=work.job)
    return portion


def _new_batch(
    campaign: Campaign,
    kind: CodeBatch.Kind,
    count: int,
    amount_minor: int,
    *,
    actor: Actor,
    at: datetime,
    job: Job | None,
) -> CodeBatch:
    return CodeBatch.objects.create(
        campaign=campaign,
        kind=kind,
        code_count=count,
        amount_minor=amount_minor,
        actor_label=actor.label[:200],
        job=job,
        created_at=at,
    )


_COLUMNS = (
    "(campaign_id, batch_id, code, initial_minor, balance_minor, redemption_limit, created_at)"
)
_FROM_LIST = f"""
INSERT INTO loyalty_voucher {_COLUMNS}
SELECT %s, %s, code, %s, %s, %s, %s FROM unnest(%s::text[]) AS code
ON CONFLICT (code) DO NOTHING
"""  # noqa: S608  made of our own words only
_FROM_TABLE = f"""
INSERT INTO loyalty_voucher {_COLUMNS}
SELECT %s, %s, code, %s, %s, %s, %s FROM codes_made ON CONFLICT (code) DO NOTHING
"""  # noqa: S608


def _insert(
    campaign: Campaign,
    batch: CodeBatch,
    codes: list[str],
    at: datetime,
    *,
    amount_minor: int | None = None,
) -> int:
    """Insert codes that are not there; returns how many."""
    amount = campaign.amount_minor if amount_minor is None else amount_minor
    values = [campaign.pk, batch.pk, amount, amount, campaign.redemption_limit, at]
    if len(codes) <= _WITHIN_REQUEST:
        return sql.execute(_FROM_LIST, [*values, codes])
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE codes_made (code text) ON COMMIT DROP")
        with cursor.copy("COPY codes_made FROM STDIN") as copy:
            copy.write("\n".join(codes) + "\n")
        cursor.execute(_FROM_TABLE, values)
        count = int(cursor.rowcount)
        cursor.execute("DROP TABLE codes_made")
    return count


def _faults_of_one(
    amount: int, starts_at: datetime | None, expires_at: datetime | None
) -> Iterable[Problem]:
    if not 1 <= amount <= AMOUNT_LIMIT:
        message = _("It is a whole number from %(least)d to %(most)d.")
        words = {"least": 1, "most": AMOUNT_LIMIT}
        yield Problem("amount_minor", "out_of_range", message % words)
    if starts_at and expires_at and expires_at <= starts_at:
        yield Problem("expires_at", "invalid", _("It has to end after its beginning."))


def note_beginning(campaign: Campaign, job: Job) -> None:
    """Write into the campaign that a job is making or reading its codes."""
    Campaign.objects.filter(pk=campaign.pk).update(creation=Campaign.Creation.IN_PROGRESS, job=job)
