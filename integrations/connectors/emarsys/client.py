"""The calls of Emarsys: both ways to authorize, its envelope, its codes as errors of ours.

Codes mean something only together with the status of HTTP, and failures come with 200, too.
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from integrations.connector import Http, HttpAnswer
from integrations.connectors.emarsys import payloads, wsse
from integrations.connectors.emarsys.payloads import Definition, Named, Run
from integrations.errors import (
    CredentialsRejected,
    MalformedAnswer,
    PermanentError,
    TemporaryError,
    ThingMissing,
)

_ISSUER = "/oauth2/token"
BASE_URL, AUTH_URL = "https://api.emarsys.net", "https://auth.emarsys.net"
PAGE = 10_000
BATCH = 1000
_SECONDS = 60.0
# A token is asked for anew so long before it ends, so that none ends on its way.
_SPARE = timedelta(minutes=1)
# WSSE takes clocks that differ by five minutes.
_SKEW = timedelta(minutes=4, seconds=30)
_WAIT_AFTER_LIMIT = timedelta(minutes=1)
_WAIT_FOR_RUN = timedelta(seconds=30)
_SEGMENT, _COMBINED = (404, 10002), (404, 13001)

_tokens: dict[tuple[str, str, str], tuple[str, datetime]] = {}
_lock = threading.Lock()


class Client:
    """One account at Emarsys. `is_oauth` says how it authorizes: OAuth2 at v3, or WSSE at v2."""

    def __init__(
        self, http: Http, *, user: str, secret: str, is_oauth: bool, auth_url: str = AUTH_URL
    ) -> None:
        self._http = http
        self._user, self._secret = user, secret
        self._is_oauth = is_oauth
        # Also where somebody gave the whole address.
        self._auth_url = auth_url.rstrip("/").removesuffix(_ISSUER)

    def list_segments(self) -> list[Named]:
        """All segments."""
        return payloads.read_named(self._ask("GET", "/filter"))

    def list_combined(self) -> list[Named]:
        """All combined segments."""
        return payloads.read_named(self._ask("GET", "/combinedsegments"))

    def combined_definition(self, combined_id: str) -> Definition:
        """What a combined segment is made of. Raises ThingMissing."""
        listed = {one.id: one for one in self.list_combined()}
        if combined_id not in listed:
            raise ThingMissing(_("There is no such segment in Emarsys any more."))
        # The list has it as a rule: it is how one is created.
        definition = listed[combined_id].definition
        if definition is not None:
            return definition
        return payloads.read_definition(self._ask("GET", f"/combinedsegments/{combined_id}"))

    def count_contacts(self, segment_id: str) -> int | None:
        """How many are in a segment; None while Emarsys still finds out. Raises ThingMissing."""
        answer = self._call("GET", f"/filter/{segment_id}/contacts/count")
        data = self._data(answer)
        return None if answer.status == 202 else payloads.read_count(data)

    def begin_run(self, segment_id: str) -> Run:
        """Have Emarsys find out who is in a segment.

        Raises ThingMissing, and TemporaryError while it does that for another one.
        """
        return payloads.read_begun(self._ask("POST", f"/filter/{segment_id}/runs", body={}))

    def find_run(self, run_id: str) -> Run:
        """How far a run is."""
        return payloads.read_run(self._ask("GET", f"/filter/runs/{run_id}"))

    def list_keys(self, list_id: str, field: str, *, offset: int, limit: int = PAGE) -> list[str]:
        """A page of the values of a field of those on a contact list; none after the last page."""
        query = urlencode({"fields": field, "limit": limit, "offset": offset})
        data = self._ask("GET", f"/contactlist/{list_id}/contacts/data?{query}")
        return payloads.read_keys(data, field)

    def list_ids(self, list_id: str, *, offset: int, limit: int = 10 * PAGE) -> list[int]:
        """A page of the numbers of those on a contact list; none after the last page."""
        query = urlencode({"limit": limit, "offset": offset})
        return payloads.read_ids(self._ask("GET", f"/contactlist/{list_id}/?{query}"))

    def find_keys(self, contact_ids: Sequence[int], field: str) -> list[str]:
        """The values of a field of up to `BATCH` contacts; who is gone is left out."""
        body = {"keyId": "id", "keyValues": [str(one) for one in contact_ids], "fields": [field]}
        return payloads.read_found(self._ask("POST", "/contact/getdata", body=body), field)

    def change_contact(self, key_field: str, value: str, fields: Mapping[str, Any]) -> str:
        """Set these fields of a contact, and leave the others; its number.

        Raises PermanentError where there is no such contact, or no such field.
        """
        body = {"key_id": key_field, "contacts": [{key_field: value, **fields}]}
        return payloads.read_changed(self._ask("PUT", "/contact", body=body))

    def field_names(self) -> dict[str, str]:
        """The fields of contacts, by their numbers."""
        return payloads.read_fields(self._ask("GET", "/field/translate/en"))

    def _ask(self, method: str, path: str, *, body: Any = None) -> Any:
        answer = self._call(method, path, body=body)
        data = self._data(answer)
        if answer.status == 202:
            raise TemporaryError(
                _("Emarsys is still evaluating the segment."),
                http_status=202,
                retry_after=_WAIT_FOR_RUN,
            )
        return data

    def _call(self, method: str, path: str, *, body: Any = None) -> HttpAnswer:
        version = "v3" if self._is_oauth else "v2"
        content = b"" if body is None else json.dumps(body).encode()

        def send() -> HttpAnswer:
            return self._http.request(
                method,
                f"/api/{version}{path}",
                headers=self._headers(),
                body=content,
                seconds=_SECONDS,
            )

        answer = send()
        if answer.status == 401 and self._is_oauth and self._forget_token():
            # It may have ended before its time. A second refusal is one.
            answer = send()
        self._note_limit(answer)
        return answer

    def _headers(self) -> Mapping[str, str]:
        # Also where nothing is sent: without it Emarsys answers 400.
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._is_oauth:
            return {**headers, "Authorization": f"Bearer {self._token()}"}
        value = wsse.header(self._user, self._secret, at=self._http.now())
        return {**headers, wsse.HEADER: value}

    def _data(self, answer: HttpAnswer) -> Any:
        """What the envelope holds. Raises what its status and code mean together."""
        try:
            envelope = json.loads(answer.text)
        except ValueError:
            envelope = None
        code, text = None, ""
        if isinstance(envelope, dict):
            code = payloads.read_code(envelope.get("replyCode"))
            text = str(envelope.get("replyText") or "")
        self._refuse(answer, code, text)
        if code is None or not isinstance(envelope, dict):
            words = _("Emarsys did not answer as its documentation says: no envelope.")
            raise MalformedAnswer(words, http_status=answer.status, answer=answer.text[:500])
        return envelope.get("data")

    def _refuse(self, answer: HttpAnswer, code: int | None, text: str) -> None:
        status = answer.status
        if (status, code) in {(200, 0), (202, 10001)}:
            return
        told: dict[str, Any] = {"http_status": status, "answer": answer.text[:500]}
        words = {"text": text or f"HTTP {status}", "code": code if code is not None else "–"}
        if status == 401:
            raise self._rejected(answer)
        if status == 403:
            raise PermanentError(
                _("Emarsys does not allow it: give the API user the permission. (%(text)s)")
                % words,
                **told,
            )
        if (status, code) in {_SEGMENT, _COMBINED}:
            raise ThingMissing(_("There is no such segment in Emarsys any more."), **told)
        if status == 404:
            raise PermanentError(
                _("Emarsys has no such thing: %(text)s (%(code)s)") % words, **told
            )
        if status == 423:
            raise TemporaryError(
                _("Emarsys is running another segment: one at a time is possible."),
                retry_after=_WAIT_FOR_RUN,
                **told,
            )
        if status == 429:
            raise TemporaryError(
                _("Emarsys has got too many requests of this API user within a minute."),
                retry_after=self._until_reset(answer),
                **told,
            )
        if status >= 500 or status == 408:
            raise TemporaryError(_("Emarsys has a fault: %(text)s (%(code)s)") % words, **told)
        if code is not None:
            raise PermanentError(_("Emarsys refused it: %(text)s (%(code)s)") % words, **told)
        if status >= 300:
            raise PermanentError(_("Emarsys refused it: %(text)s") % words, **told)

    def _rejected(self, answer: HttpAnswer) -> CredentialsRejected | TemporaryError:
        """Why it refuses us: with WSSE that may be our clock, which is no fault of the secret."""
        told: dict[str, Any] = {"http_status": answer.status, "answer": answer.text[:500]}
        off = _clock_difference(answer)
        if not self._is_oauth and off is not None and off > _SKEW:
            words = _(
                "The clock of this server and that of Emarsys differ by %(minutes)d minutes; five"
                " are the most. Set the clock."
            )
            return TemporaryError(words % {"minutes": round(off / timedelta(minutes=1))}, **told)
        if self._is_oauth:
            words = _("Emarsys does not accept the client id and secret.")
        else:
            words = _("Emarsys does not accept the API user and secret.")
        return CredentialsRejected(words, **told)

    def _note_limit(self, answer: HttpAnswer) -> None:
        given = answer.headers
        if (limit := _header_number(given, "x-ratelimit-limit")) is None:
            return
        reset = _header_number(given, "x-ratelimit-reset")
        self._http.note_limit(
            _("requests a minute"),
            limit=limit,
            remaining=_header_number(given, "x-ratelimit-remaining"),
            reset_at=None if reset is None else datetime.fromtimestamp(reset, UTC),
        )

    def _until_reset(self, answer: HttpAnswer) -> timedelta:
        """How long to wait: Emarsys says an instant, and no Retry-After."""
        reset = _header_number(answer.headers, "x-ratelimit-reset")
        if reset is None:
            return _WAIT_AFTER_LIMIT
        left = datetime.fromtimestamp(reset, UTC) - self._http.now()
        return min(max(left, timedelta(seconds=1)), timedelta(hours=1))

    # --- OAuth2 ----------------------------------------------------------------------------------

    def _token(self) -> str:
        with _lock:
            token, until = _tokens.get(self._token_key, ("", datetime.min.replace(tzinfo=UTC)))
        if token and self._http.now() + _SPARE < until:
            return token
        token, until = self._new_token()
        with _lock:
            _tokens[self._token_key] = token, until
        return token

    @property
    def _token_key(self) -> tuple[str, str, str]:
        return self._auth_url, self._user, sha256(self._secret.encode()).hexdigest()

    def _forget_token(self) -> bool:
        with _lock:
            return _tokens.pop(self._token_key, None) is not None

    def _new_token(self) -> tuple[str, datetime]:
        basic = base64.b64encode(f"{self._user}:{self._secret}".encode()).decode()
        answer = self._http.request(
            "POST",
            self._auth_url + _ISSUER,
            headers={
                "Authorization": f"Basic {basic}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=b"grant_type=client_credentials",
            seconds=_SECONDS,
        )
        told: dict[str, Any] = {"http_status": answer.status}
        if answer.status in {400, 401, 403}:
            words = _("Emarsys does not accept the client id and secret.")
            raise CredentialsRejected(words, **told)
        if answer.status == 429 or answer.status >= 500:
            words = _("Emarsys does not give an access token now (HTTP %(status)d).")
            raise TemporaryError(
                words % {"status": answer.status}, retry_after=_WAIT_AFTER_LIMIT, **told
            )
        try:
            given = json.loads(answer.text)
            token, seconds = str(given["access_token"]), int(given.get("expires_in", 300))
        except (ValueError, KeyError, TypeError, AttributeError):
            words = _("Emarsys did not answer as its documentation says: no access token.")
            raise MalformedAnswer(words, **told) from None
        return token, self._http.now() + timedelta(seconds=seconds)


def _clock_difference(answer: HttpAnswer) -> timedelta | None:
    """How far our clock and the one of the answer are apart; None where it says no time."""
    try:
        there = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return abs(answer.at - there.replace(tzinfo=there.tzinfo or UTC))


def _header_number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isdecimal() and len(text) <= 12 else None
