"""Since when a contact is as a rule finds it, for what we know the time of."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from contacts.models import (
    ConsentState,
    ContactCategory,
    ContactTag,
    LeadScoreChange,
    MetricValue,
)
from segments.criteria.syntax import (
    ConsentRule,
    ContactField,
    FieldRule,
    KeyedFact,
    KeyedRule,
    LabelRule,
    MetricField,
    Rule,
    SegmentRule,
)
from segments.models import Membership
from workspace import sql


def known_since(
    rules: Iterable[Rule], contact_id: int, values: Mapping[str, Any]
) -> dict[str, datetime]:
    """Since when the value that each rule compared is what it is, by the path of the rule.

    Of tags, categories, segments and journeys since when the contact has the first of those named,
    or the last where each is needed; of consents since the entry that counts. What is not there,
    and fields whose changes are not kept, are left out. A constant number of queries.
    """
    found: dict[str, datetime] = {}
    kept: dict[str, dict[int, datetime]] = {}
    for rule in rules:
        match rule:
            case LabelRule(path, kind, items, each) if values.get(path):
                if kind not in kept:
                    kept[kind] = _labels(kind, contact_id)
                _note(found, path, kept[kind], [item.id for item in items], each=each)
            case SegmentRule(path, segments, each) if values.get(path):
                if "segment" not in kept:
                    entered = Membership.objects.filter(contact_id=contact_id)
                    kept["segment"] = dict(entered.values_list("segment_id", "entered_at"))
                _note(found, path, kept["segment"], [one.id for one in segments], each=each)
            case KeyedRule(path, fact, items, each) if values.get(path) and fact.since_column:
                if fact.name not in kept:
                    kept[fact.name] = _keyed(fact, contact_id)
                _note(found, path, kept[fact.name], [one.id for one in items], each=each)
            case ConsentRule(path, consent):
                if "consent" not in kept:
                    states = ConsentState.objects.filter(contact_id=contact_id)
                    kept["consent"] = dict(states.values_list("definition_id", "since"))
                _note(found, path, kept["consent"], [consent.id], each=False)
            case FieldRule(path, ContactField("lead_score")):
                changes = LeadScoreChange.objects.filter(contact_id=contact_id)
                at = changes.order_by("-at", "-id").values_list("at", flat=True).first()
                if at is not None:
                    found[path] = at
            case FieldRule(path, MetricField(_, metric_id)):
                if "metric" not in kept:
                    metrics = MetricValue.objects.filter(contact_id=contact_id)
                    kept["metric"] = dict(metrics.values_list("metric_id", "computed_at"))
                _note(found, path, kept["metric"], [metric_id], each=False)
    return found


def _labels(kind: str, contact_id: int) -> dict[int, datetime]:
    if kind == "tag":
        tags = ContactTag.objects.filter(contact_id=contact_id)
        return dict(tags.values_list("tag_id", "added_at"))
    categories = ContactCategory.objects.filter(contact_id=contact_id)
    return dict(categories.values_list("category_id", "added_at"))


def _keyed(fact: KeyedFact, contact_id: int) -> dict[int, datetime]:
    rows = sql.lists(
        f"SELECT {fact.item_column}, {fact.since_column} FROM {fact.table}"  # noqa: S608
        f" WHERE contact_id = %s AND ({fact.condition.replace('%', '%%')})",
        [contact_id],
    )
    return {item_id: at for item_id, at in rows if at is not None}


def _note(
    found: dict[str, datetime],
    path: str,
    kept: Mapping[int, datetime],
    ids: Sequence[int],
    *,
    each: bool,
) -> None:
    times = [kept[one] for one in ids or kept if one in kept]
    if times:
        found[path] = max(times) if each else min(times)
