"""What a document looks at: a change of anything else cannot turn it around for a contact."""

from collections.abc import Iterator
from typing import assert_never

from .references import rules_of
from .syntax import (
    AttributeField,
    ConsentRule,
    ContactField,
    Criteria,
    EventRule,
    Fact,
    FieldRule,
    KeyedRule,
    LabelRule,
    MetricField,
    Rule,
    SegmentRule,
    SequenceRule,
)


def topics(criteria: Criteria) -> frozenset[str]:
    """The topics of changes that may turn `criteria` around for the contact whom they touch.

    "contact" is the contact's own row with its attributes, "event:12" a kind of event by its id,
    "event:*" any event (for when the contact was last seen), "tag:3", "category:3", "consent:3",
    "metric:3", "segment:3" and "journey:3" a thing by its id, "tag:*" and "category:*" any of them,
    and "table:loyalty_member" the table of a fact. A contact that is new concerns all criteria. An
    event that was never seen has no topic: once it is, the catalog knows its id, and the document
    has to be read again. Time is no topic; see `turns_by_time`.
    """
    return frozenset(topic for rule in rules_of(criteria.root) for topic in _of_rule(rule))


def _of_rule(rule: Rule) -> Iterator[str]:
    match rule:
        case FieldRule(_, ContactField("last_seen_at")):
            yield "event:*"
        case FieldRule(_, ContactField() | AttributeField()):
            yield "contact"
        case FieldRule(_, MetricField(_, metric_id)):
            yield f"metric:{metric_id}"
        case FieldRule(_, Fact(table=table)):
            yield f"table:{table}"
        case FieldRule(_, field):
            raise ValueError(f"A field of an event outside “where”: {field!r}")
        case LabelRule(_, kind, items):
            yield from (f"{kind}:{item.id}" for item in items) if items else (f"{kind}:*",)
        case SegmentRule(_, segments):
            # Also those that have no members yet: once they are calculated, they do.
            yield from (f"segment:{found.id}" for found in segments)
        case KeyedRule(_, fact, items):
            yield from (f"{fact.kind}:{item.id}" for item in items)
        case ConsentRule(_, consent):
            yield f"consent:{consent.id}"
        case EventRule(_, event):
            if event.id is not None:
                yield f"event:{event.id}"
        case SequenceRule(_, steps, absent):
            every = steps if absent is None else (*steps, absent)
            found = {step.event.id for step in every}
            yield from (f"event:{event_id}" for event_id in found if event_id is not None)
        case _:
            assert_never(rule)
