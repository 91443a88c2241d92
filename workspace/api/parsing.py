"""Bodies in and out: JSON with exact decimals, limited in size, and files that stream to disk."""

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import simplejson
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.utils.encoding import force_str
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from workspace.api.problems import BodyTooLarge, LengthRequired

FILE_LIMIT = 2 * 2**30
# What multipart adds around a file.
_ENVELOPE = 2**20
_CHUNK = 2**16
# A number with more digits than that before or after the point is no number of anybody's.
_DIGIT_LIMIT = 1000
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d\Z)")


class InvalidJSON(ParseError):
    """The body is not JSON, or JSON that cannot be stored."""

    default_code = "invalid_json"


class ExactJSONParser(BaseParser):
    """Reads JSON in UTF-8, numbers exactly. Refuses what is ambiguous or cannot be stored.

    That is: a key given twice in one object, NUL characters, lone surrogates, NaN, and numbers
    of more than a thousand digits.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return read_json(stream.read())


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises InvalidJSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJSON(_("The body is not UTF-8.")) from error
    try:
        value = simplejson.loads(
            text, parse_float=_decimal, object_pairs_hook=_object, allow_nan=False
        )
    except ValueError as error:
        raise InvalidJSON(_("The body is not JSON: %(reason)s.") % {"reason": error}) from error
    except RecursionError as error:
        raise InvalidJSON(_("The body is nested too deeply.")) from error
    # Only an escape can bring these into a text that was UTF-8.
    if "\\u" in text:
        _check_texts(value)
    return value


def _decimal(digits: str) -> Decimal:
    try:
        number = Decimal(digits)
    except InvalidOperation as error:
        raise ValueError(_("a number is too long")) from error
    if abs(number.adjusted()) > _DIGIT_LIMIT or len(digits) > _DIGIT_LIMIT:
        raise ValueError(_("a number is too long"))
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(_("“%(key)s” is given twice in one object") % {"key": twice})
    return value


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as mapping:
                waiting.extend(mapping)
                waiting.extend(mapping.values())
            case list() as items:
                waiting.extend(items)
            case str() as text:
                if "\x00" in text:
                    raise InvalidJSON(_("The body has a NUL character in a text."))
                if any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise InvalidJSON(_("The body has half a surrogate pair in a text."))


class ExactJSONRenderer(BaseRenderer):
    """Writes JSON in UTF-8, numbers exactly, instants in UTC."""

    media_type = "application/json"
    format = "json"
    # JSON is UTF-8 by definition; the header has no charset.
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else write_json(data)


def write_json(value: Any) -> bytes:
    """`value` as JSON; dates, instants, durations and translated texts as texts."""
    text = simplejson.dumps(
        value, use_decimal=True, ensure_ascii=False, allow_nan=False, default=_written
    )
    return str(text).encode()


def canonical_json(value: Any) -> bytes:
    """The same bytes for the same JSON value, in whatever order its keys were given."""
    text = simplejson.dumps(
        value, use_decimal=True, ensure_ascii=False, sort_keys=True, default=_written
    )
    return str(text).encode()


def _written(value: Any) -> Any:
    match value:
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Promise():
            return force_str(value)
        case Mapping():
            return dict(value)
        case set() | frozenset() | tuple():
            return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def instant(at: datetime) -> str:
    """An instant as the API writes it: ISO 8601 in UTC with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class AlwaysJSON(DefaultContentNegotiation):
    """Answers JSON whatever the client says it accepts: there is nothing else to choose."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def read_body(request: HttpRequest) -> None:
    """Read the body of a request, also one sent in chunks, up to the limit for JSON.

    Raises BodyTooLarge as soon as it is known to be longer, LengthRequired for chunks on a server
    that cannot tell their end.
    """
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if _declared_length(request) > limit:
        raise _too_large(limit)
    if _is_chunked(request):
        stream = request.META["wsgi.input"]
        body = io.BytesIO()
        while chunk := stream.read(_CHUNK):
            body.write(chunk)
            if body.tell() > limit:
                raise _too_large(limit)
        # What Django and DRF look at: for them a body without a length is none.
        request._body = body.getvalue()
        request._read_started = True  # type: ignore[attr-defined]  # not in the stubs
        request.META["CONTENT_LENGTH"] = str(body.tell())


def expect_file(request: HttpRequest) -> None:
    """Let the file of a multipart body go straight to the disk, up to the limit for files.

    To be called before anything looks at the body.
    """
    if _declared_length(request) > FILE_LIMIT + _ENVELOPE:
        raise _too_large(FILE_LIMIT)
    request.upload_handlers = [FileOnDisk(request)]
    if _is_chunked(request):
        request._stream = request.META["wsgi.input"]
        request.META["CONTENT_LENGTH"] = str(FILE_LIMIT)


class UploadParser(MultiPartParser):
    """Reads multipart bodies with files."""


class UploadOnDisk(UploadedFile):  # type: ignore[type-arg]  # not generic when it runs
    """A file that was sent, on the disk where uploads are kept, and its SHA-256."""

    def __init__(self, file: Any, name: str, size: int, sha256: str) -> None:
        super().__init__(file=file, name=name, size=size)
        self._path = Path(file.name)
        self.sha256 = sha256

    def keep(self) -> Path:
        """Give the file a lasting name; without that it is gone when the request is over."""
        self.flush()
        kept = self._path.with_suffix(".upload")
        os.link(self._path, kept)
        return kept


class FileOnDisk(FileUploadHandler):
    """Writes a file that is being sent to the disk where uploads are kept, hashing it."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._size = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        settings.UPLOADS_ROOT.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed with the request
            dir=settings.UPLOADS_ROOT, suffix=".part"
        )
        self._hash = hashlib.sha256()
        self._file_size = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > FILE_LIMIT:
            self.file.close()
            raise _too_large(FILE_LIMIT)
        self._file_size += len(raw_data)
        self._hash.update(raw_data)
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadOnDisk:
        self.file.seek(0)
        name = self.file_name or ""
        return UploadOnDisk(self.file, name, self._file_size, self._hash.hexdigest())

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def read_instant(request: Request, name: str) -> datetime | None:
    """The instant in a query parameter; None without it. Raises ValidationError for another text.

    ISO 8601; without an offset it is wall time in the workspace's time zone.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    # A plus that was not escaped arrives as a space.
    text = _LOST_PLUS.sub("+", text.strip())
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(settings.TIME_ZONE))
    except ValueError as error:
        message = _("It must be an instant, as 2026-01-31T09:30:00Z.")
        raise ValidationError({name: [ErrorDetail(message, code="invalid")]}) from error


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _is_chunked(request: HttpRequest) -> bool:
    if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        return False
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired(_("This server needs to know the length of a body beforehand."))
    return True


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        _("The body is too large: up to %(limit)s bytes are taken here.") % {"limit": f"{limit:,}"}
    )
