"""In which encoding a text file is written: UTF-8, Windows-1250 or Windows-1252."""

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.translation import gettext as _

_BLOCK_BYTES = 1 << 20
_ASCII = bytes(range(128))
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
# The same bytes are other letters in Central and in Western Europe. What tells them apart: letters
# here that are signs there, seen beside a letter; and the neighbors of those that are letters in
# both: ń stands before consonants and at ends, ñ before vowels, œ before u, ì at ends, ě within.
_CENTRAL = re.compile(
    rb"[A-Za-z][\xb3\xb9\xbf\x9f]|[\xa3\xa5\xaf\x8f][a-z]|\x8c[a-tv-z]|[\x8d\x9d]"
    rb"|\xf1(?![aeiou])|\x9c(?!u)|\xea(?![tlmn])|\xe6(?![a-z])|\xec[a-z]"
    rb"|\xe8[aeiou\xe1\xed]|\xf8(?![a-z])|\xf5(?!e)|\xe3(?![eo])"
)
_WESTERN = re.compile(
    rb"[\xe0\xc0\xe5\xc5\xb2]|\xf1[aeiou]|[\x9c\x8c]u|\xe6[a-z]|\xec(?![a-z\x80-\xff])"
    rb"|\xe8(?![aeiou\xe1\xed])|\xf8[a-z]|\xf5e|\xe3[eo]|[0-9 ][\xb9\xb3\xbf]|[\xa3\xa5][0-9 ]"
)
_UNDEFINED = {"cp1250": set(b"\x81\x83\x88\x90\x98"), "cp1252": set(b"\x81\x8d\x8f\x90\x9d")}


class EncodingUnknown(Exception):
    """The bytes are no text in an encoding that we read."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The name of the encoding, as Python calls it, and how many lines the file has."""

    name: str
    line_count: int


def detect(file: BinaryIO) -> Detected:
    """Find the encoding by reading the whole file, a gigabyte in about two seconds.

    A file for both of Windows' encodings is taken for Western European. Raises EncodingUnknown
    for one that is mostly UTF-8 but not all through, and for one that fits none of the three.
    """
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    line_count, last = 0, b"\n"
    try:
        while block := file.read(_BLOCK_BYTES):
            decoder.decode(block)
            line_count, last = line_count + _ends(block), block[-1:]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return _detect_legacy(file, fault_line=line_count + _ends(error.object[: error.start]) + 1)
    return Detected("utf-8", line_count + (last not in b"\r\n"))


def _detect_legacy(file: BinaryIO, *, fault_line: int) -> Detected:
    file.seek(0)
    line_count, last = 0, b"\n"
    in_sequences = central = western = total = 0
    present: set[int] = set()
    while block := file.read(_BLOCK_BYTES):
        line_count, last = line_count + _ends(block), block[-1:]
        foreign = block.translate(None, _ASCII)
        if foreign:
            present.update(foreign)
            total += len(foreign)
            in_sequences += sum(map(len, _MULTIBYTE.findall(block)))
            central += len(_CENTRAL.findall(block))
            western += len(_WESTERN.findall(block))
    if in_sequences > total - in_sequences:
        raise EncodingUnknown(
            _("Line %(line)d is not valid UTF-8, as the rest of the file seems to be.")
            % {"line": fault_line}
        )
    order = ("cp1250", "cp1252") if central > western else ("cp1252", "cp1250")
    for name in order:
        if not present & _UNDEFINED[name]:
            return Detected(name, line_count + (last not in b"\r\n"))
    raise EncodingUnknown(
        _("The file is neither in UTF-8 nor in Windows-1250 or Windows-1252: save it as UTF-8.")
    )


def _ends(block: bytes) -> int:
    """How many lines end in it, as Unix and Windows or as old Macs write them."""
    return block.count(b"\n") or block.count(b"\r")
