"""What the rules of this room refuse."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import ngettext

from journeys.drawing.faults import Fault
from workspace.errors import DomainError, InputInvalid, NotFound, Problem


class JourneyUnknown(NotFound):
    """There is no such journey, or the one who asks may not know of it."""

    code = "journey_unknown"


class JourneyInvalid(InputInvalid):
    """What was said of a journey cannot be used; `problems` name each fault."""

    code = "journey_invalid"


class DrawingInvalid(InputInvalid):
    """The drawing or a setting has faults that stand against a test or publishing.

    `faults` are all of them with the warnings, as the canvas marks them; `problems` the same by
    their paths, those of an activity beginning with its id.
    """

    code = "drawing_invalid"

    def __init__(self, faults: Sequence[Fault], *, first: Fault) -> None:
        self.faults = tuple(faults)
        count = sum(fault.is_error for fault in faults)
        message = ngettext(
            "The journey has a fault: %(message)s",
            "The journey has %(count)d faults. The first: %(message)s",
            count,
        ) % {"count": count, "message": first.message}
        problems = [
            Problem(f"{fault.node}.{fault.path}".strip("."), fault.code, fault.message)
            for fault in faults
            if fault.is_error
        ]
        super().__init__(message, problems=problems)

    @property
    def members(self) -> Mapping[str, Any]:
        return {"faults": [fault.as_json() for fault in self.faults]}


class WrongState(DomainError):
    """The journey is in no state in which this can be done."""

    code = "journey_wrong_state"


class JourneyInUse(DomainError):
    """Something names the journey: criteria, or another journey."""

    code = "journey_in_use"


class DraftChanged(DomainError):
    """Somebody else changed the draft meanwhile."""

    code = "journey_draft_changed"


class TooManyLive(DomainError):
    """As many journeys are live as may be."""

    code = "too_many_live_journeys"


class VersionUnknown(NotFound):
    """The journey has no version of this number."""

    code = "journey_version_unknown"


class ParticipantUnknown(NotFound):
    """There is no such participant, or the one who asks may not know of it."""

    code = "participant_unknown"


class MessageUnknown(NotFound):
    """There is no such message, or the one who asks may not know of it."""

    code = "message_unknown"


class NotATestProfile(DomainError):
    """Journeys are tested with test profiles only."""

    code = "not_a_test_profile"


class TooManyProfiles(DomainError):
    """More contacts than may be tested with at a time."""

    code = "too_many_test_profiles"


class NoTestRunning(DomainError):
    """The journey is not being tested."""

    code = "journey_test_not_running"


class TriggerMissed(DomainError):
    """The event of a test moves nobody: the draft waits for no such event, or refuses it."""

    code = "journey_trigger_missed"


class NotSentAgain(DomainError):
    """Only a message that failed or was left out is sent again, while it is known what it says."""

    code = "message_not_sent_again"


class RehearsalRunning(DomainError):
    """The journey is being rehearsed already."""

    code = "rehearsal_running"


class RehearsalUnknown(NotFound):
    """The journey has no such rehearsal."""

    code = "rehearsal_unknown"
