"""How the file of an export is sent: to be saved, never shown, and kept by nobody in between."""

from pathlib import Path

from django.http import FileResponse

from segments.exports import content_type, download_name
from segments.models import Export


def file_answer(export: Export, file: Path) -> FileResponse:
    """The file, streamed, with a name that people can read in any language."""
    answer = FileResponse(
        file.open("rb"),
        as_attachment=True,
        filename=download_name(export),
        content_type=content_type(export),
    )
    answer["Cache-Control"] = "no-store, private"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
