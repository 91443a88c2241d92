"""The life of a segment: what may be changed when, by whom, and what it leaves behind."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError
from django.db.transaction import atomic

from contacts.definitions import Kind, delete_definition
from contacts.errors import DefinitionInUse
from contacts.models import AttributeDefinition, Contact
from segments import definitions, lifecycle, membership
from segments.errors import (
    CriteriaRefused,
    SegmentArchived,
    SegmentNotInactive,
    SegmentUnknown,
)
from segments.facts import catalog_for, describe_criteria
from segments.models import Calculation, MembershipChange, Segment
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, Job, User, UserGroup

pytestmark = pytest.mark.django_db

_LATER = NOW + HOUR


def _person(name: str, *groups: Group, may: tuple[str, ...] | None = None) -> Actor:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(groups)
    permissions = Permission.objects.filter(content_type__app_label="segments")
    if may is not None:
        permissions = permissions.filter(codename__in=may)
    user.user_permissions.set(permissions)
    return actor_of_user(User.objects.get(pk=user.pk))


def _group(name: str, *entities: str) -> Group:
    group = Group.objects.create(name=name)
    UserGroup.objects.create(group=group, entities=list(entities))
    return group


def _faults(refused: pytest.ExceptionInfo[InputInvalid]) -> list[tuple[str, str]]:
    return [(problem.path, problem.code) for problem in refused.value.problems]


def test_a_new_segment_is_active_and_its_first_calculation_is_requested() -> None:
    anna = _person("anna")
    segment = make_segment(actor=anna, description=" People of the capital ")
    assert (segment.status, segment.source, segment.version_number) == ("active", "criteria", 1)
    assert segment.description == "People of the capital"
    assert segment.owner_id == anna.id
    assert segment.calculation_state(at=NOW) == "waiting"
    job = Job.objects.get(subject=f"segment:{segment.pk}", kind="segments.refresh")
    assert job.arguments == {"segment_id": segment.pk, "cause": "created"}
    version = segment.versions.get()
    assert (version.number, version.author, version.created_at) == (1, "anna", NOW)
    assert version.criteria == lives_in("Warszawa")
    entry = AuditEntry.objects.get(action="segment.created")
    assert (entry.actor_id, entry.object_label) == (anna.id, "Poles")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Big spenders, Łódź & Köln", "big-spenders-lodz-koln"),
        ("", "segment"),
        ("東京", "segment"),
        ("x" * 200, "x" * 59),
        ("Preview", "preview-2"),
    ],
)
def test_a_key_is_made_of_the_name(name: str, key: str) -> None:
    assert definitions.free_key(name) == key


def test_made_keys_do_not_collide() -> None:
    keys = [make_segment("", name="Big spenders").key for _ in range(3)]
    assert keys == ["big-spenders", "big-spenders-2", "big-spenders-3"]


def test_all_faults_of_a_definition_are_told_at_once() -> None:
    with pytest.raises(InputInvalid) as refused:
        make_segment(
            "catalog",
            name=" ",
            description="\0",
            groups=["Nobody's"],
            refresh_mode="interval",
            refresh_amount=0,
            refresh_unit="week",
            readiness_hours=0,
            criteria={
                "combinator": "and",
                "rules": [{"field": "contact.shoe", "operator": "null"}],
            },
        )
    assert sorted(_faults(refused)) == [
        ("criteria", "invalid"),
        ("description", "invalid"),
        ("groups[0]", "unknown_group"),
        ("key", "unavailable"),
        ("name", "required"),
        ("readiness_hours", "out_of_range"),
        ("refresh.every.amount", "out_of_range"),
        ("refresh.every.unit", "invalid_choice"),
    ]
    assert isinstance(refused.value, CriteriaRefused)
    assert [fault.path for fault in refused.value.criteria_problems] == ["rules[0].field"]
    assert not Segment.objects.exists()
    assert not Job.objects.exists()


def test_a_key_that_is_taken_is_refused_like_a_reserved_one() -> None:
    make_segment("poles")
    messages = []
    for key in ("poles", "preview"):
        with pytest.raises(InputInvalid) as refused:
            make_segment(key)
        messages.append(str(refused.value).replace(key, "…"))
    assert messages[0] == messages[1]


def test_other_criteria_make_a_version_and_a_calculation() -> None:
    segment = make_segment()
    refresh(segment)
    Job.objects.all().delete()
    anna = _person("anna")
    changed = lifecycle.update_segment(
        segment, actor=anna, at=_LATER, criteria=lives_in("Paris"), name="Parisians"
    )
    assert (changed.name, changed.version_number) == ("Parisians", 2)
    assert [v.number for v in changed.versions.all()] == [2, 1]
    assert changed.versions.get(number=2).author == "anna"
    assert Job.objects.get().arguments["cause"] == "criteria"
    assert changed.refresh_requested_at == _LATER
    entry = AuditEntry.objects.get(action="segment.updated")
    assert entry.changes["name"] == ["Poles", "Parisians"]
    assert entry.changes.keys() == {"name", "criteria"}


def test_what_is_the_same_changes_nothing() -> None:
    segment = make_segment()
    same: dict[str, Any] = {"rules": lives_in("Warszawa")["rules"], "combinator": "and"}
    lifecycle.update_segment(segment, actor=SYSTEM, at=_LATER, criteria=same, name="Poles")
    segment.refresh_from_db()
    assert segment.version_number == 1
    assert not AuditEntry.objects.filter(action="segment.updated").exists()


def test_true_is_not_one() -> None:
    old = {"combinator": "and", "rules": [], "id": 1}
    segment = make_segment(criteria=old)
    changed = lifecycle.update_segment(
        segment, actor=SYSTEM, at=_LATER, criteria=old | {"id": True}
    )
    assert changed.version_number == 2


def test_a_new_name_requests_no_calculation() -> None:
    segment = make_segment()
    refresh(segment)
    Job.objects.all().delete()
    lifecycle.update_segment(segment, actor=SYSTEM, at=_LATER, name="People of Warszawa")
    assert not Job.objects.exists()


def test_settings_of_the_refresh_that_are_not_named_stay() -> None:
    segment = make_segment(refresh_mode="interval", refresh_amount=6, refresh_unit="hour")
    changed = lifecycle.update_segment(segment, actor=SYSTEM, at=_LATER, refresh_amount=12)
    told = (changed.refresh_mode, changed.refresh_amount, changed.refresh_unit)
    assert told == ("interval", 12, "hour")
    once = lifecycle.update_segment(segment, actor=SYSTEM, at=_LATER, refresh_mode="once")
    assert (once.refresh_amount, once.refresh_unit) == (None, "")


def test_the_key_stays_for_ever() -> None:
    with pytest.raises(TypeError, match="key"):
        lifecycle.update_segment(make_segment(), actor=SYSTEM, at=_LATER, key="other")


def test_criteria_may_not_turn_in_a_circle() -> None:
    base = make_segment("base")
    make_segment("middle", is_in("base"))
    make_segment("top", is_in("middle"))
    for key in ("base", "middle", "top"):
        with pytest.raises(CriteriaRefused) as refused:
            lifecycle.update_segment(base, actor=SYSTEM, at=_LATER, criteria=is_in(key))
        assert [f.code for f in refused.value.criteria_problems] == ["cycle"]
    base.refresh_from_db()
    assert base.criteria == lives_in("Warszawa")


def test_a_disabled_reference_makes_no_circle() -> None:
    base = make_segment("base")
    named = is_in("base")
    named["rules"][0]["disabled"] = True
    make_segment("top", named)
    changed = lifecycle.update_segment(base, actor=SYSTEM, at=_LATER, criteria=is_in("top"))
    assert changed.version_number == 2


def test_only_inactive_segments_are_archived_and_then_for_ever() -> None:
    ania, bartek = make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment)
    with pytest.raises(SegmentNotInactive):
        lifecycle.archive(segment, actor=SYSTEM, at=_LATER)
    inactive = lifecycle.inactivate(segment, actor=SYSTEM, at=_LATER)
    assert inactive.status == "inactive"
    assert member_ids(segment) == {ania, bartek}, "an inactive one keeps its last members"
    archived = lifecycle.archive(segment, actor=SYSTEM, at=_LATER + HOUR)
    assert (archived.status, archived.member_count) == ("archived", 0)
    assert member_ids(segment) == set()
    left = MembershipChange.objects.filter(kind="left", cause="archived", at=_LATER + HOUR)
    assert {change.contact_id for change in left} == {ania, bartek}
    last = Calculation.objects.order_by("-pk")[0]
    assert (last.member_count, last.left_count, last.cause) == (0, 2, "archived")
    for verb in (lifecycle.activate, lifecycle.inactivate, lifecycle.archive):
        with pytest.raises(SegmentArchived):
            verb(segment, actor=SYSTEM, at=_LATER)
    with pytest.raises(SegmentArchived):
        lifecycle.update_segment(segment, actor=SYSTEM, at=_LATER, name="Back")
    with pytest.raises(SegmentArchived):
        membership.request_refresh(segment, actor=SYSTEM, at=_LATER)
    entries = AuditEntry.objects.filter(action__startswith="segment.").order_by("pk")
    actions = list(entries.values_list("action", flat=True))
    assert actions == ["segment.created", "segment.inactivated", "segment.archived"]


def test_what_is_archived_stays_so_also_for_who_comes_past_the_verbs() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    lifecycle.inactivate(segment, actor=SYSTEM, at=_LATER)
    lifecycle.archive(segment, actor=SYSTEM, at=_LATER)
    row = Segment.objects.filter(pk=segment.pk)
    for status in ("active", "inactive"):
        with pytest.raises(IntegrityError, match="is archived, and stays so"), atomic():
            row.update(status=status)
    with pytest.raises(IntegrityError, match="archived_is_empty"), atomic():
        row.update(member_count=1)
    row.update(name="A better name for the history")


def test_a_calculation_is_ready_for_its_readiness_time_and_each_refresh_starts_it_again() -> None:
    segment = make_segment(readiness_hours=2)
    assert segment.ready_until is None
    refresh(segment, as_of=NOW)
    until = NOW + 2 * HOUR
    moment = timedelta(microseconds=1)
    assert segment.ready_until == until
    assert segment.calculation_state(at=until - moment) == "ready"
    assert segment.calculation_state(at=until) == "expired", "until then, and no longer"
    refresh(segment, as_of=until)
    assert segment.calculation_state(at=until) == "ready"
    assert segment.calculation_state(at=until + 2 * HOUR) == "expired"


@pytest.mark.parametrize("mode", ["once", "interval"])
def test_without_a_readiness_time_a_calculation_never_expires(mode: str) -> None:
    every: dict[str, Any] = (
        {"refresh_amount": 1, "refresh_unit": "day"} if mode == "interval" else {}
    )
    segment = make_segment(refresh_mode=mode, **every)
    refresh(segment)
    assert segment.ready_until is None
    assert segment.calculation_state(at=NOW + 4000 * DAY) == "ready"


def test_a_failed_calculation_keeps_the_former_members_and_their_readiness_time() -> None:
    (ania,) = make_contacts("Warszawa")
    AttributeDefinition.objects.create(key="shoe", label="Shoe", type="number")
    segment = make_segment(readiness_hours=5)
    refresh(segment)
    Segment.objects.filter(pk=segment.pk).update(criteria=has_attribute("hat", 7))
    with pytest.raises(CriteriaRefused):
        membership.refresh(segment.pk, as_of=_LATER, cause="test")
    segment.refresh_from_db()
    assert member_ids(segment) == {ania}
    assert segment.failure
    assert segment.ready_until == NOW + 5 * HOUR
    assert segment.calculation_state(at=_LATER) == "ready"


def test_a_first_calculation_that_failed_says_so() -> None:
    segment = make_segment()
    Segment.objects.filter(pk=segment.pk).update(criteria=has_attribute("hat", 7))
    with pytest.raises(CriteriaRefused):
        membership.refresh(segment.pk, as_of=_LATER, cause="test")
    segment.refresh_from_db()
    assert segment.calculation_state(at=_LATER) == "failed"


def test_a_calculation_that_waits_is_cancelled_at_once() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    membership.request_refresh(segment, actor=SYSTEM, at=_LATER)
    cancelled = lifecycle.cancel_calculation(segment, actor=SYSTEM, at=_LATER)
    assert cancelled.refresh_requested_at is None
    assert cancelled.calculation_state(at=_LATER) == "ready"
    assert member_ids(segment) == {ania}
    assert not Job.objects.filter(state="queued").exists()
    again = lifecycle.cancel_calculation(segment, actor=SYSTEM, at=_LATER + HOUR)
    assert again.failed_at == _LATER, "there was nothing to cancel"


def test_a_calculation_that_runs_is_told_to_stop() -> None:
    segment = make_segment()
    Job.objects.update(state="running")
    told = lifecycle.cancel_calculation(segment, actor=SYSTEM, at=_LATER)
    assert told.refresh_requested_at is not None, "its worker withdraws the request"
    assert Job.objects.get().cancel_requested


def test_inactivating_cancels_what_waits() -> None:
    segment = lifecycle.inactivate(make_segment(), actor=SYSTEM, at=_LATER)
    assert segment.refresh_requested_at is None
    assert Job.objects.get().state == "cancelled"


def test_activating_twice_is_activating_once() -> None:
    segment = lifecycle.inactivate(make_segment(), actor=SYSTEM, at=_LATER)
    for _ in range(2):
        segment = lifecycle.activate(segment, actor=SYSTEM, at=_LATER)
    assert segment.status == "active"
    assert AuditEntry.objects.filter(action="segment.activated").count() == 1


def test_a_copy_is_active_and_the_actors_own() -> None:
    anna = _person("anna")
    original = make_segment(readiness_hours=6, refresh_mode="realtime", description="d")
    lifecycle.inactivate(original, actor=SYSTEM, at=_LATER)
    lifecycle.archive(original, actor=SYSTEM, at=_LATER)
    copy = lifecycle.copy_segment(original, actor=anna, at=_LATER)
    assert (copy.key, copy.name, copy.status) == ("poles-copy", "Poles (copy)", "active")
    assert copy.criteria == original.criteria
    assert (copy.readiness_hours, copy.refresh_mode) == (6, "realtime")
    assert copy.owner_id == anna.id


def test_each_verb_asks_for_its_permission() -> None:
    reader = _person("reader", may=("view_segment",))
    segment = make_segment()
    with pytest.raises(NotAllowed, match="add_segment"):
        make_segment("other", actor=reader)
    for verb, permission in (
        (lifecycle.update_segment, "change_segment"),
        (lifecycle.activate, "inactivate_segment"),
        (lifecycle.inactivate, "inactivate_segment"),
        (lifecycle.archive, "archive_segment"),
        (lifecycle.copy_segment, "add_segment"),
        (lifecycle.cancel_calculation, "refresh_segment"),
        (membership.request_refresh, "refresh_segment"),
    ):
        with pytest.raises(NotAllowed, match=permission):
            verb(segment, actor=reader, at=_LATER)


# --- User groups: AN-11, AN-12, AN-24 -------------------------------------------------------------


def test_for_people_outside_its_groups_a_segment_does_not_exist() -> None:
    poland, france = _group("Poland"), _group("France")
    anna, pierre = _person("anna", poland), _person("pierre", france)
    segment = make_segment(actor=anna, groups=["Poland"])
    assert lifecycle.find_segment("poles", actor=anna) == segment
    for key in ("poles", "never-was"):
        with pytest.raises(SegmentUnknown) as unknown:
            lifecycle.find_segment(key, actor=pierre)
        assert str(unknown.value) == f"There is no segment “{key}”."
    for verb in (
        lifecycle.update_segment,
        lifecycle.activate,
        lifecycle.inactivate,
        lifecycle.archive,
        lifecycle.copy_segment,
        lifecycle.cancel_calculation,
        membership.request_refresh,
    ):
        with pytest.raises(SegmentUnknown):
            verb(segment, actor=pierre, at=_LATER)


def test_a_group_is_required_as_soon_as_one_scopes_segments() -> None:
    make_segment("before")
    _group("Poland", "segment")
    with pytest.raises(InputInvalid) as refused:
        make_segment("after")
    assert _faults(refused) == [("groups", "required")]
    assert make_segment("after", groups=["Poland"]).groups.get().name == "Poland"


def test_one_chooses_among_ones_own_groups() -> None:
    poland, _france = _group("Poland"), _group("France")
    anna = _person("anna", poland)
    messages = []
    for name in ("France", "Atlantis"):
        with pytest.raises(InputInvalid) as refused:
            make_segment("x", actor=anna, groups=["Poland", name])
        assert _faults(refused) == [("groups[1]", "unknown_group")]
        messages.append(str(refused.value).replace(name, "…"))
    assert messages[0] == messages[1], "whether a group exists is not betrayed"


def test_groups_of_others_stay() -> None:
    poland, _france = _group("Poland"), _group("France")
    anna = _person("anna", poland)
    segment = make_segment(groups=["Poland", "France"])
    changed = lifecycle.update_segment(segment, actor=anna, at=_LATER, groups=[])
    assert [group.name for group in changed.groups.all()] == ["France"]


def test_criteria_name_only_segments_that_the_author_may_know() -> None:
    poland, france = _group("Poland"), _group("France")
    anna, pierre = _person("anna", poland), _person("pierre", france)
    make_segment("polish", actor=anna, groups=["Poland"])
    for key in ("polish", "never-was"):
        with pytest.raises(CriteriaRefused) as refused:
            make_segment("french", is_in(key), actor=pierre)
        assert [f.code for f in refused.value.criteria_problems] == ["unknown_key"]
    shared = make_segment("shared", is_in("polish"), groups=["Poland", "France"])
    for key, code in (("hidden:1", "not_allowed"), ("polish", "unknown_key")):
        other = {**is_in(key), "not": True}
        with pytest.raises(CriteriaRefused) as refused:
            lifecycle.update_segment(shared, actor=pierre, at=_LATER, criteria=other)
        assert [fault.code for fault in refused.value.criteria_problems] == [code]
    renamed = lifecycle.update_segment(
        shared, actor=pierre, at=_LATER, name="Ours", criteria=is_in("hidden:1")
    )
    assert renamed.name == "Ours", "who changes no criteria is asked nothing about them"
    assert renamed.criteria == is_in("polish")


def test_the_sentence_names_no_segment_of_others() -> None:
    _poland, france = _group("Poland"), _group("France")
    pierre = _person("pierre", france)
    make_segment("polish", name="Secret plan", groups=["Poland"])
    shared = make_segment("shared", is_in("polish"), groups=["France"])
    assert "Secret plan" in describe_criteria(shared, actor=SYSTEM)
    told = describe_criteria(shared, actor=pierre)
    assert "Secret plan" not in told
    assert "a segment of another group" in told


def test_the_catalog_costs_the_same_for_few_and_many(
    django_assert_num_queries: Any,
) -> None:
    poland = _group("Poland")
    anna = _person("anna", poland)
    segment = make_segment("first")
    for number in range(20):
        make_segment(f"s{number}", is_in("first"), groups=["Poland"] if number % 2 else [])
    assert Contact.objects.count() == 0
    with django_assert_num_queries(9):
        catalog = catalog_for(anna, segment=segment)
    assert len(catalog.segments) == 21
    assert len(catalog.cyclic_segments) == 21
    with django_assert_num_queries(8):
        catalog_for(SYSTEM)


def test_a_long_name_is_copied_and_a_copy_keeps_only_the_actors_groups() -> None:
    poland, _france = _group("Poland"), _group("France")
    anna = _person("anna", poland)
    segment = make_segment(name="n" * 200, groups=["Poland", "France"])
    copy = lifecycle.copy_segment(segment, actor=anna, at=_LATER + DAY)
    assert copy.name.endswith("(copy)")
    assert [group.name for group in copy.groups.all()] == ["Poland"]


def test_what_a_segment_asks_for_cannot_be_deleted_and_its_name_is_not_betrayed() -> None:
    _poland, france = _group("Poland"), _group("France")
    pierre = _person("pierre", france)
    AttributeDefinition.objects.create(key="color", label="Color")
    make_segment("polish", has_attribute("color", "red"), name="Secret plan", groups=["Poland"])
    for actor, told in ((SYSTEM, "Secret plan"), (pierre, "a segment of another group")):
        with pytest.raises(DefinitionInUse, match=told):
            delete_definition(Kind.ATTRIBUTE, "color", actor=actor, at=NOW)
