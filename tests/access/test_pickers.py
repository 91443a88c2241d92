"""Where a segment is chosen, one finds active ones of one's own groups and of none (AN-24)."""

import re
from typing import Any

import pytest
from django.urls import reverse

from segments import criteria, facts, lifecycle
from segments.models import Segment
from tests.access.secrets import Secret
from tests.segments.factories import NOW, make_segment
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db
_OFFERED = {
    "administrator": {"mine", "theirs", "nobodys"},
    "marketer": {"mine", "nobodys"},
    "insider": {"theirs", "nobodys"},
}


@pytest.fixture
def choice(secret: Secret) -> Secret:
    """Segments of either group and of none, and of each one out of use and one archived."""
    for key, group in (("mine", "France"), ("theirs", "Poland"), ("nobodys", "")):
        for state in ("", "-off", "-gone"):
            groups = [group or "France"]
            made = make_segment(f"{key}{state}", name=f"Pick {key}{state}", groups=groups)
            if not group:
                made.groups.clear()
            if state:
                made = lifecycle.inactivate(made, actor=SYSTEM, at=NOW)
            if state == "-gone":
                lifecycle.archive(made, actor=SYSTEM, at=NOW)
    return secret


def _ours(keys: Any) -> set[str]:
    made = {f"{key}{state}" for key in _OFFERED["administrator"] for state in ("", "-off", "-gone")}
    return {key for key in keys if key in made}


@pytest.mark.parametrize("who", _OFFERED)
def test_pickers_offer_what_one_may_choose(choice: Secret, who: str) -> None:
    client, expected = choice.session(who), _OFFERED[who]
    actor = actor_of_user(User.objects.get(pk=choice.people[who].pk))
    described = criteria.describe(facts.catalog_for(actor))
    [field] = [found for found in described["fields"] if found["field"] == "segment"]
    assert _ours(option["key"] for option in field["choices"]) == expected
    assert _ours(lifecycle.usable_segments(actor).values_list("key", flat=True)) == expected
    catalog = client.get("/api/segments/catalog/").json()
    [field] = [found for found in catalog["fields"] if found["field"] == "segment"]
    assert _ours(option["key"] for option in field["choices"]) == expected
    suggested = client.get(reverse("admin:segments_values"), {"field": "segment", "q": "pick"})
    assert _ours(value["value"] for value in suggested.json()["values"]) == expected
    for name in ("segments_segment_overlap", "segments_export_add", "contacts_contact_changelist"):
        page = client.get(reverse(f"admin:{name}")).content.decode()
        named = _named_in(page)
        assert not named or named == expected, (name, named)
    if actor.may("loyalty.add_mechanism"):
        form = client.get(reverse("admin:loyalty_mechanism_add") + "?kind=reward")
        assert _named_in(form.content.decode()) == expected


def _named_in(page: str) -> set[str]:
    """Which of them a page offers."""
    return {
        segment.key
        for segment in Segment.objects.filter(name__startswith="Pick ")
        if re.search(rf"\b{segment.key}(?!-(off|gone))\b", page)
    }
