"""Requests from outside: safe on disk before they are answered, digested afterwards."""

from datetime import datetime

from workspace import rounds, sql

CHANNEL = "regulars_inbox"

_KEEP = """
INSERT INTO integrations_inboundrequest (source_id, call, body, event_count, received_at)
VALUES (%s, %s, %s, %s, %s)
"""


def receive(
    *, source_id: int, call: str, body: str, event_count: int, received_at: datetime
) -> None:
    """Keep a request that was found right in form, and wake whoever digests it.

    When this returns, or the transaction around it has been committed, the request survives the
    end of any process.
    """
    sql.execute(_KEEP, [source_id, call, body, event_count, received_at])
    # Not in the same statement: a commit that notifies holds a lock that others wait for, and
    # would hold it until the disk has written. Should this be lost, the next round comes anyway.
    rounds.wake(CHANNEL)
