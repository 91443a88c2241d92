"""The kinds of activities, as spec/journeys.md names them, and how they behave on the way."""

ENTRIES = frozenset({"read_segment", "event_entry", "segment_entry"})
# Among those that stand side by side the first that happens wins.
WAITING = frozenset({"wait", "event", "reaction"})
# They act or decide as soon as somebody comes.
ACTING = frozenset(
    {
        *("message", "webhook", "update", "update_vendor", "voucher"),
        *("condition", "split", "jump", "end"),
    }
)
KINDS = ENTRIES | WAITING | ACTING
# The events in contacts' histories by which reactions are told, by the reaction's name.
REACTIONS = ("email_opened", "email_clicked", "email_bounced", "push_opened")
NEXT, ERROR, TIMEOUT, ELSE = "next", "error", "timeout", "else"
NODE_LIMIT = 50
