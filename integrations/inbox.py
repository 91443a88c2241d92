"""Requests from outside: safe on disk before they are answered, digested afterwards."""

from datetime import datetime

from integrations.models import InboundRequest
from workspace import rounds

CHANNEL = "regulars_inbox"


def receive(
    *, source_id: int, call: str, body: str, event_count: int, received_at: datetime
) -> None:
    """Keep a request that was found right in form, and wake whoever digests it.

    When the transaction has been committed the request survives the end of any process.
    """
    InboundRequest.objects.create(
        source_id=source_id,
        call=call,
        body=body,
        event_count=event_count,
        received_at=received_at,
    )
    rounds.wake(CHANNEL)
