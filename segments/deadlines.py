"""When time alone turns rules around for one contact, and with them a whole segment.

What is known of the contact is taken as it is now, its events with their times included: the
answer is “if nothing happens”. The rules are asked again at each moment at which they may turn
(`criteria.moments`), so that what they mean is written in one place only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from segments import reasons
from segments.criteria import Criteria, Query
from segments.criteria.moments import (
    EVENT_LIMIT,
    Answer,
    Happening,
    compile_answers,
    compile_happenings,
    moments_of,
    turns_by_time,
)
from segments.criteria.references import rules_of
from segments.criteria.spans import TICK
from segments.criteria.syntax import Rule

# So many questions are asked for one answer, in statements of so many. Where they do not do, it is
# told only until when nothing turns.
QUESTION_LIMIT = 400
# Mostly the first few tell; the server plans each question of a statement by itself.
_AT_FIRST, _AT_ONCE = 4, 32

Ask = Callable[[Query], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Turns:
    """When each rule turns by itself next, and turned last, by its path; None where unknown.

    `changes_at` is when the criteria as a whole turn, and `turning` are the rules that turn then.
    Never too late: where it is not sure, it is the first moment at which it may be so.
    """

    until: Mapping[str, datetime | None] = field(default_factory=dict)
    since: Mapping[str, datetime | None] = field(default_factory=dict)
    changes_at: datetime | None = None
    turning: tuple[str, ...] = ()


def find_turns(
    tree: Criteria,
    *,
    contact_id: int,
    now: datetime,
    answers: Mapping[str, bool],
    values: Mapping[str, Any],
    ask: Ask,
) -> Turns:
    """When the rules of `tree` turn for a contact, from their `answers` and `values` at `now`."""
    rules = {rule.path: rule for rule in rules_of(tree.root) if turns_by_time(rule)}
    if not rules:
        return Turns()
    happenings = _happenings(tree, contact_id, ask)
    moments = {
        path: moments_of(
            rule,
            compared=values.get(path),
            happenings=happenings[path],
            now=now,
            zone=tree.zone,
        )
        for path, rule in rules.items()
        if len(happenings[path]) <= EVENT_LIMIT
    }
    asker = _Asker(tree, contact_id, ask)
    until, changes_at, turning = _ahead(tree, rules, moments, answers, now, asker)
    return Turns(until, _behind(rules, moments, answers, now, asker), changes_at, turning)


def _happenings(tree: Criteria, contact_id: int, ask: Ask) -> dict[str, list[Happening]]:
    found: dict[str, list[Happening]] = defaultdict(list)
    query = compile_happenings(tree, contact_id=contact_id)
    for row in [] if query is None else ask(query):
        found[row["path"]].append(Happening(row["occurred_at"], tuple(row["texts"])))
    return found


@dataclass(slots=True)
class _Asker:
    """Asks rules at moments, several at once."""

    tree: Criteria
    contact_id: int
    ask: Ask

    def answers(self, asked: Iterable[Answer]) -> Iterator[tuple[Answer, bool]]:
        """The questions in their order with their answers; later ones are asked when needed."""
        batch: list[Answer] = []
        size = _AT_FIRST
        for question in asked:
            batch.append(question)
            if len(batch) == size:
                yield from self._answered(batch)
                batch, size = [], min(2 * size, _AT_ONCE)
        yield from self._answered(batch)

    def _answered(self, batch: Sequence[Answer]) -> Iterator[tuple[Answer, bool]]:
        if not batch:
            return
        query = compile_answers(batch, self.tree, contact_id=self.contact_id)
        found = {row["place"]: row["holds"] for row in self.ask(query)}
        for place, question in enumerate(batch):
            yield question, found[place]


def _ahead(
    tree: Criteria,
    rules: Mapping[str, Rule],
    moments: Mapping[str, set[datetime]],
    answers: Mapping[str, bool],
    now: datetime,
    asker: _Asker,
) -> tuple[dict[str, datetime | None], datetime | None, tuple[str, ...]]:
    """Walk into the future, in the order of time, until all is known that is asked."""
    steps = sorted((at, path) for path, found in moments.items() for at in found if at > now)
    until: dict[str, datetime | None] = dict.fromkeys(rules)
    state = dict(answers)
    before = reasons.holds(tree.root, answers)
    changes_at: datetime | None = None
    turning: tuple[str, ...] = ()

    def questions() -> Iterator[Answer]:
        for at, path in steps[:QUESTION_LIMIT]:
            if changes_at is None or until[path] is None:
                yield Answer(rules[path], at)

    at, turned = now, list[str]()

    def settle() -> None:
        # All rules that turn at one moment turn together.
        nonlocal changes_at, turning
        if changes_at is None and turned and reasons.holds(tree.root, state) != before:
            changes_at, turning = at, tuple(turned)

    for question, is_held in asker.answers(questions()):
        path = question.rule.path
        if question.at != at:
            settle()
            at, turned = question.at, []
        if is_held != state[path]:
            turned.append(path)
            state[path] = is_held
        if until[path] is None and is_held != answers[path]:
            until[path] = question.at
    settle()
    # What was not asked may turn as soon as it would have been.
    for when, path in steps[QUESTION_LIMIT:]:
        if until[path] is None:
            until[path] = when
        if changes_at is None:
            changes_at = when
    return until, changes_at, turning


def _behind(
    rules: Mapping[str, Rule],
    moments: Mapping[str, set[datetime]],
    answers: Mapping[str, bool],
    now: datetime,
    asker: _Asker,
) -> dict[str, datetime | None]:
    """Walk into the past, rule by rule, until it was otherwise; as far as a few questions reach."""
    since: dict[str, datetime | None] = dict.fromkeys(rules)
    limit = max(_AT_ONCE, QUESTION_LIMIT // (4 * len(rules)))
    for path, found in moments.items():
        earlier = sorted((at for at in found if at <= now), reverse=True)[:limit]
        # At a moment the rule is as it is from then on; what it was before, the one before tells.
        # Since the last of them it has been as it is now.
        previous = earlier[0] if earlier else None
        for question, is_held in asker.answers(Answer(rules[path], at) for at in earlier[1:]):
            if is_held != answers[path]:
                since[path] = previous
                break
            previous = question.at
        else:
            if previous is not None and len(earlier) < limit:
                since[path] = _before_all(rules[path], previous, answers[path], asker)
    return since


def _before_all(rule: Rule, first: datetime, held: bool, asker: _Asker) -> datetime | None:
    """The first moment of all, where the rule was otherwise before it."""
    for _question, was_held in asker.answers([Answer(rule, first - TICK)]):
        return first if was_held != held else None
    return None
