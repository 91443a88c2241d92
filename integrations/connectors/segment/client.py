"""Calls of Segment's HTTP Tracking API; every failure becomes one of our errors.

*Source:* Twilio Segment, "HTTP Tracking API". It answers 200 to nearly everything, also to a write
key that is none: what is wrong is told in its debugger only.
"""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from integrations.connector import Http, HttpAnswer
from integrations.errors import MalformedAnswer, PermanentError, TemporaryError

_SECONDS = 20.0
_ANSWER_LIMIT = 2000
_LONGEST = timedelta(hours=1)


class BatchRefused(PermanentError):
    """Segment takes a call for no JSON, or for too large: it has to be divided, or never goes."""

    code = "batch_refused"


class SegmentClient:
    """Speaks for one source, which Segment knows by its write key.

    One that `compresses` sends the bodies of calls as gzip. Segment's limits are of what was not
    compressed.
    """

    def __init__(self, http: Http, write_key: str, *, compresses: bool = False) -> None:
        self._http, self._compresses = http, compresses
        mark = base64.b64encode(f"{write_key}:".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {mark}",
            "Content-Type": "application/json",
            "User-Agent": "Regulars-Segment/1",
        }

    def send_batch(self, body: bytes) -> HttpAnswer:
        """Hand a batch over.

        Raises TemporaryError, with the wait that Segment asks for, and BatchRefused.
        """
        headers = dict(self._headers)
        if self._compresses:
            headers["Content-Encoding"] = "gzip"
            # The same bytes at each attempt.
            body = gzip.compress(body, mtime=0)
        answer = self._http.request(
            "POST",
            "/v1/batch",
            headers=headers,
            body=body,
            seconds=_SECONDS,
            limit=_ANSWER_LIMIT,
        )
        said: dict[str, Any] = {"http_status": answer.status, "answer": answer.text}
        if 200 <= answer.status < 300:
            if not _is_yes(answer.text):
                # What stands in between says 200 as well, and takes nothing.
                words = _("It answered %(status)d, but not as Segment does.")
                raise MalformedAnswer(words % {"status": answer.status}, **said)
            return answer
        if answer.status == 429:
            wait = wait_of(answer)
            words = _("Segment takes no more calls just now (429).")
            raise TemporaryError(words, retry_after=wait, **said)
        if answer.status in {401, 403}:
            # A fault of the settings: what waits is sent when it is mended.
            words = _("Segment does not take the write key (%(status)d): renew it.")
            raise TemporaryError(words % {"status": answer.status}, **said)
        if answer.status == 408 or answer.status >= 500:
            words = _("Segment takes nothing just now: it answered %(status)d.")
            raise TemporaryError(words % {"status": answer.status}, **said)
        words = _("Segment refused it: it answered %(status)d.")
        raise BatchRefused(words % {"status": answer.status}, **said)


def _is_yes(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("success") is True


def wait_of(answer: HttpAnswer) -> timedelta | None:
    """How long Segment wants to be left alone; it says so in seconds, in one of two headers."""
    for name in ("retry-after", "x-ratelimit-reset"):
        text = answer.headers.get(name, "").strip()
        if text.isascii() and text.isdecimal():
            return min(timedelta(seconds=min(int(text), 86_400)), _LONGEST)
    return None
