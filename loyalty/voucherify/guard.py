"""What is asked before a card is looked at: is somebody locked out or blocked."""

from functools import partial

from integrations.voucherify.entry import Call
from loyalty.guarding import lockouts, suspicions
from loyalty.voucherify.people import subjects_of


def require_trusted(call: Call, contact_id: int | None) -> None:
    """Raise LockedOut for who tried too many unknown codes, Blocked for who was blocked."""
    subjects = subjects_of(call, contact_id)
    lockouts.require_unlocked(subjects, at=call.at)
    suspicions.require_unblocked(subjects, at=call.at)


def note_unknown_codes(call: Call, contact_id: int | None, count: int) -> None:
    """Count codes that do not exist, whatever becomes of the transaction."""
    if count:
        subjects = subjects_of(call, contact_id)
        call.afterwards.append(
            partial(suspicions.note_unknown_code, subjects, at=call.at, count=count)
        )
