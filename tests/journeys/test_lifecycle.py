"""The life of a journey: drafts, publishing, versions, pausing, closing, stopping; who may what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError

from contacts import definitions, event_uses
from contacts.definitions import Kind
from contacts.errors import DefinitionInUse
from contacts.models import EventDefinition
from integrations import templates
from integrations.errors import TemplateInUse
from integrations.models import Connection, Delivery, Template
from journeys import checking, journeys, publishing
from journeys.errors import (
    DraftChanged,
    DrawingInvalid,
    JourneyInvalid,
    JourneyUnknown,
    TooManyLive,
    WrongState,
)
from journeys.hiding import Hiding
from journeys.models import Journey, JourneyVersion, Lane, Message
from segments import lifecycle, uses
from segments.errors import SegmentInactive
from segments.models import Segment
from tests.factories import NOW, make_contact, make_tag
from tests.journeys.drawings import DAY, french, in_a_row, node
from tests.journeys.drawn import happens
from tests.journeys.workspace import furnish, make_journey, publish, put_in
from tests.segments.factories import is_in, lives_in, make_segment
from workspace import sql
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User, UserGroup
from workspace.user_groups import lacking

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
WAIT = node("wait", "wait", duration=DAY)


@pytest.fixture(autouse=True)
def south() -> Segment:
    """The segment of the use case; with it the rest of the workspace."""
    return furnish()


def person(*permissions: str, group: str = "") -> Actor:
    """A member of the staff with these permissions of journeys, all of them where none is named."""
    user = User.objects.create_user(f"person{User.objects.count()}", is_staff=True)
    found = Permission.objects.filter(content_type__app_label="journeys")
    if permissions:
        found = found.filter(codename__in=permissions)
    user.user_permissions.set(found)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return actor_of_user(User.objects.get(pk=user.pk))


def codes(journey: Journey, actor: Actor = SYSTEM) -> set[tuple[str, str, str]]:
    """The faults that stand against publishing."""
    found = checking.faults_of(journey, actor=actor, at=NOW)
    return {(one.node, one.path, one.code) for one in found if one.is_error}


def trail(journey: Journey) -> list[str]:
    found = AuditEntry.objects.filter(object_id=str(journey.pk), action__startswith="journey.")
    return [entry.action.partition(".")[2] for entry in found.order_by("pk")]


# --- Drafts --------------------------------------------------------------------------------------


def test_a_draft_gets_a_key_of_its_name() -> None:
    assert make_journey(name="Welcome you").key == "welcome-you"
    assert make_journey(name="Welcome you").key == "welcome-you-2"
    assert make_journey(name="x", key="mine").key == "mine"


def test_a_journey_needs_a_name_and_a_free_key() -> None:
    make_journey(key="taken")
    with pytest.raises(JourneyInvalid) as refused:
        make_journey(name=" ", key="taken")
    assert {one.path for one in refused.value.problems} == {"key", "name"}


def test_a_draft_may_be_wrong_anywhere() -> None:
    wrong = {"nodes": [3, {"id": "x"}], "edges": "none", "more": {"x": [None]}}
    journey = make_journey(wrong, settings={"timeout": "long", "goal": 7})
    journey.refresh_from_db()
    assert journey.drawing == wrong
    assert codes(journey) >= {("", "timeout", "bad_duration"), ("", "edges", "wrong_type")}


@pytest.mark.parametrize(
    "drawing",
    [
        "text",
        {"nodes": [{"id": "a\0b"}]},
        {"nodes": [{"label": "\ud800"}]},
        {"\0": 1},
        {"x": float("nan")},
        {"x": 10**400},
        {"nodes": ["x" * 5_000_000]},
    ],
)
def test_what_cannot_be_kept_is_refused(drawing: Any) -> None:
    with pytest.raises(JourneyInvalid) as refused:
        make_journey(drawing)
    assert {one.path for one in refused.value.problems} == {"drawing"}


def test_what_nests_too_deeply_is_refused() -> None:
    deep: Any = {}
    for _level in range(2000):
        deep = {"nodes": [deep]}
    journey = make_journey()
    with pytest.raises(JourneyInvalid):
        journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=deep)


def test_settings_change_one_by_one() -> None:
    journey = make_journey(settings={"timeout": DAY, "time_zone": "UTC"})
    changed = journeys.update_draft(
        journey, actor=SYSTEM, at=NOW, settings={"timeout": None, "delivery": "at_most_once"}
    )
    assert changed.settings == {"time_zone": "UTC", "delivery": "at_most_once"}


def test_there_is_no_setting_of_another_name() -> None:
    with pytest.raises(JourneyInvalid) as refused:
        journeys.update_draft(make_journey(), actor=SYSTEM, at=NOW, settings={"colour": 1})
    assert [one.path for one in refused.value.problems] == ["colour"]


def test_who_saves_an_older_draft_is_told_who_changed_it() -> None:
    journey = make_journey()
    author = person()
    journeys.update_draft(
        journey, actor=author, at=LATER, draft_number=1, drawing=in_a_row(WAIT), name="Other"
    )
    with pytest.raises(DraftChanged, match=author.label):
        journeys.update_draft(journey, actor=SYSTEM, at=LATER, draft_number=1, name="Mine")
    journey.refresh_from_db()
    assert (journey.name, journey.draft_number) == ("Other", 2)


def test_what_changes_nothing_leaves_no_trace() -> None:
    journey = make_journey()
    same = journeys.update_draft(journey, actor=SYSTEM, at=LATER, drawing=french(), name="Use case")
    assert same.draft_number == 1
    assert trail(journey) == ["created"]


def test_the_trail_tells_of_changes_without_what_they_name() -> None:
    journey = make_journey()
    journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=in_a_row(WAIT))
    changes = AuditEntry.objects.get(action="journey.changed").changes
    assert changes["draft_number"] == [1, 2]
    assert changes["activities"][1] == ["wait (wait)"]
    assert "south" not in str(changes)


def test_a_copy_is_a_draft_of_its_own() -> None:
    journey = make_journey(settings={"timeout": DAY}, description="Words")
    publish(journey)
    copy = journeys.copy_journey(journey, actor=SYSTEM, at=LATER)
    assert (copy.name, copy.key, copy.state) == ("Use case_copy", "use-case-copy", "draft")
    assert (copy.drawing, copy.settings) == (journey.drawing, journey.settings)
    assert copy.description == "Words"


def test_only_what_was_never_published_is_deleted() -> None:
    draft, live = make_journey(), make_journey()
    publish(live)
    journeys.delete_journey(draft, actor=SYSTEM, at=NOW)
    with pytest.raises(WrongState, match="was published"):
        journeys.delete_journey(live, actor=SYSTEM, at=NOW)
    assert list(Journey.objects.all()) == [live]


def test_a_draft_stays_while_it_is_tested() -> None:
    journey = make_journey()
    JourneyVersion.objects.create(
        journey=journey, lane=Lane.TEST, number=1, drawing={}, published_at=NOW
    )
    with pytest.raises(WrongState, match="tested"):
        journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=in_a_row(WAIT))
    with pytest.raises(WrongState, match="tested"):
        journeys.delete_journey(journey, actor=SYSTEM, at=NOW)
    assert journeys.update_draft(journey, actor=SYSTEM, at=NOW, name="Other").name == "Other"


# --- Publishing ----------------------------------------------------------------------------------


def test_publishing_makes_a_version_that_never_changes() -> None:
    journey = make_journey(settings={"re_entry": "never"})
    version = publish(journey)
    assert (version.number, version.is_open, version.read_at) == (1, True, NOW)
    assert version.places == [
        ["first"], ["push_opened", "email_opened"], ["follow_up"], ["bought"], ["thanks"],
    ]  # fmt: skip
    journey.refresh_from_db()
    assert (journey.state, journey.state_changed_at) == ("live", NOW)
    version.drawing = {}
    with pytest.raises(IntegrityError, match="never changes"):
        version.save()


def test_faults_stand_against_publishing_all_at_once() -> None:
    document = french()
    document["nodes"][0]["config"]["segment"] = "nowhere"
    document["nodes"][4]["config"] = {}
    journey = make_journey(document, settings={"timeout": 3})
    with pytest.raises(DrawingInvalid, match="3 faults") as refused:
        publish(journey)
    assert {one.path for one in refused.value.problems} == {
        "timeout", "start.config.segment", "follow_up.config.email",
    }  # fmt: skip
    assert not JourneyVersion.objects.exists()


def test_warnings_do_not() -> None:
    document = french()
    del document["nodes"][1]["config"]["purpose"]
    journey = make_journey(document)
    found = checking.faults_of(journey, actor=SYSTEM, at=NOW)
    assert [(one.code, one.severity) for one in found] == [("no_purpose", "warning")]
    assert publish(journey).number == 1


def test_the_next_version_closes_the_one_before() -> None:
    journey = make_journey()
    first = publish(journey)
    changed = french()
    changed["nodes"][5]["config"]["event"] = "visited"
    journeys.update_draft(journey, actor=SYSTEM, at=LATER, drawing=changed)
    second = publish(journey, at=LATER)
    first.refresh_from_db()
    assert (first.is_open, first.closed_at, first.ended_at) == (False, LATER, None)
    assert (second.number, second.is_open) == (2, True)
    happens("visited", make_contact().pk, at=LATER, follow=False)
    assert sql.one("SELECT count(*) FROM contacts_eventnote WHERE watcher = 'journeys'") == 1


def test_all_versions_begin_alike() -> None:
    journey = make_journey()
    publish(journey)
    other = in_a_row(node("start", "event_entry", event="visited"), WAIT)
    journey = journeys.update_draft(
        journey, actor=SYSTEM, at=NOW, drawing=other, settings={"re_entry": "never"}
    )
    assert codes(journey) == {
        ("start", "kind", "entry_changed"),
        ("", "re_entry", "re_entry_changed"),
    }
    with pytest.raises(DrawingInvalid):
        publish(journey)


def test_who_enters_a_segment_enters_the_same_in_all_versions() -> None:
    make_segment("north")
    entry = node("start", "segment_entry", segment="south", on="entered")
    journey = make_journey(in_a_row(entry, WAIT))
    publish(journey)
    entry["config"]["segment"] = "north"
    journey = journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=in_a_row(entry, WAIT))
    assert codes(journey) == {("start", "config.segment", "entry_changed")}


def test_who_reads_what_is_new_has_one_version() -> None:
    entry = node("start", "read_segment", segment="south", only_new=True, schedule={"every": DAY})
    journey = make_journey(in_a_row(entry, WAIT))
    publish(journey)
    assert codes(journey) == {("start", "kind", "no_new_version")}


@pytest.mark.parametrize(
    ("schedule", "given_settings", "read_at"),
    [
        ({"every": DAY}, {}, NOW),
        ({"at": "2026-03-09T09:00:00+01:00"}, {}, datetime(2026, 3, 9, 8, tzinfo=UTC)),
        (
            {"at": "2026-03-09T09:00"},
            {"time_zone": "Europe/Warsaw"},
            datetime(2026, 3, 9, 8, tzinfo=UTC),
        ),
        ({"at": "2020-01-01T00:00:00Z"}, {}, NOW),
        (
            {"every": DAY},
            {"starts_at": "2026-04-01T00:00:00+00:00"},
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
    ],
)
def test_segments_are_read_when_it_is_said(
    schedule: Any, given_settings: Any, read_at: datetime
) -> None:
    entry = node("start", "read_segment", segment="south", schedule=schedule)
    assert publish(make_journey(in_a_row(entry, WAIT), settings=given_settings)).read_at == read_at


def test_what_is_over_is_not_published() -> None:
    journey = make_journey(settings={"ends_at": "2026-03-01T00:00:00Z"})
    assert codes(journey) == {("", "ends_at", "over")}


def test_who_draws_a_path_whose_last_day_is_over_is_warned() -> None:
    # NOW is the noon of the 2nd of March: on the last islands the 1st ends at that instant.
    ends = ["2026-02-28", "2026-03-01", "2026-03-02", "soon"]
    paths = [{"name": end, "date": {"to": end}} for end in ends]
    which = node("which", "condition", paths=[*paths, 7, {"date": []}])
    journey = make_journey(in_a_row(node("start", "event_entry", event="visited"), which))
    for at, expected in ((NOW - timedelta(seconds=1), {0}), (NOW, {0, 1})):
        found = checking.faults_of(journey, actor=SYSTEM, at=at)
        over = {(one.node, one.path) for one in found if one.code == "over" and not one.is_error}
        assert over == {("which", f"config.paths[{number}].date.to") for number in expected}


def test_at_most_so_many_are_live(settings: Any) -> None:
    settings.JOURNEYS_LIVE_LIMIT = 2
    first, second, third = (make_journey() for _number in range(3))
    publish(first)
    publishing.pause(publish(second).journey, actor=SYSTEM, at=NOW)
    with pytest.raises(TooManyLive, match="2 journeys are live"):
        publish(third)
    assert publish(first).number == 2
    publishing.close(first, actor=SYSTEM, at=NOW)
    assert publish(third).number == 1


def test_the_published_draft_is_the_one_that_was_seen() -> None:
    journey = make_journey()
    journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=in_a_row(WAIT))
    with pytest.raises(DraftChanged):
        publish(journey, draft_number=1)


def test_segments_in_conditions_have_to_be_in_use() -> None:
    asleep = make_segment("asleep")
    lifecycle.inactivate(asleep, actor=SYSTEM, at=NOW)
    condition = node("if", "condition", paths=[{"name": "a", "criteria": is_in("asleep")}])
    start = node("start", "read_segment", segment="south")
    with pytest.raises((SegmentInactive, DrawingInvalid)):
        publish(make_journey(in_a_row(start, condition)))


def test_criteria_are_checked_with_the_fields_of_the_workspace() -> None:
    wrong = {
        "combinator": "and",
        "rules": [{"field": "attribute.none", "operator": "=", "value": 1}],
    }
    condition = node("if", "condition", paths=[{"name": "a", "criteria": wrong}])
    where = {"combinator": "and", "rules": [{"field": "contact.city", "operator": "=", "value": 1}]}
    start = node("start", "event_entry", event="visited", where=where)
    journey = make_journey(in_a_row(start, condition), settings={"exit": {"criteria": wrong}})
    assert codes(journey) == {
        ("", "exit.criteria", "criteria"),
        ("start", "config.where", "criteria"),
        ("if", "config.paths[0].criteria", "criteria"),
    }


def test_publishing_is_announced_and_written_down() -> None:
    Connection.objects.create(
        kind="webhook",
        name="Shop",
        event_types=["journey.published"],
        settings={"url": "https://a.b"},
    )
    journey = make_journey()
    publish(journey)
    delivery = Delivery.objects.get()
    assert delivery.payload["data"]["journey"] == {"id": journey.key, "name": "Use case"}
    assert delivery.payload["data"]["version"] == 1
    assert delivery.subject == f"journey:{journey.pk}"
    assert trail(journey) == ["created", "published"]


def test_what_runs_on_the_draft_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(publishing, "_preparations", {})
    publishing.register_preparation("test", lambda journey, actor, at: heard.append(journey.key))
    publish(make_journey(key="it"))
    assert heard == ["it"]


# --- Afterwards ----------------------------------------------------------------------------------


def test_a_journey_is_paused_and_goes_on() -> None:
    journey = publish(make_journey()).journey
    for _time in range(2):
        assert publishing.pause(journey, actor=SYSTEM, at=NOW).state == "paused"
    assert JourneyVersion.objects.get().is_open
    for _time in range(2):
        assert publishing.resume(journey, actor=SYSTEM, at=LATER).state == "live"
    assert trail(journey) == ["created", "published", "paused", "resumed"]


def test_a_paused_journey_goes_on_by_itself_after_so_many_days(settings: Any) -> None:
    journey = publish(make_journey()).journey
    publishing.pause(journey, actor=SYSTEM, at=NOW)
    publishing.resume_overdue(NOW + timedelta(days=13))
    journey.refresh_from_db()
    assert journey.state == "paused"
    settings.JOURNEY_PAUSE_DAYS = 0
    publishing.resume_overdue(NOW + timedelta(days=400))
    journey.refresh_from_db()
    assert journey.state == "paused"
    settings.JOURNEY_PAUSE_DAYS = 14
    publishing.resume_overdue(NOW + timedelta(days=14))
    journey.refresh_from_db()
    assert journey.state == "live"


def test_a_new_version_of_a_paused_journey_stays_paused() -> None:
    journey = publish(make_journey()).journey
    publishing.pause(journey, actor=SYSTEM, at=NOW)
    assert publish(journey).number == 2
    journey.refresh_from_db()
    assert journey.state == "paused"


def test_a_closed_journey_lets_nobody_in_and_is_over() -> None:
    version = publish(make_journey())
    journey = publishing.close(version.journey, actor=SYSTEM, at=LATER)
    version.refresh_from_db()
    assert (journey.state, version.is_open, version.ended_at) == ("closed", False, None)
    for verb in (publishing.pause, publishing.resume):
        with pytest.raises(WrongState):
            verb(journey, actor=SYSTEM, at=LATER)
    with pytest.raises(WrongState, match="copy"):
        publish(journey)
    with pytest.raises(WrongState, match="Copy"):
        journeys.update_draft(journey, actor=SYSTEM, at=LATER, drawing=in_a_row(WAIT))


def test_stopping_says_first_whom_it_takes_out() -> None:
    version = publish(make_journey())
    for place in (1, 1, 3):
        put_in(version, place)
    gone = put_in(version, 4, state="done", outcome="ended", finished_at=NOW)
    Message.objects.create(
        journey=version.journey, version=version, participant=gone, node="thanks", channel="push",
        contact=gone.contact, created_at=NOW, due_at=NOW,
    )  # fmt: skip
    foreseen = publishing.foresee_stop(version.journey)
    assert (foreseen.inside_count, foreseen.message_count) == (3, 1)
    assert foreseen.by_node == {"push_opened": 2, "bought": 1}
    journey = publishing.stop(version.journey, actor=SYSTEM, at=LATER)
    version.refresh_from_db()
    assert (journey.state, version.is_open) == ("stopped", False)
    assert AuditEntry.objects.get(action="journey.stopped").changes["taken_out"] == [None, 3]
    with pytest.raises(WrongState):
        publishing.close(journey, actor=SYSTEM, at=LATER)


def test_a_draft_is_neither_paused_nor_stopped() -> None:
    for verb in (publishing.pause, publishing.resume, publishing.close, publishing.stop):
        with pytest.raises(WrongState, match="draft"):
            verb(make_journey(), actor=SYSTEM, at=NOW)


# --- Who may what --------------------------------------------------------------------------------


def test_each_verb_asks_for_its_permission() -> None:
    reader, journey = person("view_journey"), publish(make_journey()).journey
    asked: list[Any] = [
        lambda: make_journey(actor=reader),
        lambda: journeys.update_draft(journey, actor=reader, at=NOW, name="x"),
        lambda: journeys.copy_journey(journey, actor=reader, at=NOW),
        lambda: journeys.delete_journey(journey, actor=reader, at=NOW),
        lambda: publishing.publish(journey, actor=reader, at=NOW),
        lambda: publishing.pause(journey, actor=reader, at=NOW),
        lambda: publishing.resume(journey, actor=reader, at=NOW),
        lambda: publishing.close(journey, actor=reader, at=NOW),
        lambda: publishing.stop(journey, actor=reader, at=NOW),
    ]
    for verb in asked:
        with pytest.raises(NotAllowed):
            verb()


def test_a_journey_of_another_group_is_none() -> None:
    insider, outsider = person(group="Poland"), person(group="France")
    journey = make_journey(groups=["Poland"], actor=insider)
    assert journey.key == "poland-use-case"
    assert journeys.find_journey(journey.key, actor=insider) == journey
    asked: list[Any] = [
        lambda: journeys.find_journey(journey.key, actor=outsider),
        lambda: journeys.update_draft(journey, actor=outsider, at=NOW, name="x"),
        lambda: journeys.copy_journey(journey, actor=outsider, at=NOW),
        lambda: journeys.delete_journey(journey, actor=outsider, at=NOW),
        lambda: publishing.publish(journey, actor=outsider, at=NOW),
        lambda: publishing.stop(journey, actor=outsider, at=NOW),
    ]
    for verb in asked:
        with pytest.raises(JourneyUnknown):
            verb()
    with pytest.raises(JourneyInvalid):
        make_journey(groups=["Poland"], actor=outsider)


def test_a_group_is_required_once_one_scopes_journeys() -> None:
    author = person(group="Poland")
    make_journey()
    UserGroup.objects.create(group=Group.objects.get(name="Poland"), entities=["journey"])
    assert lacking(UserGroup.Entity.JOURNEY) == 1
    with pytest.raises(JourneyInvalid, match="user group"):
        make_journey(actor=author)


def hidden_drawing() -> dict[str, Any]:
    """A drawing that reads a segment of the group Poland, and asks for it."""
    Group.objects.get_or_create(name="Poland")
    make_segment("polish", groups=["Poland"])
    both = [
        {"name": "a", "criteria": is_in("polish", "south")},
        {"name": "b", "criteria": lives_in("A")},
    ]
    return in_a_row(
        node("start", "read_segment", segment="polish"), node("if", "condition", paths=both)
    )


def test_what_one_may_not_know_of_is_masked_and_stays() -> None:
    document = hidden_drawing()
    journey = make_journey(document, settings={"goal": {"criteria": is_in("polish")}})
    outsider = person(group="France")
    hiding = Hiding(outsider)
    shown = hiding.drawing(journey.drawing)
    assert "polish" not in str(shown)
    assert shown["nodes"][0]["config"]["segment"] == "hidden:1"
    goal = hiding.settings(journey.settings)
    assert "polish" not in str(goal)
    shown["nodes"][1]["label"] = "Decide"
    # Moved up, and still the same criteria.
    shown["nodes"][1]["config"]["paths"].reverse()
    changed = journeys.update_draft(
        journey, actor=outsider, at=NOW, drawing=shown, settings=goal, name="Other"
    )
    assert changed.drawing["nodes"][0]["config"]["segment"] == "polish"
    criteria = [path["criteria"] for path in changed.drawing["nodes"][1]["config"]["paths"]]
    assert criteria == [lives_in("A"), is_in("polish", "south")]
    assert changed.settings == {"goal": {"criteria": is_in("polish")}}


def test_a_mask_put_elsewhere_stays_a_mask() -> None:
    journey = make_journey(hidden_drawing())
    outsider = person(group="France")
    shown = Hiding(outsider).drawing(journey.drawing)
    shown["nodes"][0]["id"] = "other"
    changed = journeys.update_draft(journey, actor=outsider, at=NOW, drawing=shown)
    assert changed.drawing["nodes"][0]["config"]["segment"] == "hidden:1"


def test_faults_say_nothing_of_what_one_may_not_know_of() -> None:
    journey = make_journey(hidden_drawing())
    outsider = person(group="France")
    found = checking.faults_of(journey, actor=outsider, at=NOW)
    assert {(one.node, one.code) for one in found} == {("start", "unknown_key"), ("if", "criteria")}
    assert "polish" not in str([one.as_json() for one in found])
    with pytest.raises(DrawingInvalid):
        publishing.publish(journey, actor=outsider, at=NOW)


def test_what_was_published_may_stay_whoever_publishes_next() -> None:
    journey = make_journey(hidden_drawing())
    publish(journey)
    outsider = person(group="France")
    assert codes(journey, outsider) == set()
    assert publishing.publish(journey, actor=outsider, at=NOW).number == 2
    elsewhere = french("polish")
    elsewhere["nodes"][0]["id"] = "elsewhere"
    elsewhere["edges"][0]["from"] = "elsewhere"
    journey = journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=elsewhere)
    assert codes(journey, outsider) == {("elsewhere", "config.segment", "unknown_key")}


def test_a_copy_has_nothing_that_one_may_not_know_of() -> None:
    journey = make_journey(hidden_drawing())
    copy = journeys.copy_journey(journey, actor=person(group="France"), at=NOW)
    assert "polish" not in str(copy.drawing)


# --- What journeys use ---------------------------------------------------------------------------


def test_a_segment_says_which_journeys_use_it(south: Segment) -> None:
    reading = make_journey(name="Reads")
    publish(reading)
    asks = [{"name": "a", "criteria": is_in("south")}]
    start = node("start", "event_entry", event="visited")
    make_journey(in_a_row(start, node("if", "condition", paths=asks)), name="Asks")
    found = [one for one in uses.uses_of(south, actor=SYSTEM) if one.kind == "journey"]
    told = [(one.name, str(one.state), one.needs_active) for one in found]
    assert told == [("Asks", "draft", False), ("Reads", "live", True)]
    assert uses.used_ids([south]) == {south.pk}


def test_a_running_version_counts_when_the_draft_is_another(south: Segment) -> None:
    journey = publish(make_journey()).journey
    journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=in_a_row(WAIT))
    assert [one.name for one in uses.uses_of(south, actor=SYSTEM)] == ["Use case"]
    publishing.stop(journey, actor=SYSTEM, at=NOW)
    JourneyVersion.objects.update(ended_at=NOW)
    assert uses.uses_of(south, actor=SYSTEM) == []


def test_nobody_deletes_what_a_journey_sends_asks_for_or_changes() -> None:
    make_tag("vip")
    document = french()
    document["nodes"].append(node("tag", "update", add_tag="vip"))
    make_journey(document)
    with pytest.raises(TemplateInUse, match="Use case"):
        templates.delete_template(Template.objects.get(key="follow-up"), actor=SYSTEM, at=NOW)
    with pytest.raises(DefinitionInUse, match="Use case"):
        definitions.delete_definition(Kind.TAG, "vip", actor=SYSTEM, at=NOW)
    (found,) = event_uses.uses_of(["purchase_thank_you"], actor=SYSTEM)["purchase_thank_you"]
    assert (found.name, str(found.state), str(found.label)) == ("Use case", "draft", "Journey")


def test_uses_of_other_groups_have_no_name(south: Segment) -> None:
    Group.objects.create(name="Poland")
    make_journey(name="Secret", groups=["Poland"])
    outsider = person(group="France")
    assert "Secret" not in str(uses.uses_of(south, actor=outsider))
    assert "Secret" not in str(event_uses.uses_of(["purchase_thank_you"], actor=outsider))
    assert "Secret" not in str(templates.uses_of(Template.objects.get(key="follow-up")))
    assert EventDefinition.objects.filter(name="visited").exists()
