"""Once segments belong to user groups: each way to make one asks for a group (AN-11)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from segments import files, lifecycle, saved_criteria, transfer
from segments.models import SavedCriteria, Segment
from tests.segments.factories import DAY, NOW, lives_in, make_contacts, make_segment
from workspace import access
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import InputInvalid
from workspace.models import User, UserGroup

pytestmark = pytest.mark.django_db
_SENTENCE = "Choose the user group that it belongs to."


@pytest.fixture
def poland() -> Group:
    """A group that does not ask for anything yet."""
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    return group


def _turn(*entities: str) -> None:
    UserGroup.objects.filter(group__name="Poland").update(entities=list(entities))


def _person(name: str, *groups: Group) -> Actor:
    user = User.objects.create_user(name)
    user.groups.set(groups)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="segments"))
    return actor_of_user(user)


def _from_file(path: Path, **settings: Any) -> Segment:
    path.write_text("email\na@example.com\n")
    made = files.create_segment(path, file_name="a.csv", actor=SYSTEM, at=NOW, **settings)
    return Segment.objects.get(key=made.segment)


def _loaded(**definition: Any) -> Any:
    given = {"key": "loaded", "name": "Loaded", "criteria": lives_in("A"), **definition}
    return {"format": transfer.FORMAT, "segments": [given]}


def _ways(path: Path, original: Segment) -> dict[str, Callable[..., Any]]:
    return {
        "created": lambda **given: make_segment("new", **given),
        "copied": lambda **given: lifecycle.copy_segment(original, actor=SYSTEM, at=NOW, **given),
        "from a file": lambda **given: _from_file(path, name="From a file", **given),
        "loaded": lambda **given: transfer.load_definitions(_loaded(**given), actor=SYSTEM, at=NOW),
        "kept criteria": lambda **given: saved_criteria.create_saved_criteria(
            actor=SYSTEM, at=NOW, name="Kept", criteria=lives_in("A"), **given
        ),
    }


@pytest.mark.parametrize("way", ["created", "copied", "from a file", "loaded", "kept criteria"])
def test_a_group_must_be_chosen_and_the_refusal_says_where(
    poland: Group, tmp_path: Path, way: str
) -> None:
    make_contacts("A")
    original = make_segment("original")
    make = _ways(tmp_path / "a.csv", original)[way]
    before = Segment.objects.count(), SavedCriteria.objects.count()
    _turn("segment")
    with pytest.raises(InputInvalid) as refused:
        make()
    [problem] = refused.value.problems
    assert problem.path.removeprefix("segments[0].") == "groups"
    assert problem.code == "required"
    assert problem.message.endswith(_SENTENCE)
    assert (Segment.objects.count(), SavedCriteria.objects.count()) == before
    make(groups=["Poland"])
    assert (Segment.objects.count(), SavedCriteria.objects.count()) != before


def test_a_copy_gets_the_only_group_that_its_author_has(poland: Group) -> None:
    open_ = make_segment("open")
    _turn("segment")
    anna, both = _person("anna", poland), _person("both", poland, Group.objects.create(name="F"))
    copy = lifecycle.copy_segment(open_, actor=anna, at=NOW)
    assert [group.name for group in copy.groups.all()] == ["Poland"]
    with pytest.raises(InputInvalid, match="Choose the user group"):
        lifecycle.copy_segment(open_, actor=both, at=NOW)
    copy = lifecycle.copy_segment(open_, actor=both, at=NOW, groups=["F"])
    assert [group.name for group in copy.groups.all()] == ["F"]


def test_what_was_without_a_group_when_it_was_turned_on_stays_seen_and_usable(
    poland: Group,
) -> None:
    segment = make_segment("open")
    _turn("segment")
    stranger = _person("stranger")
    assert access.is_visible(segment, stranger)
    assert lifecycle.update_segment(segment, actor=stranger, at=NOW, name="Ours").name == "Ours"
    anna = _person("anna", poland)
    lifecycle.update_segment(segment, actor=anna, at=NOW, groups=["Poland"])
    assert not access.is_visible(Segment.objects.get(pk=segment.pk), stranger)
    with pytest.raises(InputInvalid, match="Choose the user group"):
        lifecycle.update_segment(segment, actor=anna, at=NOW, groups=[])


def test_turned_off_again_segments_with_a_group_stay_its_own(poland: Group) -> None:
    _turn("segment")
    segment = make_segment("pl", groups=["Poland"])
    _turn()
    assert not access.is_visible(segment, _person("stranger"))
    assert make_segment("free").groups.count() == 0


def test_an_unchanged_file_of_definitions_is_loaded_without_a_question(poland: Group) -> None:
    make_segment("open")
    dumped = transfer.dump_definitions()
    _turn("segment")
    loaded = transfer.load_definitions(dumped, actor=SYSTEM, at=NOW + DAY)
    assert loaded.unchanged == ["open"]


def test_whoever_leaves_a_group_knows_of_its_segments_no_more(poland: Group) -> None:
    _turn("segment")
    anna = _person("anna", poland)
    segment = make_segment("pl", actor=anna, groups=["Poland"])
    assert segment.owner is not None
    segment.owner.groups.clear()
    outside = actor_of_user(User.objects.get(username="anna"))
    assert list(lifecycle.known_segments(outside)) == []
