"""Whether the running parts work: database, broker, worker, beat, rounds, mail, disk, clock, work.

Each examination answers with a finding and never raises for what it is there to find.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from smtplib import SMTPException

from celery import current_app
from django.conf import settings
from django.core.mail import get_connection
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import OperationalError as BrokerUnreachable

from workspace import round_runner
from workspace.jobs import SILENCE_LIMIT
from workspace.models import Job

OLDEST_POSTGRES = 15
_PATIENCE_SECONDS = 3
_FREE_SPACE = 2**30
_CLOCK_TOLERANCE = timedelta(seconds=2)
_BEAT_SILENCE = timedelta(minutes=3)
_WAITING_LIMIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the product, whether it works, and one sentence about it."""

    part: str
    is_well: bool
    sentence: str


def examine_all() -> Iterator[Finding]:
    """Every finding, in the order in which one depends on the other."""
    database = examine_database()
    yield database
    yield examine_broker()
    yield examine_worker()
    for part, examine in _ON_DATABASE.items():
        if database.is_well:
            yield examine()
        else:
            yield Finding(part, False, _("Not examined: the database cannot be reached."))
    yield examine_mail()
    yield examine_disk()


def register(part: str, examine: Callable[[], Finding]) -> None:
    """Have `examine` asked too, once the database is known to answer. For the floors above."""
    _ON_DATABASE[part] = examine


def examine_database() -> Finding:
    """Whether the database answers and is new enough."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = str(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError) as error:
        return Finding("database", False, _first_line(error))
    if int(version.split(".")[0]) < OLDEST_POSTGRES:
        message = _("PostgreSQL %(version)s is too old: %(oldest)d is the oldest that will do.")
        return Finding("database", False, message % {"version": version, "oldest": OLDEST_POSTGRES})
    return Finding("database", True, _("PostgreSQL %(version)s.") % {"version": version})


def examine_migrations() -> Finding:
    """Whether the database has the shape that this version of the product needs."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return Finding("migrations", True, _("All are applied."))
    names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _back in plan[:3])
    message = ngettext(
        "%(count)d is pending (%(names)s): run manage.py migrate.",
        "%(count)d are pending (%(names)s …): run manage.py migrate.",
        len(plan),
    )
    return Finding("migrations", False, message % {"count": len(plan), "names": names})


def examine_letters() -> Finding:
    """Whether the database knows capital and small letters, which “contains” in criteria needs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lower('ŻÉI') = 'żéi'")
        knows_letters = bool(cursor.fetchone()[0])
    if not knows_letters:
        message = _(
            "The database lower-cases letters of one language only: make it anew with the locale"
            " C.UTF-8, or another of UTF-8."
        )
        return Finding("letters", False, message)
    return Finding("letters", True, _("Capital and small letters are known."))


def examine_broker() -> Finding:
    """Whether messages can be sent."""
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=_PATIENCE_SECONDS)
            kind = str(broker.transport_cls)
    except (BrokerUnreachable, OSError, ValueError, KeyError, ImportError) as error:
        return Finding("broker", False, _first_line(error))
    return Finding("broker", True, _("It can be reached (%(kind)s).") % {"kind": kind})


def examine_worker() -> Finding:
    """Whether a worker answers."""
    try:
        answers = current_app.control.ping(timeout=1.5)
    except (BrokerUnreachable, OSError) as error:
        return Finding("worker", False, _first_line(error))
    if not answers:
        return Finding("worker", False, _("None answers: start celery -A config worker."))
    message = ngettext("%(count)d answers.", "%(count)d answer.", len(answers))
    return Finding("worker", True, message % {"count": len(answers)})


def examine_beat() -> Finding:
    """Whether the schedule is followed: something of it was sent lately."""
    sent = PeriodicTask.objects.filter(enabled=True, last_run_at__isnull=False)
    latest = sent.order_by("-last_run_at").values_list("last_run_at", flat=True).first()
    if latest is None:
        return Finding("beat", False, _("It never ran: start celery -A config beat."))
    if timezone.now() - latest > _BEAT_SILENCE:
        message = _("It has sent nothing since %(at)s: start celery -A config beat.")
        return Finding("beat", False, message % {"at": latest.isoformat(timespec="seconds")})
    message = _("It sent something at %(at)s.")
    return Finding("beat", True, message % {"at": latest.isoformat(timespec="seconds")})


def examine_clock() -> Finding:
    """Whether this machine and the database agree on the time."""
    with connection.cursor() as cursor:
        before = datetime.now(UTC)
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
        after = datetime.now(UTC)
    difference = max(before - theirs, theirs - after, timedelta(0))
    seconds = {"seconds": f"{difference.total_seconds():.1f}"}
    if difference > _CLOCK_TOLERANCE:
        message = _("It is %(seconds)s s apart from the database's: set both by NTP.")
        return Finding("clock", False, message % seconds)
    return Finding("clock", True, _("It agrees with the database's (%(seconds)s s).") % seconds)


def examine_zone() -> Finding:
    """Whether the database knows the workspace's time zone, by which it reads dates."""
    words = {"zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s)", [settings.TIME_ZONE]
        )
        is_known = bool(cursor.fetchone()[0])
    if not is_known:
        message = _(
            "The database does not know %(zone)s: update its time zones, or set TIME_ZONE to"
            " another name of the same clock."
        )
        return Finding("time zone", False, message % words)
    return Finding("time zone", True, _("The database knows %(zone)s.") % words)


def examine_rounds() -> Finding:
    """Whether a process runs the rounds, which follow events at once."""
    if round_runner.is_running():
        return Finding("rounds", True, _("A process runs them."))
    return Finding("rounds", False, _("Nobody runs them: start manage.py run_rounds."))


def examine_work() -> Finding:
    """Whether jobs wait or run without anybody doing them."""
    now = timezone.now()
    stuck = Job.objects.filter(
        Q(state=Job.State.QUEUED, created_at__lt=now - _WAITING_LIMIT)
        | Q(state=Job.State.RUNNING, heartbeat_at__lt=now - SILENCE_LIMIT)
    )
    titles = list(stuck.order_by("pk").values_list("title", flat=True)[:100])
    if not titles:
        return Finding("work", True, _("Nothing is stuck."))
    message = ngettext(
        "%(count)d job is stuck, “%(title)s”: is a worker running?",
        "%(count)d jobs are stuck, the first is “%(title)s”: is a worker running?",
        len(titles),
    )
    return Finding("work", False, message % {"count": len(titles), "title": titles[0]})


def examine_mail() -> Finding:
    """Whether mail can be handed over: to the server, or to the outbox on the disk."""
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend") and folder:
        return _examine_folder("mail", Path(folder), _("It is written to %(folder)s."))
    try:
        with get_connection(timeout=_PATIENCE_SECONDS):
            return Finding("mail", True, _("The server answers."))
    except (OSError, SMTPException) as error:
        return Finding("mail", False, _first_line(error))


def examine_disk() -> Finding:
    """Whether there is room, and the right, to write uploads and exports."""
    folder = _examine_folder("disk", settings.VAR, _("%(folder)s can be written."))
    if not folder.is_well:
        return folder
    free = shutil.disk_usage(_existing(settings.VAR)).free
    facts = {"free": f"{free / 2**30:.1f}", "folder": settings.VAR}
    if free < _FREE_SPACE:
        message = _("Only %(free)s GB are free at %(folder)s: make room.")
        return Finding("disk", False, message % facts)
    return Finding("disk", True, _("%(free)s GB are free at %(folder)s.") % facts)


_ON_DATABASE: dict[str, Callable[[], Finding]] = {
    "migrations": examine_migrations,
    "letters": examine_letters,
    "clock": examine_clock,
    "time zone": examine_zone,
    "beat": examine_beat,
    "rounds": examine_rounds,
    "work": examine_work,
}


def _examine_folder(part: str, folder: Path, sentence: str) -> Finding:
    if not os.access(_existing(folder), os.W_OK):
        message = _("%(folder)s cannot be written by this user.")
        return Finding(part, False, message % {"folder": folder})
    return Finding(part, True, sentence % {"folder": folder})


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
