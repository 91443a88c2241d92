"""Files that jobs leave behind for whoever started them."""

from pathlib import Path

from django.conf import settings

from workspace.models import Job


def rejected_file(job: Job) -> Path | None:
    """The file of rejected rows that a job names, where it still is; never one from elsewhere."""
    named = job.result.get("rejected_file")
    if not named:
        return None
    file = Path(str(named)).resolve()
    roots = [Path(settings.UPLOADS_ROOT).resolve(), (settings.VAR / "rejected").resolve()]
    return file if file.is_file() and any(root in file.parents for root in roots) else None
