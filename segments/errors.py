"""What this room refuses, each by its own name."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import criteria
from workspace.errors import Busy, DomainError, InputInvalid, NotFound, Problem


class SegmentUnknown(NotFound):
    """There is no such segment, or the person asking may not know of it."""

    code = "segment_unknown"

    def __init__(self, key: str) -> None:
        super().__init__(_("There is no segment “%(key)s”.") % {"key": key}, key=key)


class CriteriaRefused(InputInvalid):
    """A criteria document breaks the page; `criteria_problems` are all its faults.

    `path` is where the document stood in what was given.
    """

    def __init__(
        self,
        faults: Iterable[criteria.Problem],
        others: Iterable[Problem] = (),
        *,
        path: str = "criteria",
    ) -> None:
        self.criteria_problems = tuple(Problem(f.path, f.code, f.message) for f in faults)
        first = self.criteria_problems[0]
        count = len(self.criteria_problems)
        message = ngettext(
            "The criteria have a fault: %(message)s",
            "The criteria have %(count)d faults. The first: %(message)s",
            count,
        ) % {"count": count, "message": first.message}
        super().__init__(message, problems=[*others, Problem(path, "invalid", message)])

    @property
    def members(self) -> Mapping[str, Any]:
        faults = self.criteria_problems
        return {
            "criteria": [{"path": f.path, "code": f.code, "message": f.message} for f in faults]
        }


class SegmentNotInactive(DomainError):
    """An active segment cannot be archived."""

    code = "segment_not_inactive"


class SegmentArchived(DomainError):
    """An archived segment stays as it is."""

    code = "segment_archived"


class SegmentInactive(DomainError):
    """An inactive segment keeps its last members: it is not refreshed."""

    code = "segment_inactive"


class SegmentNotCalculated(DomainError):
    """The members of the segment do not come from criteria, so that nothing can be calculated."""

    code = "segment_not_calculated"


class PastNotYet(InputInvalid):
    """A moment is asked about that is not over."""

    code = "past_not_yet"


class PastForgotten(DomainError):
    """A moment is asked about that the log does not reach any more."""

    code = "past_forgotten"
    status = 410


class PastTooLong(DomainError):
    """Too many were in, came or went for a file that one waits for."""

    code = "past_too_long"


class VersionUnknown(NotFound):
    """The segment has no version of this number."""

    code = "version_unknown"


class VersionInForce(DomainError):
    """The segment says already what the version says."""

    code = "version_in_force"


class SegmentNotFromFile(DomainError):
    """The members of the segment do not come from a file."""

    code = "segment_not_from_file"


class FileMisread(InputInvalid):
    """It is not clear which column of a file names contacts, or what it holds."""

    code = "file_misread"


class UnmatchedGone(NotFound):
    """There is no file of unmatched rows, or it is somebody else's, or its time is over."""

    code = "unmatched_gone"


class SegmentBusy(Busy):
    """A refresh of the segment is running."""

    code = "segment_busy"


class RefreshTimedOut(DomainError):
    """Calculating the members took longer than a refresh may."""

    code = "refresh_timed_out"
    status = 503


class PreviewOutdated(DomainError):
    """The preview was ended, because the same person asked for another meanwhile."""

    code = "preview_outdated"


class SegmentExpired(DomainError):
    """The calculation of the segment is older than its readiness time: nothing can be run on it."""

    code = "segment_expired"


class ExportUnknown(NotFound):
    """There is no such export, or it is somebody else's."""

    code = "export_unknown"

    @classmethod
    def of(cls, export_id: int) -> "ExportUnknown":
        return cls(_("There is no export %(id)d.") % {"id": export_id})


class ExportNotReady(DomainError):
    """The file is not written yet, or its making failed."""

    code = "export_not_ready"


class ExportExpired(DomainError):
    """The file was deleted when its time was over."""

    code = "export_expired"
    status = 410


class LetterUnfitting(DomainError):
    """A value has a letter that the encoding of the file lacks."""

    code = "letter_unfitting"


class ExportScheduleUnknown(NotFound):
    """There is no such schedule, or it is somebody else's."""

    code = "export_schedule_unknown"

    @classmethod
    def of(cls, schedule_id: int) -> "ExportScheduleUnknown":
        return cls(_("There is no export schedule %(id)d.") % {"id": schedule_id})


class ActionUnknown(NotFound):
    """There is no such action, or the person asking may not know of its segment."""

    code = "action_unknown"


class ActionFinished(DomainError):
    """The action is over: there is nothing left to cancel."""

    code = "action_finished"


class ActionRefused(DomainError):
    """What an action needs is not there any more: its author, a permission, a definition."""

    code = "action_refused"


class ActionNotUndoable(DomainError):
    """The run cannot be taken back: its kind, its state or its age does not allow it."""

    code = "action_not_undoable"


class SavedCriteriaUnknown(NotFound):
    """There are no such saved criteria, or the person asking may not know of them."""

    code = "saved_criteria_unknown"

    def __init__(self, key: str) -> None:
        super().__init__(_("There are no saved criteria “%(key)s”.") % {"key": key}, key=key)


class RuleEventUnknown(NotFound):
    """There is no rule-based event of that name."""

    code = "rule_event_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(_("There is no rule-based event “%(name)s”.") % {"name": name}, name=name)


class RuleEventInUse(DomainError):
    """A rule-based event cannot be deleted, because something asks for its events."""

    code = "rule_event_in_use"


class SegmentNotImported(DomainError):
    """The segment does not come from another system, or nothing is read from there any more."""

    code = "segment_not_imported"


class ImportRefused(InputInvalid):
    """What is to be imported cannot be: `problems` name each fault."""

    code = "import_refused"


class AudienceUnknown(NotFound):
    """There is no such audience, or the person asking may not know of it."""

    code = "audience_unknown"


class AudienceInvalid(InputInvalid):
    """What was said of an audience cannot be used; `problems` name each fault."""

    code = "audience_invalid"
