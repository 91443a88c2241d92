"""Codes from files: CSV or XLSX of any size, one code a row, its worth where it differs.

The file is copied into a temporary table and judged there in sets. What can be used comes in
portions, each a batch and a transaction of its own that names the job: read again after its worker
died, a file adds what is missing. The other rows go to a file with the reason of each.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.jobs import given_file
from contacts.rejections import RejectionFile
from contacts.tabular import Table, open_table
from loyalty.errors import CodeTaken
from loyalty.gift_cards import codes
from loyalty.gift_cards.campaign_settings import AMOUNT_LIMIT
from loyalty.gift_cards.code_patterns import CODE_LIMIT
from loyalty.models import Campaign, CodeBatch
from workspace import access, audit, jobs, locks
from workspace import sql as statements
from workspace.access import Actor
from workspace.errors import DomainError, InputInvalid, Problem
from workspace.jobs import Cancelled, Work
from workspace.models import Job

IMPORT_JOB = "loyalty.import_codes"
_CODE_NAMES = ("code", "codes", "voucher code", "voucher_code", "gift card", "card number")
_AMOUNT_NAMES = ("amount", "amount_minor", "value", "balance")
_ATTEMPTS = 3


class ImportRefused(InputInvalid):
    """What was asked for does not fit the file: nothing was imported."""

    code = "import_refused"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of a file; `rejected_file` is none where all were used."""

    imported: int
    rejected: int
    rejected_file: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A file, and which of its columns are read."""

    table: Table
    code: int
    amount: int | None


def choose(path: Path, *, column: str = "", amount_column: str = "") -> Choice:
    """The columns that are read: those named, else those whose names say it.

    Raises FileUnreadable, and ImportRefused where there is no such column.
    """
    table = open_table(path)
    code = _find(table, column, _CODE_NAMES, "column")
    if code is None and len(table.columns) == 1 and codes.code_fault(table.columns[0].upper()):
        code = 0
    if code is None:
        words = {"columns": ", ".join(table.columns[:20])}
        message = _("No column is called “code”. The file has: %(columns)s. Say which one it is.")
        problem = Problem("column", "unknown_column", message % words)
        raise ImportRefused(problem.message, problems=[problem])
    amount = _find(table, amount_column, _AMOUNT_NAMES, "amount_column")
    return Choice(table, code, amount)


@transaction.atomic
def request_import(
    campaign: Campaign,
    path: Path,
    *,
    file_name: str,
    column: str = "",
    amount_column: str = "",
    actor: Actor,
    at: datetime,
) -> Job:
    """Have a worker read the codes of a file into a campaign; `file_name` is what people call it.

    A file among the uploads is removed when the work is over. Raises CampaignUnknown,
    CampaignStatic, CampaignBusy, FileUnreadable and ImportRefused.
    """
    access.require(actor, "loyalty.generate_codes_campaign")
    campaign = codes.hold_to_add(campaign, actor=actor)
    choice = choose(path, column=column, amount_column=amount_column)
    job = jobs.start(
        IMPORT_JOB,
        title=_("Read codes from %(file)s for “%(name)s”")
        % {"file": file_name[:80], "name": campaign.name},
        actor=actor,
        subject=codes.campaign_subject(campaign),
        arguments={
            "campaign_id": campaign.pk,
            "path": str(path),
            "file_name": file_name[:200],
            "column": choice.table.columns[choice.code],
            "amount_column": "" if choice.amount is None else choice.table.columns[choice.amount],
        },
    )
    codes.note_beginning(campaign, job)
    return job


@jobs.handler(IMPORT_JOB)
def run_import(work: Work) -> dict[str, Any]:
    """Read the file that a job is about; taken up again, what is missing of it."""
    given, path = work.arguments, Path(work.arguments["path"])
    campaign_id = int(given["campaign_id"])
    try:
        with given_file(path):
            choice = choose(path, column=given["column"], amount_column=given["amount_column"])
            result = _import(campaign_id, choice, work)
    except Cancelled:
        codes.note_end(campaign_id)
        raise
    except DomainError:
        codes.note_end(campaign_id, is_failed=True)
        raise
    codes.note_end(campaign_id, work.job)
    told = {"file": given["file_name"], "imported": result.imported, "rejected": result.rejected}
    audit.record(
        actor=work.actor,
        action="campaign.codes_imported",
        subject=Campaign.objects.get(pk=campaign_id),
        changes={name: [None, value] for name, value in told.items()},
        at=timezone.now(),
    )
    return asdict(result)


def _import(campaign_id: int, choice: Choice, work: Work) -> Imported:
    names = [f"c{number}" for number in range(len(choice.table.columns))]
    rejections = RejectionFile(choice.table.path, choice.table.columns)
    total = choice.table.row_estimate
    work.advance(0, total, _("reading"))
    with _temporary("codes_file", "codes_read"):
        try:
            _copy(choice.table, names, rejections, work)
            _judge(names[choice.code], None if choice.amount is None else names[choice.amount])
            imported = _store(campaign_id, work, total)
            _reject(names, rejections)
        except BaseException:
            rejections.discard()
            raise
    rejections.close()
    path = None if rejections.path is None else str(rejections.path)
    return Imported(imported, rejections.row_count, path)


@contextmanager
def _temporary(*tables: str) -> Iterator[None]:
    """Temporary tables of these names may be made; they are gone afterwards."""
    drop = sql.SQL("DROP TABLE IF EXISTS {}").format(
        sql.SQL(", ").join(sql.Identifier("pg_temp", table) for table in tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(drop)
    try:
        yield
    finally:
        # Where the connection or its transaction is broken, they are gone with it.
        broken = (DatabaseError, transaction.TransactionManagementError)
        with suppress(*broken), connection.cursor() as cursor:
            cursor.execute(drop)


def _copy(table: Table, names: list[str], rejections: RejectionFile, work: Work) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
    count = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE codes_file (place bigint GENERATED ALWAYS AS IDENTITY, {})"
            ).format(columns)
        )
        with cursor.copy(table.copy_statement("codes_file", names)) as copy:
            for chunk in table.chunks(rejections.write):
                copy.write(chunk.data)
                count += chunk.row_count
                work.advance(0, max(count, table.row_estimate))


_JUDGE = """
CREATE TEMP TABLE codes_read AS
SELECT place, code, amount_minor, reason, row_number() OVER (ORDER BY place) AS turn FROM (
  SELECT place, code, amount_minor, coalesce(reason, CASE
      WHEN row_number() OVER (PARTITION BY code, reason IS NULL ORDER BY place) > 1
      THEN {repeated} END) AS reason
  FROM (
    SELECT place, code,
      CASE WHEN amount ~ '^[0-9]{{1,13}}$' THEN amount::bigint END AS amount_minor,
      CASE
        WHEN code = '' THEN {missing}
        WHEN code !~ {form} OR length(code) NOT BETWEEN 6 AND {limit} THEN {malformed}
        WHEN amount IS NULL THEN NULL
        WHEN amount !~ '^[0-9]{{1,13}}$' THEN {no_amount}
        WHEN amount::bigint NOT BETWEEN 1 AND {most} THEN {out_of_range}
      END AS reason
    FROM (SELECT place, upper(btrim(coalesce({code}, ''), {space})) AS code,
        nullif(btrim({amount}, {space}), '') AS amount FROM codes_file) cells) judged) told
"""
_SPACE = " \t\r\n\u00a0\ufeff"


def _judge(code: str, amount: str | None) -> None:
    """Make `codes_read`: of each row its code, its worth, and why it cannot be used."""
    statement = sql.SQL(_JUDGE).format(
        code=sql.Identifier(code),
        amount=sql.SQL("NULL::text") if amount is None else sql.Identifier(amount),
        form=sql.Literal(codes.CODE_FORM),
        limit=sql.Literal(CODE_LIMIT),
        most=sql.Literal(AMOUNT_LIMIT),
        space=sql.Literal(_SPACE),
        missing=sql.Literal(_("The code is missing.")),
        malformed=sql.Literal(
            _(
                "A code has 6 to %(limit)d characters: letters A to Z, digits and, between them,"
                " “-”, “_” and “.”."
            )
            % {"limit": CODE_LIMIT}
        ),
        no_amount=sql.Literal(_("The amount is a whole number of minor units: 2500 for 25.00.")),
        out_of_range=sql.Literal(
            _("The amount is from 1 to %(limit)d minor units.") % {"limit": AMOUNT_LIMIT}
        ),
        repeated=sql.Literal(_("The file has this code above.")),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("CREATE INDEX ON codes_read (turn)")
        cursor.execute("ANALYZE codes_read")


def _store(campaign_id: int, work: Work, total: int) -> int:
    """Bring in what can be used, in portions; returns how many codes the job has brought."""
    last = int(statements.one("SELECT coalesce(max(turn), 0) FROM codes_read"))
    imported = 0
    for start in range(0, last, codes.PORTION):
        imported += _store_portion(campaign_id, work, start, start + codes.PORTION)
        work.advance(min(start + codes.PORTION, last), max(total, last), _("storing"))
    return imported


# What is there is refused, but for what this job brought before its worker died.
_KNOWN = """
UPDATE codes_read r SET reason = %s FROM loyalty_voucher v
WHERE r.turn > %s AND r.turn <= %s AND r.reason IS NULL AND v.code = r.code
  AND v.batch_id <> ALL (%s)
"""
_OWN = """
SELECT count(*) FROM codes_read r JOIN loyalty_voucher v ON v.code = r.code
WHERE r.turn > %s AND r.turn <= %s AND r.reason IS NULL AND v.batch_id = ANY (%s)
"""
_NEW = """
FROM codes_read r WHERE r.turn > %s AND r.turn <= %s AND r.reason IS NULL
  AND NOT EXISTS (SELECT FROM loyalty_voucher v WHERE v.code = r.code)
"""
_COUNT = f"SELECT count(*) AS code_count, sum(coalesce(amount_minor, %s))::bigint AS worth {_NEW}"
_INSERT = f"""
INSERT INTO loyalty_voucher
  (campaign_id, batch_id, code, initial_minor, balance_minor, redemption_limit, created_at)
SELECT %s, %s, r.code, coalesce(r.amount_minor, %s), coalesce(r.amount_minor, %s), %s, %s
{_NEW} ORDER BY r.turn ON CONFLICT (code) DO NOTHING
"""


def _store_portion(campaign_id: int, work: Work, start: int, end: int) -> int:
    for _attempt in range(_ATTEMPTS):
        with suppress(_Overtaken), transaction.atomic():
            # A worker that was thought dead may still be at it: one portion at a time.
            locks.lock(f"codes of job {work.job.pk}")
            return _store_once(campaign_id, work, start, end)
    raise CodeTaken(_("The same codes are being brought in by somebody else. Try again later."))


class _Overtaken(Exception):
    """Somebody brought in one of the codes in between: the portion is judged again."""


def _store_once(campaign_id: int, work: Work, start: int, end: int) -> int:
    at = timezone.now()
    campaign = Campaign.objects.get(pk=campaign_id)
    own = list(CodeBatch.objects.filter(job=work.job).values_list("pk", flat=True))
    statements.execute(_KNOWN, [_("The code exists already."), start, end, own])
    there = int(statements.one(_OWN, [start, end, own]))
    [found] = statements.rows(_COUNT, [campaign.amount_minor, start, end])
    if not found["code_count"]:
        return there
    batch = CodeBatch.objects.create(
        campaign=campaign,
        kind=CodeBatch.Kind.IMPORTED,
        code_count=found["code_count"],
        amount_minor=found["worth"],
        actor_label=work.actor.label[:200],
        job=work.job,
        created_at=at,
    )
    worth = campaign.amount_minor
    params = [campaign.pk, batch.pk, worth, worth, campaign.redemption_limit, at, start, end]
    if statements.execute(_INSERT, params) != batch.code_count:
        raise _Overtaken
    codes.settle_batch(batch, at=at)
    return there + batch.code_count


def _reject(names: list[str], rejections: RejectionFile) -> None:
    """Write the rows that could not be used, in the file's order."""
    cells = sql.SQL(", ").join(sql.SQL("f.{}").format(sql.Identifier(name)) for name in names)
    rejections.copy(
        sql.SQL(
            "SELECT r.reason, {} FROM codes_read r JOIN codes_file f USING (place)"
            " WHERE r.reason IS NOT NULL ORDER BY r.place"
        ).format(cells)
    )


def _find(table: Table, named: str, known: tuple[str, ...], path: str) -> int | None:
    """The position of a column that is named, else of one whose name is known."""
    columns = [column.strip().casefold() for column in table.columns]
    if named:
        if named.strip().casefold() not in columns:
            words = {"column": named, "columns": ", ".join(table.columns[:20])}
            message = _("There is no column “%(column)s”. The file has: %(columns)s.") % words
            raise ImportRefused(message, problems=[Problem(path, "unknown_column", message)])
        return columns.index(named.strip().casefold())
    return next((columns.index(name) for name in known if name in columns), None)
