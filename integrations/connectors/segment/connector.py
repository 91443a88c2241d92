"""Hands facts over to Segment, as many in one call as it takes; each has a fate of its own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings as product
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.connector import Message, Receipt
from integrations.connectors.segment import payloads
from integrations.connectors.segment.client import BatchRefused, SegmentClient
from integrations.errors import ConnectorError, PermanentError, TemporaryError
from integrations.origin import origin_mark
from integrations.vendors.calls import VendorHttp

BASE_URLS = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}


class SegmentConnector:
    """Sends to the source of a connection's write key."""

    def send(self, message: Message) -> Receipt:
        """Hand one message over; the reference is its messageId."""
        (said,) = self.send_many([message])
        if isinstance(said, ConnectorError):
            raise said
        return said

    def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt | ConnectorError]:
        """Hand messages of one connection over; what came of each, in their order.

        Once Segment asks to be left alone nothing more is sent.
        """
        answers: list[Receipt | ConnectorError | None] = [None] * len(messages)
        ready: list[tuple[int, bytes]] = []
        for place, message in enumerate(messages):
            event = self.document_of(message)
            body = b"" if isinstance(event, ConnectorError) else payloads.encoded(event)
            if isinstance(event, ConnectorError):
                answers[place] = event
            elif len(body) > payloads.EVENT_LIMIT:
                words = _("It has %(size)d bytes; Segment takes %(limit)d.")
                limit = payloads.EVENT_LIMIT
                answers[place] = PermanentError(words % {"size": len(body), "limit": limit})
            else:
                ready.append((place, body))
        if ready:
            self._send_all(messages, ready, answers)
        return [answer for answer in answers if answer is not None]

    def document_of(self, message: Message) -> dict[str, Any] | ConnectorError:
        """The event as it is sent, or why it cannot be: Segment wants to know of whom it is."""
        if not payloads.is_of_somebody(message.payload):
            return PermanentError(_("The contact has no id by which Segment knows it."))
        return payloads.event_of(
            message.payload, key=message.key, settings=message.settings, origin=origin_mark()
        )

    def _send_all(
        self,
        messages: Sequence[Message],
        ready: Sequence[tuple[int, bytes]],
        answers: list[Receipt | ConnectorError | None],
    ) -> None:
        first = messages[0]
        write_key = write_key_of(first.secret)
        http = VendorHttp(
            base_url(first.settings),
            connection_id=first.connection_id,
            secrets=[write_key],
            now=timezone.now,
        )
        compresses = first.settings.get("compress") is True
        client = SegmentClient(http, write_key, compresses=compresses)
        trouble: TemporaryError | None = None
        for places in payloads.batches([body for _place, body in ready]):
            together = [ready[place] for place in places]
            if trouble is None:
                trouble = _send_batch(client, first, together, messages, answers)
            for place, _body in together:
                if answers[place] is None:
                    answers[place] = trouble


def _send_batch(
    client: SegmentClient,
    first: Message,
    together: Sequence[tuple[int, bytes]],
    messages: Sequence[Message],
    answers: list[Receipt | ConnectorError | None],
) -> TemporaryError | None:
    """Send these together, in halves where one is at fault; the trouble that there is."""
    body = payloads.batch_body([one for _place, one in together], sent_at=first.sent_at)
    try:
        answer = client.send_batch(body)
    except TemporaryError as error:
        return error
    except BatchRefused as error:
        if len(together) == 1:
            answers[together[0][0]] = error
            return None
        half = len(together) // 2
        for part in (together[:half], together[half:]):
            # A few calls more, until it is known which one is at fault.
            if trouble := _send_batch(client, first, part, messages, answers):
                return trouble
        return None
    for place, _body in together:
        reference = payloads.message_id_of(messages[place].key)
        answers[place] = Receipt(reference, answer.status, answer.text)
    return None


def write_key_of(secret: str) -> str:
    """The write key that a connection keeps. Raises TemporaryError where access was revoked."""
    try:
        kept = json.loads(secret or "{}")
    except ValueError:
        kept = {}
    write_key = str(kept.get("write_key") or "") if isinstance(kept, Mapping) else ""
    if not write_key:
        raise TemporaryError(_("The connection has no write key: authorize it again."))
    return write_key


def base_url(settings: Mapping[str, Any]) -> str:
    """Where Segment is asked: in the region of the workspace, or where the installation says."""
    given = product.SEGMENT_URL or BASE_URLS[str(settings.get("region") or "us")]
    # Also where the setting names the version, as the vendor's pages do.
    return given.rstrip("/").removesuffix("/v1")
