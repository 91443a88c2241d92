"""Held events by what is wrong with them: one line for each problem, however many have it."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from integrations.models import HeldEvent
from workspace import sql

# So many of the newest are looked at: what is wrong with them is wrong with those before.
LOOKED_AT = 20_000
_NONE = Value("", TextField())

_PROBLEMS = """
SELECT source_id, code, type, name, path, count(*) AS event_count, min(received_at) AS first_at,
  max(received_at) AS last_at, max(id) AS newest_id,
  (array_agg(reason ORDER BY id DESC))[1] AS reason
FROM (
  SELECT id, source_id, code, type, name, reason, received_at,
    coalesce(problems -> 0 ->> 'path', '') AS path
  FROM integrations_heldevent
  WHERE state = 'open' AND ({of_source}) ORDER BY id DESC LIMIT %(limit)s
) h
GROUP BY source_id, code, type, name, path ORDER BY event_count DESC, newest_id DESC LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class HeldProblem:
    """What is wrong with some held events of a source; `reason` is the newest one's sentence."""

    source_id: int
    code: str
    type: str
    name: str
    path: str
    event_count: int
    first_at: datetime
    last_at: datetime
    newest_id: int
    reason: str

    @property
    def key(self) -> str:
        """By which addresses name it."""
        words = (str(self.source_id), self.code, self.type, self.name, self.path)
        return sha256("\0".join(words).encode()).hexdigest()[:16]


def problems(source_id: int | None = None) -> list[HeldProblem]:
    """What is wrong with the events that wait, the most frequent first: of a source, or of all."""
    words: dict[str, Any] = {"limit": LOOKED_AT, "source": source_id}
    of_source = "true" if source_id is None else "source_id = %(source)s"
    found = sql.rows(_PROBLEMS.format(of_source=of_source), words)
    return [HeldProblem(**row) for row in found]


def problem_named(key: str, source_id: int | None = None) -> HeldProblem | None:
    """The problem with a key, if any event that waits has it still."""
    return next((one for one in problems(source_id) if one.key == key), None)


def held_ids(problem: HeldProblem, *, limit: int, before: int | None = None) -> list[int]:
    """The ids of events that wait with a problem, newest first, before an id."""
    found = _waiting(problem)
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-pk").values_list("pk", flat=True)[:limit])


def oldest_held_ids(problem: HeldProblem, *, limit: int, after: int) -> list[int]:
    """The same, oldest first, after an id; none that came after the problem was looked at."""
    found = _waiting(problem).filter(pk__gt=after, pk__lte=problem.newest_id)
    return list(found.order_by("pk").values_list("pk", flat=True)[:limit])


def _waiting(problem: HeldProblem) -> "QuerySet[Any]":
    path = Coalesce(KT("problems__0__path"), _NONE)
    return HeldEvent.objects.annotate(path=path).filter(
        source_id=problem.source_id,
        state=HeldEvent.State.OPEN,
        code=problem.code,
        type=problem.type,
        name=problem.name,
        path=problem.path,
    )
