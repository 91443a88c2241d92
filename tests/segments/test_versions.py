"""Versions of a segment: what each changed, in words, and going back to one."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import AttributeDefinition
from segments import differences as diff
from segments import file_keys, files, lifecycle, versions
from segments.errors import (
    CriteriaRefused,
    SegmentArchived,
    SegmentUnknown,
    VersionInForce,
    VersionUnknown,
)
from segments.models import Segment, SegmentVersion
from tests.factories import make_attribute, make_contact
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    is_in,
    make_segment,
    member_ids,
    refresh,
)
from tests.segments.test_lifecycle import _group, _person
from workspace.access import SYSTEM
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, Job

CITY = {"field": "contact.city", "operator": "=", "value": "Łódź"}
SCORE = {"field": "contact.lead_score", "operator": ">", "value": 20}
NAME = {"field": "contact.first_name", "operator": "beginsWith", "value": "A"}
BOUGHT = {"field": "event.purchase", "operator": ">=", "value": 1}


def both(*rules: Any, **given: Any) -> dict[str, Any]:
    return {"combinator": "and", "rules": list(rules), **given}


def either(*rules: Any, **given: Any) -> dict[str, Any]:
    return {"combinator": "or", "rules": list(rules), **given}


def _phrase(node: dict[str, Any]) -> str:
    if "rules" in node:
        joined = f" {node['combinator']} ".join(_phrase(child) for child in node["rules"])
        return f"({joined})"
    return str(node["field"]).removeprefix("contact.") + str(node.get("value", ""))


def _said(before: Any, after: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.sentence) for one in diff.differences(before, after, _phrase)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (both(CITY), both(CITY), []),
        (both(CITY), both({**CITY, "id": "r-1"}, id="g"), []),
        (both(CITY), both(CITY, SCORE), [("added", "Added: lead_score20")]),
        (both(CITY, SCORE), both(SCORE), [("removed", "Removed: cityŁódź")]),
        (
            both(SCORE),
            both({**SCORE, "value": 30}),
            [("changed", "Changed: lead_score20 → lead_score30")],
        ),
        (
            both(CITY, SCORE),
            either(CITY, SCORE),
            [("combined", "Instead of all, one is enough now: (cityŁódź or lead_score20)")],
        ),
        (
            both(CITY),
            both(CITY, **{"not": True}),
            [("negated", "Turned around, this must not hold now: (cityŁódź)")],
        ),
        (
            both(CITY, SCORE),
            both({**CITY, "disabled": True}, SCORE),
            [("switched", "Switched off: cityŁódź")],
        ),
        (
            both({**CITY, "disabled": True}),
            both(CITY),
            [("switched", "Switched on again: cityŁódź")],
        ),
        (
            both(CITY, SCORE),
            both(SCORE, CITY),
            [("ordered", "Only the order of the criteria changed.")],
        ),
        (
            both(CITY, SCORE, NAME),
            both(NAME, either(CITY, SCORE)),
            [
                ("moved", "Moved, where one is enough: cityŁódź"),
                ("moved", "Moved, where one is enough: lead_score20"),
            ],
        ),
        (
            both(NAME, either(CITY, SCORE)),
            both(NAME, either(CITY, SCORE, BOUGHT)),
            [("added", "Added, where one is enough: event.purchase1")],
        ),
        (
            both(NAME),
            both(NAME, either(CITY, SCORE, **{"not": True})),
            [("added", "Added: (cityŁódź or lead_score20)")],
        ),
        (
            both(NAME, either(CITY)),
            both(NAME, either(SCORE)),
            [
                ("removed", "Removed: cityŁódź"),
                ("added", "Added, where one is enough: lead_score20"),
            ],
        ),
        (
            both(either(CITY, NAME), either(SCORE, BOUGHT)),
            both(either(SCORE, BOUGHT), either(CITY)),
            [("removed", "Removed: first_nameA")],
        ),
        (both(), both(either()), [("added", "Added: ()")]),
    ],
)
def test_each_change_is_a_sentence(before: Any, after: Any, said: list[tuple[str, str]]) -> None:
    assert _said(before, after) == said


_RULES = st.sampled_from([CITY, SCORE, NAME, BOUGHT, {**SCORE, "value": 5}])
_NODES = st.recursive(
    _RULES,
    lambda inner: st.builds(
        lambda combinator, rules, is_not: {
            "combinator": combinator,
            "rules": rules,
            **({"not": True} if is_not else {}),
        },
        st.sampled_from(["and", "or"]),
        st.lists(inner, max_size=4),
        st.booleans(),
    ),
    max_leaves=12,
)
_DOCUMENTS = st.lists(_NODES, max_size=5).map(lambda rules: both(*rules))


@settings(max_examples=100, deadline=None)
@given(before=_DOCUMENTS, after=_DOCUMENTS)
def test_documents_that_differ_say_so_and_equal_ones_say_nothing(before: Any, after: Any) -> None:
    said = _said(before, after)
    assert bool(said) == (before != after)
    assert _said(before, deepcopy(before)) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=_DOCUMENTS, place=st.integers(0, 5))
def test_one_new_rule_is_told_as_one_addition(document: Any, place: int) -> None:
    new = {"field": "contact.country", "operator": "=", "value": "PL"}
    after = deepcopy(document)
    after["rules"].insert(place, new)
    assert _said(document, after) == [("added", "Added: countryPL")]
    assert _said(after, document) == [("removed", "Removed: countryPL")]


def _told(segment: Segment, actor: Any = SYSTEM) -> list[list[str]]:
    found = list(segment.versions.all())
    return [one.difference_sentences for one in versions.tell_versions(segment, found, actor=actor)]


@pytest.mark.django_db
def test_versions_are_told_in_the_words_of_the_criteria() -> None:
    segment = make_segment(criteria=both(SCORE))
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + HOUR, criteria=both(SCORE, CITY))
    told = versions.tell_versions(segment, list(segment.versions.all()), actor=SYSTEM)
    assert [one.version.number for one in told] == [2, 1]
    assert told[0].difference_sentences == ["Added: “City” is “Łódź”"]
    assert "“City” is “Łódź”" in told[0].sentence
    assert told[1].difference_sentences == []


@pytest.mark.django_db
def test_the_last_version_of_a_page_is_compared_with_the_one_before_it() -> None:
    segment = make_segment(criteria=both(SCORE))
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + HOUR, criteria=both(SCORE, CITY))
    newest = list(segment.versions.all()[:1])
    (one,) = versions.tell_versions(segment, newest, actor=SYSTEM)
    assert one.difference_sentences == ["Added: “City” is “Łódź”"]


@pytest.mark.django_db
def test_segments_of_other_groups_stay_without_names() -> None:
    team = _group("Team", "segment")
    _group("Others", "segment")
    hidden = make_segment("secret", name="Secret plan", groups=["Others"])
    segment = make_segment("open", both(SCORE), groups=["Team"])
    wanted = both(SCORE, *is_in(hidden.key)["rules"])
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=wanted)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=both(SCORE))
    reader = _person("reader", team)
    said = str(_told(segment, reader))
    assert "a segment of another group" in said
    assert "Secret" not in said
    assert "secret" not in said
    assert "Secret plan" in str(_told(segment))


@pytest.mark.django_db
def test_what_is_not_valid_any_more_is_told_by_its_field() -> None:
    make_attribute("color")
    rule = {"field": "attribute.color", "operator": "=", "value": "red"}
    segment = make_segment(criteria=both(rule))
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=both(SCORE))
    AttributeDefinition.objects.all().delete()
    [newest, _first] = _told(segment)
    assert newest == [
        "Removed: a criterion on “attribute.color” that is not valid any more",
        "Added: “Lead score” is greater than 20",
    ]
    with pytest.raises(CriteriaRefused):
        versions.restore(segment, 1, actor=SYSTEM, at=NOW)


@pytest.mark.django_db
def test_restoring_makes_a_new_version_and_requests_a_calculation() -> None:
    segment = make_segment(criteria=both(SCORE))
    refresh(segment)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + HOUR, criteria=both(CITY))
    Job.objects.all().delete()
    restored = versions.restore(segment, 1, actor=SYSTEM, at=NOW + 2 * HOUR)
    assert (restored.version_number, restored.criteria) == (3, both(SCORE))
    newest = SegmentVersion.objects.get(segment=segment, number=3)
    assert newest.created_at == NOW + 2 * HOUR
    assert Job.objects.get().kind == "segments.refresh"
    entry = AuditEntry.objects.get(action="segment.version_restored")
    assert entry.changes == {"version": [2, 3], "as_version": [None, 1]}


@pytest.mark.django_db
def test_what_cannot_be_restored_is_refused_and_changes_nothing() -> None:
    segment = make_segment(criteria=both(SCORE))
    with pytest.raises(VersionUnknown):
        versions.restore(segment, 7, actor=SYSTEM, at=NOW)
    with pytest.raises(VersionInForce):
        versions.restore(segment, 1, actor=SYSTEM, at=NOW)
    reader = _person("reader", may=("view_segment",))
    with pytest.raises(NotAllowed):
        versions.restore(segment, 1, actor=reader, at=NOW)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=both(CITY))
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    assert versions.restore(segment, 1, actor=SYSTEM, at=NOW).refresh_requested_at is None
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentArchived):
        versions.restore(segment, 2, actor=SYSTEM, at=NOW)
    assert segment.versions.count() == 3


@pytest.mark.django_db
def test_people_outside_the_group_cannot_restore() -> None:
    _group("Team", "segment")
    segment = make_segment(criteria=both(SCORE), groups=["Team"])
    with pytest.raises(SegmentUnknown):
        versions.restore(segment, 1, actor=_person("outside"), at=NOW)


@pytest.mark.django_db
def test_criteria_that_name_a_hidden_segment_cannot_be_restored() -> None:
    team: Group = _group("Team", "segment")
    _group("Others", "segment")
    hidden = make_segment("secret", groups=["Others"])
    segment = make_segment("open", is_in(hidden.key), groups=["Team"])
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, criteria=both(SCORE))
    with pytest.raises(CriteriaRefused) as refused:
        versions.restore(segment, 1, actor=_person("reader", team), at=NOW)
    assert "secret" not in str(refused.value)


@pytest.mark.django_db
def test_the_version_of_a_moment_is_the_one_in_force_then() -> None:
    segment = make_segment(criteria=both(SCORE), at=NOW)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW + DAY, criteria=both(CITY))
    numbers = [
        found and found.number
        for found in (
            versions.version_at(segment, at=moment)
            for moment in (NOW - HOUR, NOW, NOW + HOUR, NOW + DAY, NOW + 2 * DAY)
        )
    ]
    assert numbers == [None, 1, 1, 2, 2]


@pytest.mark.django_db
def test_a_file_that_was_replaced_is_a_version_to_go_back_to(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path
    anna, ewa = (make_contact(email=f"{name}@example.com").pk for name in ("anna", "ewa"))
    paths = []
    for name in ("anna", "ewa"):
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text(f"email\n{name}@example.com\n")
    found = files.create_segment(paths[0], file_name="a.csv", actor=SYSTEM, at=NOW, name="F")
    segment = Segment.objects.get(key=found.segment)
    choice = file_keys.choose(paths[1])
    files.read_into(segment, choice, file_name="b.csv", actor=SYSTEM, at=NOW + HOUR)
    assert member_ids(segment) == {ewa}
    assert _told(segment) == [
        ["The list “a.csv” was replaced by “b.csv”: 1 rows, 1 in the base."],
        [],
    ]
    with pytest.raises(VersionInForce):
        versions.restore(segment, 2, actor=SYSTEM, at=NOW)
    versions.restore(segment, 1, actor=SYSTEM, at=NOW + 2 * HOUR)
    refresh(segment, as_of=NOW + 2 * HOUR)
    assert member_ids(segment) == {anna}
    assert segment.version_number == 3
