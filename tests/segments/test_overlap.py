"""How segments overlap, against counting sets in Python."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.models import Membership, Segment
from segments.overlap import Comparison, compare, overlap
from tests.segments.factories import NOW, make_segment
from workspace.errors import InputInvalid


def _fill(members: list[set[int]]) -> list[Segment]:
    Membership.objects.all().delete()
    segments = [
        Segment.objects.get_or_create(key=f"s{place}", defaults={"name": f"S{place}"})[0]
        for place in range(len(members))
    ]
    Membership.objects.bulk_create(
        Membership(segment=segment, contact_id=contact_id, entered_at=NOW)
        for segment, ids in zip(segments, members, strict=True)
        for contact_id in ids
    )
    return segments


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(1, 12)), min_size=1, max_size=6))
def test_every_combination_and_every_pair_is_what_sets_say(members: list[set[int]]) -> None:
    found = compare(_fill(members))
    everyone = set[int]().union(*members)
    assert found.total == len(everyone)
    assert len(found.sets) == 2 ** len(members) - 1
    assert sum(one.only for one in found.sets) == len(everyone)
    for one in found.sets:
        chosen = [int(key[1:]) for key in one.keys]
        inside = set.intersection(*(members[place] for place in chosen))
        others = [members[place] for place in range(len(members)) if place not in chosen]
        assert one.count == len(inside)
        assert one.only == len(inside.difference(*others))
        assert one.share == pytest.approx(len(inside) / len(everyone) if everyone else 0, abs=1e-6)
    for pair, (first, second) in zip(found.pairs, combinations(members, 2), strict=True):
        both, either = first & second, first | second
        assert pair.count == len(both)
        assert pair.jaccard == pytest.approx(len(both) / len(either) if either else 0, abs=1e-6)
        assert pair.share_of_first == pytest.approx(
            len(both) / len(first) if first else 0, abs=1e-6
        )


@pytest.mark.django_db
def test_the_order_of_the_segments_is_kept() -> None:
    first, second = _fill([{1}, {1, 2}])
    assert [one.keys for one in overlap([second, first])] == [("s1",), ("s0",), ("s1", "s0")]


@pytest.mark.django_db
def test_nobody_in_any_is_nobody() -> None:
    found = compare(_fill([set(), set()]))
    assert (found.total, found.pairs[0].jaccard) == (0, 0.0)
    assert isinstance(found, Comparison)


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, 7])
def test_none_or_too_many_are_refused(count: int) -> None:
    segments = [make_segment(f"k{place}") for place in range(count)]
    with pytest.raises(InputInvalid):
        compare(segments)


@pytest.mark.django_db
def test_one_given_twice_is_refused() -> None:
    segment = make_segment()
    with pytest.raises(InputInvalid):
        compare([segment, segment])
