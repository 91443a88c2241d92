"""What the segments that want to follow ask about, read anew only where a definition changed."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from threading import Lock

from contacts import touches
from segments import things
from segments.criteria import (
    Catalog,
    Clock,
    Criteria,
    Vector,
    prepare_clock,
    prepare_vector,
    topics,
)
from segments.errors import CriteriaRefused
from segments.facts import catalog_for, criteria_of
from segments.models import Segment
from segments.realtime import state
from workspace import sql
from workspace.access import SYSTEM

_SEGMENT = "segment:"
# Whatever can change what criteria mean. Labels do not; of events only that they exist.
_FINGERPRINT = """
SELECT md5(concat_ws('|',
  (SELECT string_agg(concat_ws(',', id, key, status, members_only, refresh_mode, source,
      calculated_at IS NULL, md5(criteria::text)), ';' ORDER BY id) FROM segments_segment),
  (SELECT string_agg(concat_ws(',', key, type, choices), ';' ORDER BY id)
    FROM contacts_attributedefinition),
  (SELECT string_agg(concat_ws(',', id, key), ';' ORDER BY id) FROM contacts_tag),
  (SELECT string_agg(concat_ws(',', id, key), ';' ORDER BY id) FROM contacts_category),
  (SELECT string_agg(concat_ws(',', id, key), ';' ORDER BY id) FROM contacts_consentdefinition),
  (SELECT string_agg(concat_ws(',', id, key, type), ';' ORDER BY id)
    FROM contacts_metricdefinition),
  (SELECT string_agg(concat_ws(',', id, name), ';' ORDER BY id) FROM contacts_eventdefinition)
  {things}))
"""
# The things of upper floors that criteria name by their keys.
_THINGS = ", (SELECT string_agg(concat_ws(',', id, key), ';' ORDER BY id) FROM {table})"
_VECTORS_KEPT = 64


@dataclass(slots=True)
class Documents:
    """The criteria of all segments that want to follow, and what is made of them.

    `levels` are their ids in such an order that each comes after those that its criteria name.
    `unreadable` are those whose criteria cannot be read any more.
    """

    fingerprint: str
    trees: Mapping[int, Criteria]
    keys: Mapping[int, str]
    digests: Mapping[int, str]
    levels: tuple[tuple[int, ...], ...]
    unreadable: frozenset[int]
    _topics: Mapping[int, frozenset[str]]
    _names: Mapping[str, str]
    _concerned: dict[str, frozenset[int]] = field(default_factory=dict)
    _vectors: "OrderedDict[tuple[int, ...], Vector]" = field(default_factory=OrderedDict)
    _clocks: "OrderedDict[tuple[int, ...], Clock]" = field(default_factory=OrderedDict)

    def concerned(self, topic: str) -> frozenset[int]:
        """The segments to which a touch of this topic matters."""
        found = self._concerned.get(topic)
        if found is None:
            found = frozenset(
                segment_id
                for segment_id, asked in self._topics.items()
                if touches.concerns(topic, asked)
            )
            self._concerned[topic] = found
        return found

    def dependents(self, segment_ids: Collection[int]) -> set[int]:
        """All whose criteria name one of these, directly or not; of these only who does, too."""
        found: set[int] = set()
        to_see = list(segment_ids)
        while to_see:
            for other in self.concerned(f"{_SEGMENT}{to_see.pop()}"):
                if other not in found:
                    found.add(other)
                    to_see.append(other)
        return found

    def vector(self, segment_ids: tuple[int, ...]) -> Vector:
        """The statement that asks these, made once."""
        vector = self._vectors.get(segment_ids)
        if vector is None:
            vector = prepare_vector({one: self.trees[one] for one in segment_ids})
            self._vectors[segment_ids] = vector
            if len(self._vectors) > _VECTORS_KEPT:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(segment_ids)
        return vector

    def clock(self, segment_ids: tuple[int, ...]) -> Clock:
        """The statement that finds whom time turns in these, made once."""
        clock = self._clocks.get(segment_ids)
        if clock is None:
            clock = prepare_clock({one: self.trees[one] for one in segment_ids})
            self._clocks[segment_ids] = clock
            if len(self._clocks) > _VECTORS_KEPT:
                self._clocks.popitem(last=False)
        self._clocks.move_to_end(segment_ids)
        return clock

    def cause(self, topic: str) -> str:
        """A topic as the log has it: with the key or name of what it is about."""
        return self._names.get(topic, topic)[:60]


_known: Documents | None = None
_lock = Lock()


def load() -> Documents:
    """What is asked now. One query, more only where something changed since the last time."""
    global _known
    fingerprint = _fingerprint()
    with _lock:
        if _known is None or _known.fingerprint != fingerprint:
            _known = _read(fingerprint)
        return _known


def is_changed(known: Documents) -> bool:
    """Whether a definition changed since."""
    return known.fingerprint != _fingerprint()


def _fingerprint() -> str:
    tables = [kind.table for kind in things.kinds().values()]
    more = "".join(_THINGS.format(table=table) for table in tables)
    return str(sql.one(_FINGERPRINT.format(things=more)))


def _read(fingerprint: str) -> Documents:
    catalog = catalog_for(SYSTEM)
    wanted = Segment.objects.filter(
        status=Segment.Status.ACTIVE,
        refresh_mode=Segment.RefreshMode.REALTIME,
        source=Segment.Source.CRITERIA,
    ).order_by("pk")
    trees: dict[int, Criteria] = {}
    for segment in wanted:
        try:
            trees[segment.pk] = criteria_of(segment, catalog=catalog)
        except CriteriaRefused:
            continue
    asked = {segment_id: topics(tree) for segment_id, tree in trees.items()}
    return Documents(
        fingerprint=fingerprint,
        trees=trees,
        keys={segment.pk: segment.key for segment in wanted},
        digests={segment_id: state.digest(tree) for segment_id, tree in trees.items()},
        levels=_levels(asked),
        unreadable=frozenset(segment.pk for segment in wanted if segment.pk not in trees),
        _topics=asked,
        _names=_names(catalog),
    )


def _levels(asked: Mapping[int, frozenset[str]]) -> tuple[tuple[int, ...], ...]:
    """By how many steps lead to the segment that names none; criteria make no circles."""
    names = {
        segment_id: [
            int(topic.removeprefix(_SEGMENT))
            for topic in found
            if topic.startswith(_SEGMENT) and int(topic.removeprefix(_SEGMENT)) in asked
        ]
        for segment_id, found in asked.items()
    }
    depths: dict[int, int] = {}

    def depth(segment_id: int) -> int:
        if segment_id not in depths:
            depths[segment_id] = 1 + max(map(depth, names[segment_id]), default=-1)
        return depths[segment_id]

    for segment_id in names:
        depth(segment_id)
    deepest = max(depths.values(), default=-1)
    return tuple(
        tuple(sorted(one for one, steps in depths.items() if steps == level))
        for level in range(deepest + 1)
    )


def _names(catalog: Catalog) -> dict[str, str]:
    """The topics of definitions, with their keys instead of their ids."""
    found = {
        f"{kind}:{item.id}": f"{kind}:{key}"
        for kind, items in (
            ("tag", catalog.tags),
            ("category", catalog.categories),
            ("consent", catalog.consents),
            ("metric", catalog.metrics),
            ("segment", catalog.segments),
        )
        for key, item in items.items()
    }
    found |= {
        f"{kind}:{item.id}": f"{kind}:{key}"
        for kind, items in catalog.things.items()
        for key, item in items.items()
    }
    return found | {f"event:{event.id}": f"event:{name}" for name, event in catalog.events.items()}
