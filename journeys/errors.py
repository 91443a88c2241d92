"""What the rules of this room refuse."""

from workspace.errors import DomainError, InputInvalid, NotFound


class JourneyUnknown(NotFound):
    """There is no such journey, or the one who asks may not know of it."""

    code = "journey_unknown"


class JourneyInvalid(InputInvalid):
    """What was said of a journey cannot be used; `problems` name each fault."""

    code = "journey_invalid"


class DrawingInvalid(InputInvalid):
    """The drawing has faults that stand against a test or publishing; `problems` name them."""

    code = "drawing_invalid"


class WrongState(DomainError):
    """The journey is in no state in which this can be done."""

    code = "journey_wrong_state"


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
