"""Bodies of requests: read, unpacked and found right in form, within limits of size.

*Source:* the limits of Segment's HTTP Tracking API: 32 KB a call, 500 KB and 2500 events a batch,
32 KB an event of a batch.
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from integrations.ingestion.refusals import RequestRefused

CALL_LIMIT = 32 * 1024
BATCH_LIMIT = 500 * 1024
BATCH_EVENTS = 2500
# Deeper documents and longer numbers are nobody's events, and whoever reads them later may not.
DEPTH_LIMIT = 100
DIGIT_LIMIT = 1000
_PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_PACKING = 1024
_MEMBER_LIMIT = 16
_LONG_NUMBER = re.compile(rf"[0-9]{{{DIGIT_LIMIT + 1}}}")


@dataclass(frozen=True, slots=True)
class Received:
    """A body that is right in form: its text, its value, and how many events it holds."""

    text: str
    value: Any
    event_count: int


def read_call(body: bytes) -> Received:
    """A body with one event: a JSON object. Raises RequestRefused."""
    text, value = read_json(body)
    if not isinstance(value, dict):
        raise invalid(_("The body has to be a JSON object."))
    return Received(text, value, 1)


def read_batch(body: bytes) -> Received:
    """A body with a list `batch` of events, whatever these are. Raises RequestRefused."""
    text, value = read_json(body)
    batch = value.get("batch") if isinstance(value, dict) else None
    if not isinstance(batch, list):
        raise invalid(_("The body has to be a JSON object with a list “batch”."))
    if len(batch) > BATCH_EVENTS:
        message = _("The batch has %(count)d events; %(limit)d are the most.")
        raise too_large(message % {"count": len(batch), "limit": BATCH_EVENTS})
    if len(body) > CALL_LIMIT:
        _check_sizes(batch)
    return Received(text, value, len(batch))


def read_json(body: bytes) -> tuple[str, Any]:
    """The text and the value of a JSON document in UTF-8. Raises RequestRefused."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(_("The body is not UTF-8.")) from error
    try:
        value = _decoder.decode(text)
    except ValueError as error:
        raise invalid(_("The body is not JSON: %(reason)s.") % {"reason": error}) from error
    except RecursionError as error:
        raise invalid(_too_deep()) from error
    if text.count("{") + text.count("[") > DEPTH_LIMIT and _depth_exceeds(value, DEPTH_LIMIT):
        raise invalid(_too_deep())
    if len(text) > DIGIT_LIMIT and _LONG_NUMBER.search(text):
        _check_numbers(text)
    return text, value


def read_body(request: HttpRequest, *, limit: int) -> bytes:
    """The body, unpacked, of at most `limit` bytes. Raises RequestRefused.

    A packed body is unpacked no further than the limit, whatever it would become.
    """
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in {"", "identity"}:
        return _read(request, limit)
    if encoding not in _PACKED:
        message = _("The Content-Encoding is “%(encoding)s”; gzip or none will do.")
        raise invalid(message % {"encoding": encoding[:40]})
    # What cannot be packed becomes a little larger.
    packed = _read(request, limit, spare=_PACKING)
    return unpack(packed, _PACKED[encoding], limit=limit)


def unpack(data: bytes, window: int, *, limit: int) -> bytes:
    """What was packed, of at most `limit` bytes. Raises RequestRefused."""
    unpacked = b""
    for _member in range(_MEMBER_LIMIT):
        member = zlib.decompressobj(window)
        try:
            unpacked += member.decompress(data, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise invalid(_("The body cannot be unpacked.")) from error
        if len(unpacked) > limit:
            raise _over(limit)
        if not member.eof:
            raise invalid(_("The packed body ends too soon."))
        data = member.unused_data
        if not data:
            return unpacked
    raise invalid(_("The body is packed in too many parts."))


def invalid(message: str) -> RequestRefused:
    """The form is wrong."""
    return RequestRefused(400, "invalid_json", message)


def too_large(message: str) -> RequestRefused:
    """There is too much of it."""
    return RequestRefused(400, "too_large", message)


def _read(request: HttpRequest, limit: int, *, spare: int = 0) -> bytes:
    stated = request.META.get("CONTENT_LENGTH") or ""
    length = int(stated) if stated.isdecimal() else None
    if length is not None and length > limit + spare:
        raise _over(limit)
    # Without a length Django reads nothing; a server that finds the end by itself says so.
    is_open = not stated and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if is_open else request
    try:
        body = bytes(stream.read(limit + spare + 1))
    except Exception as error:
        # What it raises for bytes that break HTTP is the server's own.
        raise invalid(_("The body did not arrive whole.")) from error
    if len(body) > limit + spare:
        raise _over(limit)
    if length is not None and len(body) < length:
        raise invalid(_("The body did not arrive whole."))
    return body


def _over(limit: int) -> RequestRefused:
    message = _("The body is larger than the %(limit)d KB that this address takes.")
    return too_large(message % {"limit": limit // 1024})


def _check_sizes(batch: list[Any]) -> None:
    for index, event in enumerate(batch):
        # Without blanks between its parts. A half of a surrogate pair counts like a letter.
        size = len(_encoder.encode(event).encode("utf-8", "surrogatepass"))
        if size > CALL_LIMIT:
            message = _("batch[%(index)d] has %(size)d bytes; %(limit)d are the most.")
            raise too_large(message % {"index": index, "size": size, "limit": CALL_LIMIT})


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _depth in range(limit):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                inner.extend(part.values())
            elif isinstance(part, list):
                inner.extend(part)
        if not inner:
            return False
        level = inner
    return any(isinstance(part, Mapping | list) for part in level)


def _check_numbers(text: str) -> None:
    """Tell a long number from a text of digits, which is nothing to refuse."""
    try:
        json.loads(text, parse_int=_number, parse_float=_number)
    except ValueError as error:
        raise invalid(_("The body is not JSON: %(reason)s.") % {"reason": error}) from error


def _number(digits: str) -> float:
    if len(digits) > DIGIT_LIMIT:
        raise ValueError(_("a number is too long"))
    return 0.0


def _no_constant(name: str) -> float:
    raise ValueError(_("%(name)s is no number") % {"name": name})


def _too_deep() -> str:
    return _("The body is nested too deeply: %(limit)d levels are the most.") % {
        "limit": DEPTH_LIMIT
    }


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
