"""When something happened, by the clock of the sender, whose error `sentAt` shows. Pure.

*Source:* Twilio Segment, "Spec: Common Fields", timestamps.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from integrations.remarks import Remark

FUTURE_LIMIT = timedelta(days=1)
_TEXT_LIMIT = 64


def occurred_at(
    raw: Mapping[str, Any],
    sent_at: datetime | None,
    received_at: datetime,
    remarks: list[Remark],
) -> datetime:
    """When what a message tells of happened; adds a remark where its time cannot be used.

    Without a `sent_at`, by the same clock as `timestamp`, that clock is believed.
    """
    given = raw.get("timestamp")
    if given in (None, ""):
        given = raw.get("originalTimestamp")
    if given in (None, ""):
        return received_at
    said = read_instant(given)
    if said is None:
        text = _("It is no time: write it as 2026-03-31T18:30:00.000Z. The time of receipt counts.")
        remarks.append(Remark("timestamp", "timestamp_invalid", text, given))
        return received_at
    try:
        at = said if sent_at is None else received_at - (sent_at - said)
    except OverflowError:
        text = _("By its sentAt it lies outside the calendar. The time of receipt counts.")
        remarks.append(Remark("timestamp", "timestamp_invalid", text, given))
        return received_at
    if at - received_at > FUTURE_LIMIT:
        text = _(
            "It is more than a day in the future: a clock is wrong. The time of receipt counts."
        )
        remarks.append(Remark("timestamp", "timestamp_in_future", text, given))
        return received_at
    return at


def read_instant(value: Any) -> datetime | None:
    """A time in UTC, which is meant where no offset is given; None where it is none."""
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
