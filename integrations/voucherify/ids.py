"""Ids as Voucherify's clients know them: a word for the kind of thing, and our number."""

import re

_ID = re.compile(r"([a-z]{1,8})_([0-9]{1,18})", re.ASCII)


def written(kind: str, number: int | None) -> str | None:
    """What a thing is called here; none for none."""
    return None if number is None else f"{kind}_{number}"


def read(kind: str, text: object) -> int | None:
    """The number in an id of this kind; none in anything else."""
    found = _ID.fullmatch(text) if isinstance(text, str) else None
    return int(found[2]) if found is not None and found[1] == kind else None
