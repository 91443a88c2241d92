"""Texts as arrays of bytes, a row each and all of one width: how NumPy writes a million at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def padded(texts: Sequence[str]) -> Bytes:
    """ASCII texts as rows filled up with spaces, and one blank row after them."""
    width = max(map(len, texts))
    blob = b"".join(text.ljust(width).encode("ascii") for text in (*texts, ""))
    return np.frombuffer(blob, dtype=np.uint8).reshape(len(texts) + 1, width)


def digits(values: Integers, count: int) -> Bytes:
    """The `count` last decimal digits of each value, with leading zeros."""
    powers = 10 ** np.arange(count - 1, -1, -1, dtype=np.int64)
    written: Integers = values[:, None] // powers % 10 + ord("0")
    return written.astype(np.uint8)


def spaced(values: Integers, count: int) -> Bytes:
    """The same with leading spaces, because JSON knows no leading zeros."""
    written = digits(values, count)
    powers = 10 ** np.arange(count - 1, 0, -1, dtype=np.int64)
    written[:, :-1][values[:, None] < powers] = ord(" ")
    return written
