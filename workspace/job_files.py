"""Files that jobs are given, and those that they leave behind for whoever started them."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from workspace.models import Job

# A job removes its upload itself; this long it may wait for a worker.
UPLOADS_KEPT = timedelta(days=7)


def rejected_file(job: Job) -> Path | None:
    """The file of rejected rows that a job names, where it still is; never one from elsewhere."""
    named = job.result.get("rejected_file")
    if not named:
        return None
    file = Path(str(named)).resolve()
    roots = [Path(settings.UPLOADS_ROOT).resolve(), (settings.VAR / "rejected").resolve()]
    return file if file.is_file() and any(root in file.parents for root in roots) else None


def purge_uploads(as_of: datetime) -> dict[str, int]:
    """Delete uploads whose job was cancelled while it waited, or that a killed process left."""
    limit, count = (as_of - UPLOADS_KEPT).timestamp(), 0
    for file in Path(settings.UPLOADS_ROOT).glob("*"):
        if file.is_file() and file.stat().st_mtime < limit:
            file.unlink(missing_ok=True)
            count += 1
    return {"uploads": count}
