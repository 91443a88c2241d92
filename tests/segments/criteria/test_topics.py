"""What a document looks at, topic by topic."""

from datetime import UTC, datetime
from typing import Any

import pytest

from segments.criteria import topics
from tests.segments.criteria.asking import all_of, any_of, lasting, rule
from tests.segments.criteria.people import make_world, read

WORLD = make_world(datetime(2025, 6, 15, 12, 0, tzinfo=UTC))
WITHIN = {"within": lasting(1, "day"), "not": True}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (rule("contact.city", "=", "Warszawa"), {"contact"}),
        (rule("contact.updated_at", "notNull"), {"contact"}),
        (rule("attribute.sizes", "all", ["s"]), {"contact"}),
        (rule("contact.last_seen_at", "inLast", lasting(1, "day")), {"event:*"}),
        (rule("metric.last_order", "null"), {"metric:2"}),
        (rule("loyalty.is_member", "=", False), {"table:loyalty_member"}),
        (rule("tag", "in", ["vip", "new"]), {"tag:1", "tag:3"}),
        (rule("tag", "null"), {"tag:*"}),
        (rule("category", "notNull"), {"category:*"}),
        (rule("segment", "in", ["more", "never_calculated"]), {"segment:2", "segment:3"}),
        (rule("journey.goal", "all", ["birthday", "welcome"]), {"journey:1", "journey:2"}),
        (rule("consent.sms", "=", "unknown"), {"consent:2"}),
        (rule("event.purchase", "=", 0), {"event:1"}),
        (rule("event.never_seen", "=", 0), set()),
        (
            {
                "field": "sequence",
                "steps": [{"event": "page_visit"}, {"event": "purchase", **WITHIN}],
            },
            {"event:1", "event:2"},
        ),
    ],
)
def test_a_rule_has_the_topics_of_what_it_compares(asked: Any, expected: set[str]) -> None:
    assert topics(read(all_of(asked), WORLD)) == expected


def test_a_document_has_the_topics_of_all_its_rules_but_the_disabled() -> None:
    vip, city = rule("tag", "in", ["vip"]), rule("contact.city", "null")
    document = all_of(vip, any_of(city, **{"not": True}), rule("tag", "null", disabled=True))
    assert topics(read(document, WORLD)) == {"tag:1", "contact"}
    assert topics(read(all_of(), WORLD)) == frozenset()
