"""Actions: planned at their time, refused with a reason, cancelled; what they write to whom."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts import consents, definitions
from contacts.errors import DefinitionInUse
from contacts.models import (
    Category,
    ConsentDefinition,
    ConsentEntry,
    ConsentState,
    Contact,
    ContactCategory,
    ContactTag,
    Tag,
)
from segments import action_runs, action_undo, actions, lifecycle, membership, uses
from segments.errors import (
    ActionFinished,
    ActionUnknown,
    SegmentArchived,
    SegmentExpired,
    SegmentInactive,
    SegmentUnknown,
)
from segments.models import Export, Membership, Segment, SegmentAction, SegmentActionRun
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    do_work,
    make_contacts,
    make_segment,
    refresh,
    run_actions,
)
from workspace import roles
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import InputInvalid, NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


@pytest.fixture
def vip() -> Tag:
    return Tag.objects.create(key="vip", label="VIP")


@pytest.fixture
def newsletter() -> ConsentDefinition:
    return ConsentDefinition.objects.create(key="newsletter", label="Newsletter")


@pytest.fixture
def poles() -> Segment:
    """Three people in Warszawa, calculated; a fourth one lives in Paris."""
    make_contacts("Warszawa", "Warszawa", "Warszawa", "Paris")
    segment = make_segment(readiness_hours=24)
    refresh(segment)
    return segment


def _plan(segment: Segment, kind: str = "add_tag", key: str = "vip", **given: Any) -> SegmentAction:
    given.setdefault("actor", SYSTEM)
    given.setdefault("at", NOW)
    return actions.plan_action(segment, kind=kind, key=key, **given)


def _person(name: str, *permissions: str, groups: tuple[Group, ...] = ()) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.set(groups)
    codenames = [permission.split(".")[1] for permission in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def _tagged(tag: Tag) -> set[int]:
    return set(ContactTag.objects.filter(tag=tag).values_list("contact_id", flat=True))


def _members(segment: Segment) -> set[int]:
    found = Membership.objects.filter(segment=segment)
    return set(found.values_list("contact_id", flat=True))


def _run_of(action: SegmentAction) -> SegmentActionRun:
    return action.runs.get()


def _say(contact_id: int, key: str, state: str, at: Any = NOW - DAY, source: str = "form") -> None:
    consents.record(contact_id=contact_id, key=key, state=state, at=at, source=source, actor=SYSTEM)


def _states(definition: ConsentDefinition) -> dict[int, str]:
    found = ConsentState.objects.filter(definition=definition)
    return dict(found.values_list("contact_id", "state"))


# --- When ----------------------------------------------------------------------------------------


def test_an_action_on_a_ready_segment_runs_at_once(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    assert action.state == "running"
    do_work()
    action.refresh_from_db()
    assert action.state == "done"
    assert _tagged(vip) == _members(poles)
    run = _run_of(action)
    assert (run.member_count, run.changed_count, run.unchanged_count) == (3, 3, 0)


def test_an_action_on_a_segment_in_preparation_waits_and_runs_when_it_is_ready(vip: Tag) -> None:
    ids = make_contacts("Warszawa", "Paris")
    segment = make_segment()
    action = _plan(segment)
    assert action.state == "planned"
    assert run_actions() == []
    refresh(segment)
    assert run_actions(as_of=NOW) == [action]
    action.refresh_from_db()
    assert action.state == "done"
    assert _tagged(vip) == {ids[0]}


def test_while_it_is_calculated_anew_an_action_waits_for_the_new_members(
    poles: Segment, vip: Tag
) -> None:
    membership.queue_refresh(poles, actor=SYSTEM, cause="test", at=NOW)
    action = _plan(poles)
    assert action.state == "planned"
    newcomer, *_others = make_contacts("Warszawa")
    refresh(poles)
    run_actions()
    assert newcomer in _tagged(vip)


def test_an_action_at_a_time_runs_then_and_not_before(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + HOUR)
    assert run_actions(as_of=NOW + HOUR - SECOND) == []
    assert run_actions(as_of=NOW + HOUR) == [action]
    action.refresh_from_db()
    assert action.state == "done"
    assert run_actions(as_of=NOW + 2 * HOUR) == [], "it is done"


def test_an_action_after_each_refresh_runs_once_after_each(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when="after_refresh")
    assert run_actions() == [], "no refresh since it was planned"
    for day in (1, 2):
        make_contacts("Warszawa")
        refresh(poles, as_of=NOW + day * HOUR)
        assert run_actions(as_of=NOW + day * HOUR) == [action]
        assert run_actions(as_of=NOW + day * HOUR) == [], "it ran already"
    action.refresh_from_db()
    assert action.state == "planned"
    counts = action.runs.order_by("pk").values_list("changed_count", "unchanged_count")
    assert list(counts) == [(4, 0), (1, 4)]
    assert _tagged(vip) == _members(poles)


def test_after_several_missed_calculations_it_runs_once(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when="after_refresh")
    refresh(poles, as_of=NOW + HOUR)
    refresh(poles, as_of=NOW + 2 * HOUR)
    run_actions(as_of=NOW + 2 * HOUR)
    assert run_actions(as_of=NOW + 2 * HOUR) == []
    assert action.runs.count() == 1


def test_the_end_of_a_refresh_begins_what_waits_for_it(
    vip: Tag, django_capture_on_commit_callbacks: Any
) -> None:
    segment = make_segment()
    action = _plan(segment)
    with django_capture_on_commit_callbacks(execute=True):
        refresh(segment)
    action.refresh_from_db()
    assert action.state == "running"


# --- Refused -------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_refused_with_the_reason(poles: Segment, vip: Tag) -> None:
    with pytest.raises(SegmentExpired):
        _plan(poles, at=NOW + DAY)
    lifecycle.inactivate(poles, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentInactive):
        _plan(poles)
    lifecycle.archive(poles, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentArchived):
        _plan(poles)
    assert not SegmentAction.objects.exists()


def test_an_action_whose_segment_expires_before_its_time_is_refused(
    poles: Segment, vip: Tag
) -> None:
    action = _plan(poles, when=NOW + DAY)
    assert run_actions(as_of=NOW + DAY) == [action]
    action.refresh_from_db()
    assert action.state == "refused"
    assert "expired" in action.reason
    assert _tagged(vip) == set()


def test_at_the_last_moment_of_readiness_it_runs(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + DAY - SECOND)
    action_runs.run_due(as_of=NOW + DAY - SECOND)
    assert _run_of(action).state == "running"


def test_a_run_that_a_worker_takes_up_too_late_is_refused(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    do_work(at=NOW + 2 * DAY)
    action.refresh_from_db()
    assert (action.state, _run_of(action).state) == ("refused", "refused")
    assert "expired" in action.reason
    assert _tagged(vip) == set()


def test_a_refresh_gives_an_action_after_each_refresh_a_new_chance(
    poles: Segment, vip: Tag
) -> None:
    action = _plan(poles, when="after_refresh")
    refresh(poles, as_of=NOW + HOUR)
    assert run_actions(as_of=NOW + 3 * DAY) == [], "too late for that calculation"
    refresh(poles, as_of=NOW + 3 * DAY)
    assert run_actions(as_of=NOW + 3 * DAY) == [action]
    action.refresh_from_db()
    assert action.state == "planned"


@pytest.mark.parametrize("when", ["after_refresh", NOW + HOUR])
def test_what_is_planned_is_refused_when_the_segment_goes_out_of_use(
    poles: Segment, vip: Tag, when: Any
) -> None:
    action = _plan(poles, when=when)
    lifecycle.inactivate(poles, actor=SYSTEM, at=NOW)
    action.refresh_from_db()
    assert (action.state, action.reason) == ("refused", "The segment was set inactive.")
    lifecycle.activate(poles, actor=SYSTEM, at=NOW)
    refresh(poles, as_of=NOW + HOUR)
    assert run_actions(as_of=NOW + 2 * HOUR) == []


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"kind": "send_mail"}, "kind", "invalid_choice"),
        ({"key": "unheard-of"}, "key", "unknown_key"),
        ({"key": ""}, "key", "required"),
        ({"kind": "add_category", "key": "vip"}, "key", "unknown_key"),
        ({"kind": "add_consent", "key": "vip"}, "key", "unknown_key"),
        ({"kind": "export", "key": "vip"}, "key", "not_applicable"),
        ({"when": "tomorrow"}, "when", "invalid_choice"),
        ({"when": NOW - HOUR}, "when", "in_the_past"),
        ({"reason": "why not"}, "reason", "not_applicable"),
        ({"export": {"format": "csv"}}, "export", "not_applicable"),
        (
            {"kind": "export", "key": "", "export": {"format": "pdf"}},
            "export.format",
            "invalid_choice",
        ),
    ],
)
def test_faults_are_told_by_their_place(
    poles: Segment, vip: Tag, given: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        _plan(poles, **given)
    assert [(fault.path, fault.code) for fault in refused.value.problems] == [(path, code)]


def test_nobody_plans_without_the_permission(poles: Segment, vip: Tag) -> None:
    nobody = actor_of_user(_person("nobody", "segments.view_segment"))
    with pytest.raises(NotAllowed):
        _plan(poles, actor=nobody)
    runner = actor_of_user(_person("runner", "segments.run_actions_segment"))
    assert _plan(poles, actor=runner).author == "runner"
    with pytest.raises(NotAllowed, match="export_segment"):
        _plan(poles, "export", "", actor=runner)


@pytest.mark.parametrize(
    ("role", "may"),
    [("marketer", True), ("loyalty_manager", True), ("analyst", False), ("integrator", False)],
)
def test_roles_come_with_the_permission_or_without(role: str, may: bool) -> None:
    granted = roles.group_of(roles.ROLES[role]).permissions.filter(codename="run_actions_segment")
    assert granted.exists() is may


def test_to_people_of_other_groups_the_segment_does_not_exist(vip: Tag) -> None:
    group = Group.objects.create(name="Poland")
    segment = make_segment(groups=["Poland"])
    other = actor_of_user(_person("other", "segments.run_actions_segment"))
    with pytest.raises(SegmentUnknown):
        _plan(segment, actor=other)
    insider = _person("insider", "segments.run_actions_segment", groups=(group,))
    action = _plan(segment, actor=actor_of_user(insider))
    assert list(actions.known_actions(other)) == []
    assert list(actions.known_actions(actor_of_user(insider))) == [action]


@pytest.mark.parametrize("loss", ["permission", "group", "account", "person"])
def test_who_planned_it_must_still_be_allowed_when_it_runs(vip: Tag, loss: str) -> None:
    group = Group.objects.create(name="Poland")
    person = _person("ania", "segments.run_actions_segment", groups=(group,))
    make_contacts("Warszawa")
    segment = make_segment(groups=["Poland"])
    refresh(segment)
    late = _plan(segment, actor=actor_of_user(person), when=NOW + HOUR)
    begun = _plan(segment, actor=actor_of_user(person))
    if loss == "permission":
        person.user_permissions.clear()
    elif loss == "group":
        person.groups.clear()
    elif loss == "account":
        User.objects.filter(pk=person.pk).update(is_active=False)
    else:
        person.delete()
    do_work()
    run_actions(as_of=NOW + HOUR)
    for action in (late, begun):
        action.refresh_from_db()
        assert action.state == "refused"
        assert action.reason.startswith("ania")
    assert _tagged(vip) == set()


def test_a_definition_that_a_planned_action_names_is_not_deleted(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + HOUR)
    with pytest.raises(DefinitionInUse, match="Poles"):
        definitions.delete_definition(definitions.Kind.TAG, "vip", actor=SYSTEM, at=NOW)
    actions.cancel_action(action, actor=SYSTEM, at=NOW)
    definitions.delete_definition(definitions.Kind.TAG, "vip", actor=SYSTEM, at=NOW)


def test_whoever_deletes_a_definition_is_not_told_of_segments_that_are_not_his(vip: Tag) -> None:
    Group.objects.create(name="Poland")
    segment = make_segment(groups=["Poland"])
    _plan(segment)
    other = actor_of_user(_person("other", "contacts.delete_tag"))
    with pytest.raises(DefinitionInUse) as refused:
        definitions.delete_definition(definitions.Kind.TAG, "vip", actor=other, at=NOW)
    assert "Poles" not in str(refused.value)


def test_a_definition_that_is_gone_refuses_the_run(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    vip.delete()
    do_work()
    action.refresh_from_db()
    assert action.state == "refused"
    assert "vip" in action.reason


def test_a_new_tag_is_made_on_the_way_by_who_may(poles: Segment) -> None:
    runner = actor_of_user(_person("runner", "segments.run_actions_segment"))
    with pytest.raises(NotAllowed):
        _plan(poles, key="big-spender", define=True, actor=runner)
    assert not Tag.objects.exists()
    _plan(poles, key="big-spender", define=True)
    assert Tag.objects.get().label == "Big spender"


# --- Cancelled -----------------------------------------------------------------------------------


def test_a_planned_action_that_is_cancelled_never_runs(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + HOUR)
    actions.cancel_action(action, actor=SYSTEM, at=NOW)
    assert run_actions(as_of=NOW + HOUR) == []
    with pytest.raises(ActionFinished):
        actions.cancel_action(action, actor=SYSTEM, at=NOW)


def test_a_run_that_waits_for_a_worker_is_cancelled_at_once(poles: Segment, vip: Tag) -> None:
    action = actions.cancel_action(_plan(poles), actor=SYSTEM, at=NOW)
    assert (action.state, _run_of(action).state) == ("cancelled", "cancelled")
    do_work()
    assert _tagged(vip) == set()


def test_an_action_of_another_segment_is_not_found(poles: Segment, vip: Tag) -> None:
    other = make_segment("other")
    action = _plan(other)
    with pytest.raises(ActionUnknown):
        actions.find_action(poles, action.pk)
    assert actions.find_action(other, action.pk) == action


# --- What is written -----------------------------------------------------------------------------


def test_each_of_the_seven_actions_does_what_it_says(
    poles: Segment, vip: Tag, newsletter: ConsentDefinition
) -> None:
    fashion = Category.objects.create(key="fashion", label="Fashion")
    members = _members(poles)
    outsider = Contact.objects.get(city="Paris")
    ContactTag.objects.create(contact=outsider, tag=vip)
    for kind, key in [("add_tag", "vip"), ("add_category", "fashion")]:
        _plan(poles, kind, key)
    _plan(poles, "add_consent", "newsletter", reason="They signed at the fair.")
    do_work()
    assert _tagged(vip) == members | {outsider.pk}
    assert set(ContactCategory.objects.values_list("contact_id", flat=True)) == members
    assert _states(newsletter) == dict.fromkeys(members, "granted")
    line = ConsentEntry.objects.filter(contact_id=min(members)).get()
    assert (line.reason, line.source, line.actor) == (
        "They signed at the fair.",
        "segment_action",
        "system",
    )
    for kind, key in [
        ("remove_tag", "vip"),
        ("remove_category", "fashion"),
        ("remove_consent", "newsletter"),
    ]:
        _plan(poles, kind, key)
    do_work()
    assert _tagged(vip) == {outsider.pk}
    assert not ContactCategory.objects.filter(category=fashion).exists()
    assert _states(newsletter) == dict.fromkeys(members, "withdrawn")


def test_an_export_writes_a_file_and_is_done_when_it_is_written(poles: Segment) -> None:
    action = _plan(poles, "export", "", export={"columns": ["id", "city"], "format": "jsonl"})
    assert action.state == "running"
    export = Export.objects.get()
    assert (export.columns, export.format, export.segment_id) == (
        ["id", "city"],
        "jsonl",
        poles.pk,
    )
    do_work()
    action.refresh_from_db()
    run = _run_of(action)
    assert (action.state, run.changed_count, run.export_id) == ("done", 3, export.pk)


def test_an_export_that_may_be_made_no_more_is_refused(poles: Segment) -> None:
    person = _person("ania", "segments.run_actions_segment", "segments.export_segment")
    action = _plan(poles, "export", "", actor=actor_of_user(person))
    person.user_permissions.clear()
    do_work()
    action.refresh_from_db()
    assert (action.state, _run_of(action).state) == ("refused", "refused")
    assert "export_segment" in action.reason


def test_erased_contacts_are_passed_over(poles: Segment, vip: Tag) -> None:
    action = _plan(poles)
    erased = min(_members(poles))
    # Left in the segment by hand: an erasure takes it out.
    Contact.objects.filter(pk=erased).update(erased_at=NOW)
    do_work()
    run = _run_of(action)
    assert (run.member_count, run.changed_count, run.skipped) == (3, 2, {"erased": 1})
    assert erased not in _tagged(vip)


def test_the_kinds_of_several_segments_are_told_at_once(
    poles: Segment, vip: Tag, django_assert_num_queries: Any
) -> None:
    other = make_segment("other")
    _plan(poles)
    _plan(poles, "export", "")
    _plan(poles, when=NOW + HOUR)
    actions.cancel_action(_plan(poles, "remove_tag", when=NOW + HOUR), actor=SYSTEM, at=NOW)
    with django_assert_num_queries(1):
        kinds = actions.kinds_by_segment([poles.pk, other.pk])
    assert kinds == {poles.pk: ["add_tag", "export"], other.pk: []}


def test_the_trail_tells_of_plan_run_and_cancel(poles: Segment, vip: Tag) -> None:
    _plan(poles)
    do_work()
    actions.cancel_action(_plan(poles, when=NOW + HOUR), actor=SYSTEM, at=NOW)
    told = AuditEntry.objects.filter(action__startswith="segment.action").order_by("pk")
    assert [entry.action for entry in told] == [
        "segment.action_planned",
        "segment.action_run",
        "segment.action_planned",
        "segment.action_cancelled",
    ]
    assert told[1].changes["changed_count"] == [None, 3]


def test_planned_actions_are_uses_of_the_segment(poles: Segment, vip: Tag) -> None:
    action = _plan(poles, when=NOW + HOUR)
    found = [use for use in uses.uses_of(poles, actor=SYSTEM) if use.kind == "action"]
    assert [(use.name, use.key) for use in found] == [("Add tag vip", str(action.pk))]
    actions.cancel_action(action, actor=SYSTEM, at=NOW)
    assert not [use for use in uses.uses_of(poles, actor=SYSTEM) if use.kind == "action"]


def test_a_copy_has_no_actions(poles: Segment, vip: Tag) -> None:
    _plan(poles, when="after_refresh")
    copy = lifecycle.copy_segment(poles, actor=SYSTEM, at=NOW)
    assert not copy.actions.exists()


# --- Consents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["preference_center", "unsubscribe_link", "import", "admin"])
def test_a_withdrawal_of_the_contacts_own_is_never_overruled(
    poles: Segment, newsletter: ConsentDefinition, source: str
) -> None:
    early, late, silent = sorted(_members(poles))
    _say(early, "newsletter", "withdrawn", NOW - DAY, source)
    action = _plan(poles, "add_consent", "newsletter", when=NOW + HOUR)
    _say(late, "newsletter", "granted", NOW - DAY, source)
    _say(late, "newsletter", "withdrawn", NOW + HOUR / 2, source)
    run_actions(as_of=NOW + HOUR)
    assert _states(newsletter) == {early: "withdrawn", late: "withdrawn", silent: "granted"}
    run = _run_of(action)
    assert (run.changed_count, run.skipped) == (1, {"withdrawn": 2})


def test_what_an_action_withdrew_an_action_may_grant_again(
    poles: Segment, newsletter: ConsentDefinition
) -> None:
    mine, own, after = sorted(_members(poles))
    for contact_id in (mine, own, after):
        _say(contact_id, "newsletter", "granted")
    _say(own, "newsletter", "withdrawn", NOW - HOUR)
    _plan(poles, "remove_consent", "newsletter")
    do_work()
    _say(after, "newsletter", "withdrawn", NOW + HOUR)
    _plan(poles, "add_consent", "newsletter", at=NOW + 2 * HOUR)
    do_work(at=NOW + 2 * HOUR)
    assert _states(newsletter) == {mine: "granted", own: "withdrawn", after: "withdrawn"}


def test_a_withdrawal_that_arrives_late_stands_against_the_next_action(
    poles: Segment, newsletter: ConsentDefinition
) -> None:
    ania = min(_members(poles))
    _say(ania, "newsletter", "granted", NOW - DAY)
    _plan(poles, "remove_consent", "newsletter")
    do_work()
    _say(ania, "newsletter", "withdrawn", NOW - HOUR, "import")
    _plan(poles, "add_consent", "newsletter", at=NOW + HOUR)
    do_work()
    assert _states(newsletter)[ania] == "withdrawn"


def test_who_never_granted_is_not_said_to_have_withdrawn(
    poles: Segment, newsletter: ConsentDefinition
) -> None:
    action = _plan(poles, "remove_consent", "newsletter")
    do_work()
    assert _states(newsletter) == {}
    assert (_run_of(action).changed_count, _run_of(action).unchanged_count) == (0, 3)


def test_lines_of_the_ledger_that_are_newer_than_the_run_stand(
    poles: Segment, newsletter: ConsentDefinition
) -> None:
    ania = min(_members(poles))
    action = _plan(poles, "remove_consent", "newsletter")
    _say(ania, "newsletter", "granted", NOW + HOUR)
    do_work()
    assert _states(newsletter) == {ania: "granted"}
    assert _run_of(action).skipped == {"newer": 1}


def test_a_consent_action_without_a_reason_names_itself_and_not_the_segment(
    poles: Segment, newsletter: ConsentDefinition
) -> None:
    action = _plan(poles, "add_consent", "newsletter", reason="  ")
    do_work()
    reasons = set(ConsentEntry.objects.values_list("reason", flat=True))
    assert reasons == {f"Action {action.pk} on the members of a segment."}


_LINES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["granted", "withdrawn"]),
        st.sampled_from([-2, -1, 0, 1]),
        st.sampled_from(["form", "segment_action"]),
    ),
    max_size=8,
)


class AgainstTheOracle(TestCase):
    """Sets in Python against the statements, whatever was said before."""

    @settings(max_examples=12, deadline=None)
    @given(
        lines=_LINES,
        kind=st.sampled_from(["add_consent", "remove_consent"]),
        inside=st.sets(st.integers(0, 3)),
    )
    def test_consents_agree(self, lines: Any, kind: str, inside: set[int]) -> None:
        ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
        people = make_contacts(*("Warszawa" if n in inside else "Paris" for n in range(4)))
        segment = make_segment()
        refresh(segment)
        for who, state, hours, source in lines:
            _say(people[who], "newsletter", state, NOW + hours * HOUR, source)
        before = {c: list(_ledger(c)) for c in people}
        action = _plan(segment, kind, "newsletter")
        do_work()
        verdicts = [_oracle(before[people[n]], kind) for n in sorted(inside)]
        for n in range(4):
            added = [line[1] for line in _ledger(people[n])][len(before[people[n]]) :]
            is_changed = n in inside and _oracle(before[people[n]], kind) == "changed"
            assert added == (["granted" if kind == "add_consent" else "withdrawn"] * is_changed)
        run = _run_of(action)
        assert run.changed_count == verdicts.count("changed")
        assert run.unchanged_count == verdicts.count("unchanged")
        skipped = {name: verdicts.count(name) for name in ("withdrawn", "newer")}
        assert run.skipped == {name: count for name, count in skipped.items() if count}

    @settings(max_examples=8, deadline=None)
    @given(
        inside=st.sets(st.integers(0, 5)),
        having=st.sets(st.integers(0, 5)),
        gone=st.sets(st.integers(0, 5)),
        kind=st.sampled_from(["add_tag", "remove_tag"]),
    )
    def test_tags_agree_and_undo_gives_back(
        self, inside: set[int], having: set[int], gone: set[int], kind: str
    ) -> None:
        tag = Tag.objects.create(key="vip", label="VIP")
        people = make_contacts(*("Warszawa" if n in inside else "Paris" for n in range(6)))
        ContactTag.objects.bulk_create(
            ContactTag(contact_id=people[n], tag=tag, added_at=NOW - DAY) for n in sorted(having)
        )
        segment = make_segment()
        refresh(segment)
        action = _plan(segment, kind)
        do_work()
        expected = having | inside if kind == "add_tag" else having - inside
        assert _tagged(tag) == {people[n] for n in expected}
        run = _run_of(action)
        assert run.changed_count == len(expected ^ having)
        ContactTag.objects.filter(tag=tag, contact_id__in=[people[n] for n in gone]).delete()
        if run.changes_kept:
            action_undo.request_undo(run, actor=SYSTEM, at=NOW)
            do_work()
        after = (
            (expected - gone) - (inside - having)
            if kind == "add_tag"
            else ((expected - gone) | (having & inside))
        )
        assert _tagged(tag) == {people[n] for n in after}


def _ledger(contact_id: int) -> list[tuple[Any, str, str]]:
    lines = ConsentEntry.objects.filter(contact_id=contact_id).order_by("id")
    return list(lines.values_list("at", "state", "source"))


def _oracle(ledger: list[tuple[Any, str, str]], kind: str) -> str:
    """What the rule says of one contact, from the lines in the order in which they were written."""
    by_time = sorted(range(len(ledger)), key=lambda n: (ledger[n][0], n))
    lines = [ledger[n] for n in by_time]
    state = lines[-1][1] if lines else "unknown"
    if state in ({"granted"} if kind == "add_consent" else {"unknown", "withdrawn"}):
        return "unchanged"
    if lines and lines[-1][0] > NOW:
        return "newer"
    if state == "withdrawn":
        since_grant: list[tuple[Any, str, str]] = []
        for line in lines:
            since_grant = [] if line[1] == "granted" else [*since_grant, line]
        if any(line[2] != "segment_action" for line in since_grant):
            return "withdrawn"
    return "changed"
