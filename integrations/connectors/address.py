"""Addresses that are called with a body of JSON, without being a webhook that hears of something.

What is refused for good (4xx, but for those that say "later") is not tried again; the key of the
delivery goes along at each attempt, so that the other side can tell a repetition.
"""

from django.utils.translation import gettext as _

from integrations import outbound
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, TemporaryError

KEY_HEADER = "Idempotency-Key"
# Request timeout, too early, too many requests: it may be taken another time.
_LATER = frozenset({408, 425, 429})


class AddressConnector:
    """Posts the text `body` of a payload to the `url` of the connection, as it is."""

    def send(self, message: Message) -> Receipt:
        """Post one message."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Regulars-Webhooks/1",
            KEY_HEADER: message.key,
        }
        body = str(message.payload["body"]).encode()
        answer = outbound.post(str(message.settings["url"]), body=body, headers=headers)
        if 200 <= answer.status < 300:
            return Receipt(status=answer.status, answer=answer.text)
        words = _("It answered %(status)d.")
        if 300 <= answer.status < 400:
            words = _("It answered %(status)d: redirects are not followed.")
        passes = answer.status >= 500 or answer.status in _LATER
        failure = TemporaryError if passes else PermanentError
        text = words % {"status": answer.status}
        raise failure(text, http_status=answer.status, answer=answer.text)
