"""Calls of Dotdigital, one method each. Every failure leaves as one of our errors.

*Source:* README.md of this folder. Reads no clock but that of its `Http`, and knows no table.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from integrations.connector import Http, HttpAnswer
from integrations.connectors.dotdigital import payloads
from integrations.connectors.dotdigital.payloads import (
    Account,
    Contact,
    ContactsTaken,
    Group,
    ImportState,
)
from integrations.errors import (
    ConnectorError,
    CredentialsRejected,
    MalformedAnswer,
    NameTaken,
    PermanentError,
    TemporaryError,
    ThingMissing,
)

# What the vendor advises to wait for an answer.
SECONDS = 121.0
# Lists and segments by name; of contacts a page has more.
_SELECT = 1000
_PAGE = 5000
# The report of an import repeats each record that was refused.
_REPORT_LIMIT = 256_000_000
_BAD_CREDENTIALS = frozenset(
    {
        *("ERROR_APIUSER_INVALID", "ERROR_INVALID_LOGIN", "ERROR_MANAGED_USER_INVALID"),
        *("ERROR_ACCOUNT_INVALID", "ERROR_UNKNOWN_ACCOUNT", "ERROR_USERACCOUNT_UNKNOWN"),
    }
)
_LATER = frozenset({"ERROR_ADDRESSBOOK_IN_USE", "ERROR_SYSTEM_SERVICETEMPORARILYUNAVAILABLE"})
_TOO_MANY_IMPORTS = frozenset({"tooManyActiveImports", "ERROR_IMPORT_TOOMANYACTIVEIMPORTS"})
_MISSING = frozenset({"contactNotFound", "collectionNotFound"})
_AGAIN_FOR_IMPORTS = timedelta(seconds=30)
_AGAIN_FOR_HOUR = timedelta(minutes=10)
_AGAIN_FOR_MINUTE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class DotdigitalClient:
    """Speaks to one account. Raises only what the errors of this room are, as its methods say.

    All methods may raise TemporaryError, MalformedAnswer, PermanentError and CredentialsRejected.
    """

    http: Http
    username: str
    password: str = field(repr=False)

    def account(self) -> Account:
        """Whose account it is, and where it is to be called: answered in every region."""
        return payloads.read_account(self._ask("GET", "/v2/account-info"))

    def import_records(self, body: bytes) -> str:
        """Send records of Insight data; the import's id. A record of the same key is replaced."""
        return _text(self._ask("PUT", "/insightData/v3/import", body=body), "importId")

    def import_state(self, import_id: str) -> ImportState:
        """How far an import is. Raises ThingMissing where the vendor does not know it."""
        path = f"/insightData/v3/import/{_part(import_id)}"
        return payloads.read_import(self._ask("GET", path, limit=_REPORT_LIMIT))

    def delete_records(
        self, identifier: str, value: str, collection: str, keys: Sequence[str]
    ) -> int:
        """Delete records of one contact; how many there were.

        Raises ThingMissing where there is no such contact, or no such collection.
        """
        path = f"/insightData/v3/contacts/{_part(identifier)}/{_part(value)}/{_part(collection)}"
        try:
            found = self._ask("DELETE", f"{path}/deleteRecords", {"keys": list(keys)})
        except PermanentError as error:
            # Only the vendor's OpenAPI document has this call; to who does not know it, it names a
            # record. A contact or a collection that is missing is named.
            is_known = _short(error.context.get("vendor_code")) in _MISSING
            if error.http_status not in {404, 405} or is_known:
                raise
            return sum(self._delete_record(f"{path}/{_part(key)}") for key in keys)
        return _number(found.get("summary", {}) if isinstance(found, dict) else {}, "totalDeleted")

    def _delete_record(self, path: str) -> bool:
        """Delete one record; whether there was one. Raises ThingMissing."""
        try:
            self._ask("DELETE", path)
        except ThingMissing as error:
            if _short(error.context.get("vendor_code")) != "recordNotFound":
                raise
            return False
        return True

    def empty_collection(self, collection: str) -> str:
        """Have all records of a collection deleted, whoever's they are; the job's id.

        Raises ThingMissing where there is no such collection.
        """
        path = f"/insightData/v3/collections/{_part(collection)}/empty"
        try:
            found = self._ask("PUT", path)
        except PermanentError as error:
            # The vendor's pages name the one method, its OpenAPI document the other.
            is_known = _short(error.context.get("vendor_code")) in _MISSING
            if error.http_status not in {404, 405} or is_known:
                raise
            found = self._ask("DELETE", path)
        return _text(found, "jobId")

    def is_job_over(self, job_id: str) -> bool:
        """Whether such a job has ended. Raises PermanentError where it failed, ThingMissing."""
        found = self._ask("GET", f"/insightData/v3/async/{_part(job_id)}")
        state = _text(found, "status")
        if state in {"Failed", "NotAvailableInThisVersion"}:
            raise PermanentError(_("Dotdigital says that the job failed (%(s)s).") % {"s": state})
        return payloads.is_done(state)

    def segments(self) -> list[Group]:
        """All segments of the account, as they were counted when they were last refreshed."""
        return list(self._groups("/v2/segments"))

    def refresh_segment(self, segment_id: int) -> None:
        """Have a segment calculated anew. Raises ThingMissing."""
        self._ask("POST", f"/v2/segments/refresh/{segment_id}")

    def is_segment_fresh(self, segment_id: int) -> bool:
        """Whether that is done. Raises ThingMissing."""
        found = self._ask("GET", f"/v2/segments/refresh/{segment_id}")
        return payloads.is_done(_text(found, "status"))

    def contacts_in(
        self, *, segment_id: int | None = None, list_id: int | None = None
    ) -> Iterator[list[Contact]]:
        """Who is in a segment or on a list, page by page. Raises ThingMissing."""
        marker, seen = "", {""}
        while True:
            contacts, marker = self.page_of_contacts(
                segment_id=segment_id, list_id=list_id, marker=marker
            )
            yield contacts
            if marker in seen:
                break
            seen.add(marker)

    def page_of_contacts(
        self, *, segment_id: int | None = None, list_id: int | None = None, marker: str = ""
    ) -> tuple[list[Contact], str]:
        """One page of that, and the marker of the next one, "" after the last."""
        chosen = f"~segmentId={segment_id}" if list_id is None else f"~listId={list_id}"
        path = f"/contacts/v3?{chosen}&limit={_PAGE}"
        if marker:
            path += f"&marker={_part(marker)}"
        return payloads.read_contacts(self._ask("GET", path))

    def lists(self) -> list[Group]:
        """All lists of the account."""
        return list(self._groups("/v2/address-books"))

    def create_list(self, name: str) -> int:
        """Make a list, which nobody can subscribe to by themselves; its id.

        Raises NameTaken where a list or a segment has the name.
        """
        given = {"name": name, "visibility": "Private"}
        return _number(self._ask("POST", "/v2/address-books", given), "id")

    def list_size(self, list_id: int) -> int:
        """How many contacts are on a list. Raises ThingMissing."""
        return _number(self._ask("GET", f"/v2/address-books/{list_id}"), "contacts")

    def put_on_list(self, list_id: int, email: str) -> int | None:
        """Put one contact on a list, created where it is not known; its id, where that is told.

        Raises ThingMissing, and PermanentError for an address that is not taken.
        """
        found = self._ask("POST", f"/v2/address-books/{list_id}/contacts", {"email": email})
        return payloads.read_id(found)

    def rename_list(self, list_id: int, name: str) -> None:
        """Give a list another name. Raises as `create_list`, and ThingMissing."""
        path = f"/v2/address-books/{list_id}"
        # It is replaced as a whole: who may subscribe by themselves is to stay as it is.
        found = self._ask("GET", path)
        visibility = found.get("visibility") if isinstance(found, Mapping) else None
        self._ask("PUT", path, {"name": name, "visibility": visibility or "Private"})

    def delete_list(self, list_id: int) -> None:
        """Delete a list; the contacts on it stay. Raises ThingMissing."""
        self._ask("DELETE", f"/v2/address-books/{list_id}")

    def import_contacts(self, emails: Sequence[str], list_id: int) -> str:
        """Put contacts on a list, and create those that are not known yet; the import's id."""
        body = payloads.write_contacts(emails, list_id)
        return _text(self._ask("PUT", "/contacts/v3/import", body=body), "importId")

    def contacts_taken(self, import_id: str) -> ContactsTaken | None:
        """What came of that; None while it goes on. Raises ThingMissing."""
        path = f"/contacts/v3/import/{_part(import_id)}"
        return payloads.read_contacts_taken(self._ask("GET", path, limit=_REPORT_LIMIT))

    def change_contact(self, identifier: str, value: str, fields: Mapping[str, Any]) -> int:
        """Set these data fields of a contact, and leave the others; its id. Raises ThingMissing."""
        path = f"/contacts/v3/{_part(identifier)}/{_part(value)}?merge-option=overwrite"
        return _number(self._ask("PATCH", path, {"dataFields": dict(fields)}), "contactId")

    def take_off_list(self, list_id: int, contact_ids: Sequence[int]) -> None:
        """Take contacts off a list; who is not on it does not matter. Raises ThingMissing."""
        self._ask("POST", f"/v2/address-books/{list_id}/contacts/delete", list(contact_ids))

    def _groups(self, path: str) -> Iterator[Group]:
        skip = 0
        while True:
            page = payloads.read_groups(self._ask("GET", f"{path}?select={_SELECT}&skip={skip}"))
            yield from page
            skip += len(page)
            if len(page) < _SELECT:
                break

    def _ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        body: bytes = b"",
        limit: int = 64_000_000,
    ) -> Any:
        """Call, and read what was answered; None where nothing was."""
        mark = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {mark}", "Accept": "application/json"}
        if document is not None:
            body = json.dumps(document, ensure_ascii=False).encode()
        if body:
            headers["Content-Type"] = "application/json; charset=utf-8"
        answer = self.http.request(
            method, path, headers=headers, body=body, seconds=SECONDS, limit=limit
        )
        reset_at = self._note_limit(answer)
        if not 200 <= answer.status < 300:
            raise _refusal(answer, reset_at)
        if not answer.text.strip():
            return None
        try:
            return json.loads(answer.text)
        except ValueError as error:
            words = _("Dotdigital answered something that is no JSON: “%(text)s”")
            raise MalformedAnswer(
                words % {"text": answer.text[:100]}, http_status=answer.status
            ) from error

    def _note_limit(self, answer: HttpAnswer) -> datetime | None:
        """Write down what was said of the limit of this call; when it is lifted."""
        said = answer.headers
        reset = said.get("x-ratelimit-reset", "")
        at = datetime.fromtimestamp(int(reset), UTC) if reset.isdecimal() else None
        numbers = [said.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining")]
        limit, remaining = (int(one) if one.isdecimal() else None for one in numbers)
        if limit is not None:
            scope = said.get("x-ratelimit-scope", "calls")
            self.http.note_limit(scope, limit=limit, remaining=remaining, reset_at=at)
        return at


def _refusal(answer: HttpAnswer, reset_at: datetime | None) -> ConnectorError:
    """What an answer that is no success means to us."""
    code, words = payloads.read_error(answer.text)
    said = f"{code}: {words}" if code and words and words != code else (code or words)
    given: dict[str, Any] = {
        "http_status": answer.status,
        "answer": answer.text[:500],
        "vendor_code": code,
    }
    short = _short(code)
    if code in _BAD_CREDENTIALS or answer.status == 401:
        text = _(
            "Dotdigital does not accept the API username and password. Look whether the API user"
            " is enabled (Settings → Access → API users), and authorize with its present password."
        )
        return CredentialsRejected(text, **given)
    if answer.status == 403:
        text = _(
            "Dotdigital denies access: the account was moved to another region, or its API user"
            " may not do this. Authorize again."
        )
        return CredentialsRejected(text, **given)
    if short in _TOO_MANY_IMPORTS:
        text = _("Dotdigital is still busy with too many imports of this account.")
        return TemporaryError(text, retry_after=_AGAIN_FOR_IMPORTS, **given)
    if code == "ERROR_APIUSAGE_EXCEEDED":
        text = _("The account has used up its calls of this hour.")
        return TemporaryError(text, retry_after=_AGAIN_FOR_HOUR, **given)
    if answer.status == 429:
        wait = _AGAIN_FOR_MINUTE if reset_at is None else reset_at - answer.at
        text = _("The account has used up its calls of this minute.")
        return TemporaryError(text, retry_after=max(wait, timedelta(seconds=1)), **given)
    named = {"status": answer.status, "said": said[:300] or "–"}
    if answer.status >= 500 or answer.status == 408 or code in _LATER:
        text = _("Dotdigital cannot answer at the moment (%(status)d %(said)s).") % named
        return TemporaryError(text, **given)
    if answer.status == 404:
        return ThingMissing(_("Dotdigital does not know it: %(said)s.") % named, **given)
    if 300 <= answer.status < 400:
        text = _("Dotdigital leads to another address (%(status)d), which is not followed.")
        return MalformedAnswer(text % named, **given)
    if code == "ERROR_ADDRESSBOOK_DUPLICATE":
        text = _("A list or a segment there has this name already: names are unique over both.")
        return NameTaken(text, **given)
    return PermanentError(_("Dotdigital refuses: %(status)d %(said)s.") % named, **given)


def _short(code: Any) -> str:
    """A code without the service that says it: "contacts:contactNotFound" is "contactNotFound"."""
    return str(code or "").rpartition(":")[2]


def _part(text: str) -> str:
    """A part of a path: whatever stands in it is one part."""
    return quote(text, safe="")


def _text(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(value, str) or not value:
        raise _missing(name)
    return value


def _number(found: Any, name: str) -> int:
    value = payloads.read_number(found.get(name) if isinstance(found, Mapping) else None)
    if value is None:
        raise _missing(name)
    return value


def _missing(name: str) -> MalformedAnswer:
    words = _("Dotdigital's answer lacks “%(name)s”.") % {"name": name}
    return MalformedAnswer(words)
