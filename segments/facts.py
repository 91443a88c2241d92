"""What may be asked in criteria: the catalog of this workspace, for one author."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext, pgettext

from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    EventDefinition,
    LabelledKey,
    MetricDefinition,
    Tag,
)
from segments import contact_lists, criteria, things
from segments.criteria import (
    AttributeField,
    Catalog,
    Criteria,
    CriteriaInvalid,
    Event,
    Item,
    MetricField,
    Problem,
    SegmentItem,
    Type,
)
from segments.criteria.syntax import Compare, FieldRule, Group
from segments.documents import named_segments
from segments.errors import CriteriaRefused
from segments.masks import Mask
from segments.models import Segment
from workspace import access
from workspace.access import SYSTEM, Actor

MEMBERS_ONLY_PATH = "members_only"
_MEMBERSHIP_FACT = "loyalty.is_member"


def zone() -> ZoneInfo:
    """The workspace's time zone, in which criteria read dates."""
    return ZoneInfo(settings.TIME_ZONE)


def catalog_for(actor: Actor, *, segment: Segment | None = None) -> Catalog:
    """All that `actor` may ask about; a constant number of queries.

    `segment` is the one whose criteria are written: neither it nor what depends on it may be
    named. Segments and other things that the actor may not know of are missing.
    """
    return _Known.load(actor, things.known_things(actor)).catalog(segment)


def check_criteria(
    document: Any, actor: Actor, *, segment: Segment | None = None
) -> tuple[Problem, ...]:
    """Every fault of a document that `actor` wrote; none where it is right."""
    if segment is not None and Mask(actor).is_unchanged(document, segment.criteria):
        document, catalog = segment.criteria, reading_catalog(actor)
    else:
        catalog = catalog_for(actor, segment=segment)
    return criteria.check(document, catalog, zone(), translate=gettext)


def parse_criteria(
    document: Any,
    actor: Actor,
    *,
    segment: Segment | None = None,
    members_only: bool = False,
    catalog: Catalog | None = None,
) -> Criteria:
    """The tree of a document that `actor` wrote, for loyalty members only where so wanted.

    Where it is what he was shown of the criteria of `segment`, it is these criteria, with what
    was masked in them. Raises CriteriaRefused with every fault.
    """
    if segment is not None and Mask(actor).is_unchanged(document, segment.criteria):
        document, catalog = segment.criteria, catalog or reading_catalog(actor)
    catalog = catalog or catalog_for(actor, segment=segment)
    try:
        tree = criteria.parse(document, catalog, zone(), translate=gettext)
    except CriteriaInvalid as refused:
        raise CriteriaRefused(refused.problems) from refused
    return restrict_to_members(tree) if members_only else tree


def parse_conditions(document: Any) -> Criteria:
    """The tree of conditions on one event, as in `where`. Raises CriteriaRefused with every fault.

    They ask about the event alone, so that it does not matter who wrote them.
    """
    try:
        return criteria.parse_where(document, Catalog(), zone(), translate=gettext)
    except CriteriaInvalid as refused:
        raise CriteriaRefused(refused.problems, path="where") from refused


def criteria_of(segment: Segment, *, catalog: Catalog | None = None) -> Criteria:
    """The tree of a saved segment, whoever wrote it. Raises CriteriaRefused.

    What was right when it was saved may have become wrong since: an attribute was deleted.
    """
    return parse_criteria(
        segment.criteria,
        SYSTEM,
        members_only=segment.members_only,
        catalog=catalog or catalog_for(SYSTEM),
    )


def describe_criteria(segment: Segment, *, actor: Actor) -> str:
    """The criteria of a segment as a sentence for `actor`.

    What belongs to other user groups stands in it without its name. Criteria that became wrong are
    described by their first fault. Of a segment whose members come from a list, what list it is.
    """
    if segment.source != Segment.Source.CRITERIA:
        return contact_lists.describe(segment)
    try:
        tree = criteria_of(segment, catalog=reading_catalog(actor))
    except CriteriaRefused as refused:
        return str(refused)
    return explain(tree)


def reading_catalog(actor: Actor) -> Catalog:
    """What criteria that are saved may name, those of others without their names."""
    known = things.known_things(actor, is_reading=True)
    return _Known.load(actor, known).reading_catalog()


def contact_field_label(name: str) -> str:
    """What a factory field is called, in the language of whoever reads."""
    return gettext(criteria.CONTACT_FIELDS[name].label)


def nameless() -> str:
    """What stands instead of the name of a segment that one may not know of."""
    return pgettext("instead of the name of a segment", "a segment of another group")


def explain(tree: Criteria) -> str:
    """Criteria as a sentence, in the language of whoever reads."""
    return criteria.explain(tree, translate=gettext)


def explain_clause(tree: Criteria) -> str:
    """Criteria as a part of a sentence, in the language of whoever reads."""
    return criteria.explain_clause(tree, translate=gettext)


def restrict_to_members(tree: Criteria) -> Criteria:
    """The same criteria, for loyalty members only."""
    fact = criteria.registered_facts()[_MEMBERSHIP_FACT]
    rule = FieldRule(MEMBERS_ONLY_PATH, fact, Compare("=", True))
    return replace(tree, root=Group("", "and", (rule, tree.root)))


def references() -> dict[str, frozenset[str]]:
    """For each segment that names others, which ones. One query."""
    naming = Segment.objects.annotate(document=Cast("criteria", TextField())).filter(
        document__contains='"segment"'
    )
    return {
        key: named_segments(document) for key, document in naming.values_list("key", "criteria")
    }


def is_named_by(key: str) -> list[Segment]:
    """The segments, archived ones not, whose criteria name the segment `key`."""
    naming = [other for other, named in references().items() if key in named]
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    return list(living.filter(key__in=naming).prefetch_related("groups"))


@dataclass(frozen=True, slots=True)
class _Known:
    """The definitions of the workspace, as one actor may see them."""

    attributes: Mapping[str, AttributeField]
    tags: Mapping[str, Item]
    categories: Mapping[str, Item]
    consents: Mapping[str, Item]
    metrics: Mapping[str, MetricField]
    events: Mapping[str, Event]
    segments: Mapping[str, SegmentItem]
    visible: frozenset[str]
    things: Mapping[str, Mapping[str, Item]]

    @classmethod
    def load(cls, actor: Actor, known: Mapping[str, Mapping[str, Item]]) -> "_Known":
        segments = {
            key: SegmentItem(
                key,
                id_,
                name,
                has_members=calculated_at is not None and status != Segment.Status.ARCHIVED,
                is_offered=status == Segment.Status.ACTIVE,
            )
            for id_, key, name, status, calculated_at in Segment.objects.values_list(
                "id", "key", "name", "status", "calculated_at"
            )
        }
        return cls(
            attributes={
                key: AttributeField(key, label, Type(type_), tuple(choices))
                for key, label, type_, choices in AttributeDefinition.objects.values_list(
                    "key", "label", "type", "choices"
                )
            },
            tags=_items(Tag),
            categories=_items(Category),
            consents=_items(ConsentDefinition),
            metrics={
                key: MetricField(key, id_, label, Type(type_))
                for id_, key, label, type_ in MetricDefinition.objects.values_list(
                    "id", "key", "label", "type"
                )
            },
            events={
                name: Event(name, id_, label or name)
                for id_, name, label in EventDefinition.objects.values_list("id", "name", "label")
            },
            segments=segments,
            visible=frozenset(segments)
            if actor.is_admin
            else frozenset(
                access.visible(Segment.objects.all(), actor)
                .order_by()
                .values_list("key", flat=True)
            ),
            things=known,
        )

    def catalog(self, segment: Segment | None) -> Catalog:
        cyclic = frozenset[str]()
        if segment is not None:
            cyclic = criteria.cyclic_segments(segment.key, references())
        return self._catalog(
            {key: item for key, item in self.segments.items() if key in self.visible},
            cyclic_segments=cyclic & self.visible,
        )

    def reading_catalog(self) -> Catalog:
        """All segments, those that the reader may not know of without their names."""
        hidden = nameless()
        return self._catalog(
            {
                key: item if key in self.visible else replace(item, label=hidden)
                for key, item in self.segments.items()
            }
        )

    def _catalog(
        self,
        segments: Mapping[str, SegmentItem],
        cyclic_segments: frozenset[str] = frozenset(),
    ) -> Catalog:
        return Catalog(
            attributes=self.attributes,
            tags=self.tags,
            categories=self.categories,
            consents=self.consents,
            segments=segments,
            metrics=self.metrics,
            events=self.events,
            things=self.things,
            cyclic_segments=cyclic_segments,
        )


def _items(model: type[LabelledKey]) -> dict[str, Item]:
    rows: Iterable[tuple[int, str, str]] = model._default_manager.values_list("id", "key", "label")
    return {key: Item(key, id_, label) for id_, key, label in rows}
