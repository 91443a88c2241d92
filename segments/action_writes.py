"""What actions write for the members of a segment: labels, consents, and how a run is undone.

Members go through in ranges of their ids, all in the transaction of the run: one statement for
each range of 100,000, so that the progress bar moves, and a cancel is heard at the latest between
two of them. Nothing is seen before the last one, and a run that is killed leaves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts.models import Category, ConsentDefinition, Tag
from segments.models import SegmentAction, SegmentActionRun
from workspace import sql
from workspace.jobs import Work

Kind = SegmentAction.Kind
RANGE = 100_000
# What the ledger says of lines that an action wrote: these, and no others, an action may reverse.
CONSENT_SOURCE = "segment_action"
ERASED, WITHDRAWN, NEWER = "erased", "withdrawn", "newer"

LABELS: Mapping[str, str] = {
    Kind.ADD_TAG: "tag",
    Kind.REMOVE_TAG: "tag",
    Kind.ADD_CATEGORY: "category",
    Kind.REMOVE_CATEGORY: "category",
}
CONSENTS = frozenset({Kind.ADD_CONSENT, Kind.REMOVE_CONSENT})
_ADDING = frozenset({Kind.ADD_TAG, Kind.ADD_CATEGORY, Kind.ADD_CONSENT})
_MODELS: Mapping[str, type[Tag] | type[Category] | type[ConsentDefinition]] = {
    Kind.ADD_TAG: Tag,
    Kind.REMOVE_TAG: Tag,
    Kind.ADD_CATEGORY: Category,
    Kind.REMOVE_CATEGORY: Category,
    Kind.ADD_CONSENT: ConsentDefinition,
    Kind.REMOVE_CONSENT: ConsentDefinition,
}

_PLACES = """
SELECT contact_id FROM (
  SELECT contact_id, row_number() OVER (ORDER BY contact_id) AS place
  FROM segments_membership WHERE segment_id = %s) m
WHERE place %% %s = 0 ORDER BY contact_id
"""
# An erased contact is in no segment; that none is told of here does not rest on others.
_EVERYONE = """
everyone AS MATERIALIZED (
  SELECT m.contact_id, e.id IS NOT NULL AS is_erased FROM segments_membership m
  LEFT JOIN contacts_contact e ON e.id = m.contact_id AND e.erased_at IS NOT NULL
  WHERE m.segment_id = %s AND m.contact_id > %s AND m.contact_id <= %s)
"""
_COUNTED = """
SELECT (SELECT count(*) FROM everyone) AS members, (SELECT count(*) FROM changed) AS changed,
  (SELECT count(*) FROM everyone WHERE is_erased) AS erased
"""
# {label} is "tag" or "category", never what somebody wrote.
_ADD_LABEL = f"""
WITH {_EVERYONE},
changed AS (
  INSERT INTO contacts_contact{{label}} (contact_id, {{label}}_id, added_at)
  SELECT e.contact_id, %s, %s FROM everyone e WHERE NOT e.is_erased AND NOT EXISTS (
    SELECT FROM contacts_contact{{label}} t
    WHERE t.contact_id = e.contact_id AND t.{{label}}_id = %s)
  ORDER BY e.contact_id ON CONFLICT DO NOTHING RETURNING contact_id),
noted AS (
  INSERT INTO segments_segmentactionchange (run_id, contact_id)
  SELECT %s, contact_id FROM changed)
{_COUNTED}
"""  # noqa: S608
_REMOVE_LABEL = f"""
WITH {_EVERYONE},
changed AS (
  DELETE FROM contacts_contact{{label}} t USING everyone e
  WHERE t.contact_id = e.contact_id AND t.{{label}}_id = %s
  RETURNING t.contact_id, t.added_at),
noted AS (
  INSERT INTO segments_segmentactionchange (run_id, contact_id, had_since)
  SELECT %s, contact_id, added_at FROM changed)
{_COUNTED}
"""  # noqa: S608
# What the contact said itself stands: a withdrawal that no action wrote, since the last grant.
# `definition_id + 0`: looked up by the contact, whatever the server believes. Of a consent that is
# new it believes that there is hardly a line, and would read all of them for each contact.
_JUDGED = """
judged AS MATERIALIZED (
  SELECT e.contact_id, CASE
    WHEN e.is_erased THEN 'erased'
    WHEN coalesce(s.state, 'unknown') <> ALL (%s) THEN 'unchanged'
    WHEN s.since > %s THEN 'newer'
    WHEN s.state = 'withdrawn' AND EXISTS (
      SELECT FROM contacts_consententry w
      WHERE w.contact_id = e.contact_id AND w.definition_id + 0 = %s AND w.state = 'withdrawn'
        AND w.source <> ALL (%s) AND NOT EXISTS (
          SELECT FROM contacts_consententry g
          WHERE g.contact_id = e.contact_id AND g.definition_id + 0 = %s AND g.state = 'granted'
            AND (g.at, g.id) > (w.at, w.id))) THEN 'withdrawn'
    ELSE 'changed' END AS verdict
  FROM everyone e LEFT JOIN contacts_consentstate s
    ON s.contact_id = e.contact_id AND s.definition_id + 0 = %s)
"""
_VERDICTS = f"WITH {_EVERYONE}, {_JUDGED}"
# The same for contacts who are named.
_GIVEN = """
WITH everyone AS MATERIALIZED (
  SELECT c.id AS contact_id, c.erased_at IS NOT NULL AS is_erased FROM contacts_contact c
  WHERE c.id = ANY(%s::bigint[]))
"""
_COUNTED_VERDICTS = """
SELECT count(*) AS members, count(*) FILTER (WHERE verdict = 'changed') AS changed,
  count(*) FILTER (WHERE verdict = 'erased') AS erased,
  count(*) FILTER (WHERE verdict = 'withdrawn') AS withdrawn,
  count(*) FILTER (WHERE verdict = 'newer') AS newer FROM judged
"""
_WRITTEN = """
written AS (
  INSERT INTO contacts_consententry
    (contact_id, definition_id, state, at, source, reason, actor)
  SELECT contact_id, %s, %s, %s, %s, %s, %s FROM judged
  WHERE verdict = 'changed' ORDER BY contact_id)
"""
_SAY_CONSENT = f"{_VERDICTS}, {_WRITTEN} {_COUNTED_VERDICTS}"
_SAY_TO_GIVEN = f"""
{_GIVEN}, {_JUDGED}, {_WRITTEN}
SELECT contact_id, verdict FROM judged WHERE verdict IN ('erased', 'withdrawn', 'newer')
"""  # noqa: S608
_WITH_LABEL = """
SELECT count(*) FROM segments_membership m JOIN contacts_contact{label} t
  ON t.contact_id = m.contact_id AND t.{label}_id = %s
WHERE m.segment_id = %s
"""
# Only what this run gave: who lost the label since, or got it anew, keeps what he has now.
_UNDO_ADDED = """
DELETE FROM contacts_contact{label} t USING segments_segmentactionchange c
WHERE c.run_id = %s AND t.contact_id = c.contact_id AND t.{label}_id = %s AND t.added_at = %s
"""
_UNDO_REMOVED = """
INSERT INTO contacts_contact{label} (contact_id, {label}_id, added_at)
SELECT c.contact_id, %s, c.had_since FROM segments_segmentactionchange c
WHERE c.run_id = %s AND NOT EXISTS (
  SELECT FROM contacts_contact e WHERE e.id = c.contact_id AND e.erased_at IS NOT NULL)
ORDER BY c.contact_id ON CONFLICT DO NOTHING
"""
_ALL_IDS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the members: changed, so already, or passed over, by reason."""

    members: int
    changed: int
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def unchanged(self) -> int:
        """How many were so already."""
        return self.members - self.changed - sum(self.skipped.values())


def definition_id(action: SegmentAction) -> int | None:
    """The id of the tag, category or consent that an action names; None where there is none."""
    found = _MODELS[action.kind]._default_manager.filter(key=action.key)
    return found.values_list("pk", flat=True).first()


def write(
    run: SegmentActionRun,
    *,
    definition: int,
    reason: str = "",
    actor_name: str,
    work: Work | None = None,
) -> Counts:
    """Give, take, grant or withdraw for all members; returns what became of them.

    For the transaction of the run, which keeps the members as they are and erasures away.

    The rule of consents: nobody's own word is overruled. A grant is written for those who never
    said anything, and for those from whom an action (and nothing else since the last grant) took
    the consent. Whoever withdrew in any other way, at any time since the last grant, stays so: no
    matter when the action was planned. A withdrawal is written for those who had granted. Lines
    of the ledger that are newer than the run stand, too.
    """
    action = run.action
    statement: Callable[[int, int], dict[str, int]]
    if action.kind in LABELS:
        statement = _label_statement(run, definition)
    else:
        statement = _consent_statement(run, definition, reason, actor_name)
    total: Counter[str] = Counter()
    for after, until in _ranges(action.segment_id):
        if work is not None:
            work.advance(total["members"], total=action.segment.member_count)
        total.update(statement(after, until))
    if work is not None:
        work.advance(total["members"], total=total["members"])
    return _counts(total)


def say_consent(
    contact_ids: Sequence[int],
    *,
    definition: int,
    state: str,
    at: datetime,
    source: str,
    reason: str = "",
    actor_name: str = "",
) -> dict[int, str]:
    """Grant or withdraw for these contacts, by the rule of consents that `write` has.

    What actions, or whoever writes as `source`, took, may be granted again. Returns whose word was
    left alone, and why: `ERASED`, `WITHDRAWN` (by himself) or `NEWER`. One statement.
    """
    line = [definition, state, at, source, reason[:300], actor_name[:200]]
    judging = _judging(_changeable(state), at, definition, (CONSENT_SOURCE, source))
    return dict(sql.lists(_SAY_TO_GIVEN, [list(contact_ids), *judging, *line]))


def foresee(segment_id: int, *, kind: str, definition: int | None, at: datetime) -> Counts:
    """What a run would do now; nothing is written. Without a definition nobody has it yet."""
    if kind in LABELS:
        members = int(
            sql.one("SELECT count(*) FROM segments_membership WHERE segment_id = %s", [segment_id])
        )
        label = LABELS[kind]
        having = (
            0
            if definition is None
            else int(sql.one(_WITH_LABEL.format(label=label), [definition, segment_id]))
        )
        return Counts(members, members - having if kind in _ADDING else having)
    params = [segment_id, 0, _ALL_IDS, *_verdict_params(kind, at, definition or 0)]
    return _counts(Counter(sql.rows(_VERDICTS + _COUNTED_VERDICTS, params)[0]))


def undo(run: SegmentActionRun, *, definition: int) -> int:
    """Take back what a run of tags or categories changed and what is still so; how many."""
    label = LABELS[run.action.kind]
    if run.action.kind in _ADDING:
        return sql.execute(_UNDO_ADDED.format(label=label), [run.pk, definition, run.at])
    return sql.execute(_UNDO_REMOVED.format(label=label), [definition, run.pk])


def forget_changes(run_ids: list[int]) -> int:
    """Forget whom runs changed, so that they can be undone no more; how many rows went."""
    kept = SegmentActionRun.objects.filter(pk__in=run_ids, changes_kept=True)
    if not kept.update(changes_kept=False):
        return 0
    statement = "DELETE FROM segments_segmentactionchange WHERE run_id = ANY(%s)"
    return sql.execute(statement, [run_ids])


def _label_statement(
    run: SegmentActionRun, definition: int
) -> Callable[[int, int], dict[str, int]]:
    action = run.action
    if action.kind in _ADDING:
        text, params = _ADD_LABEL, [definition, run.at, definition, run.pk]
    else:
        text, params = _REMOVE_LABEL, [definition, run.pk]
    text = text.format(label=LABELS[action.kind])
    return lambda after, until: sql.rows(text, [action.segment_id, after, until, *params])[0]


def _consent_statement(
    run: SegmentActionRun, definition: int, reason: str, actor_name: str
) -> Callable[[int, int], dict[str, int]]:
    action = run.action
    state = "granted" if action.kind in _ADDING else "withdrawn"
    line = [definition, state, run.at, CONSENT_SOURCE, reason[:300], actor_name[:200]]
    params: list[Any] = [*_verdict_params(action.kind, run.at, definition), *line]
    return lambda after, until: sql.rows(_SAY_CONSENT, [action.segment_id, after, until, *params])[
        0
    ]


def _verdict_params(kind: str, at: datetime, definition: int) -> list[Any]:
    state = "granted" if kind in _ADDING else "withdrawn"
    return _judging(_changeable(state), at, definition, (CONSENT_SOURCE,))


def _judging(
    changeable: list[str], at: datetime, definition: int, ours: Sequence[str]
) -> list[Any]:
    return [changeable, at, definition, list(ours), definition, definition]


def _changeable(state: str) -> list[str]:
    """Which states become this one."""
    return ["unknown", "withdrawn"] if state == "granted" else ["granted"]


def _ranges(segment_id: int) -> Iterator[tuple[int, int]]:
    """The ids of the members in pieces of at most RANGE members: after one, until another."""
    after = 0
    for row in sql.rows(_PLACES, [segment_id, RANGE]):
        yield after, row["contact_id"]
        after = row["contact_id"]
    yield after, _ALL_IDS


def _counts(total: Mapping[str, int]) -> Counts:
    skipped = {name: total[name] for name in (ERASED, WITHDRAWN, NEWER) if total.get(name)}
    return Counts(total["members"], total["changed"], skipped)
