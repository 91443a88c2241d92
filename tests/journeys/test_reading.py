"""Reading segments: who enters, when, how quickly, and what is waited for."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact
from journeys import reading
from journeys.drawing.syntax import read
from journeys.models import Journey, JourneyVersion, Participant, Reading
from journeys.publishing import first_reading_at
from segments import lifecycle, membership
from segments.models import Segment
from tests.factories import DAY, HOUR, MINUTE, NOW
from tests.journeys.drawn import make_version, node
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import rounds
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
WAIT = node("wait", "wait", duration={"amount": 1, "unit": "day"})
DAILY = {"every": {"amount": 1, "unit": "day"}}


def make_northerners(*cities: str) -> tuple[Segment, list[int]]:
    people = make_contacts(*cities)
    segment = make_segment("northerners", lives_in("Oslo"))
    refresh(segment)
    return segment, people


def reads(*, at: datetime = NOW, settings: Mapping[str, Any] | None = None, **config: Any) -> Any:
    start = node("start", "read_segment", segment="northerners", **config)
    version = make_version(start, WAIT, at=at, settings=settings)
    version.read_at = first_reading_at(read(version.drawing), version.settings, at=at)
    version.save(update_fields=["read_at"])
    return version


def inside() -> list[int]:
    return list(Participant.objects.order_by("contact_id").values_list("contact_id", flat=True))


def moves_to(city: str, *contact_ids: int, segment: Segment, at: datetime) -> None:
    Contact.objects.filter(pk__in=contact_ids).update(city=city)
    refresh(segment, as_of=at)


def read_all(at: datetime) -> int:
    """Read until there is nothing to be read at once; how many rounds that took."""
    count = 1
    while reading.read_segments(at):
        count += 1
    return count


class TestOnce:
    def test_everybody_in_the_segment_enters_as_of_when_it_was_due(self) -> None:
        _segment, people = make_northerners("Oslo", "Bergen", "Oslo")
        version = reads()
        read_all(NOW + 10 * SECOND)
        assert inside() == [people[0], people[2]]
        assert {one.entered_at for one in Participant.objects.all()} == {NOW}
        done = Reading.objects.get()
        assert (done.state, done.read_count, done.entered_count) == ("done", 2, 2)
        assert {one.entrance for one in Participant.objects.all()} == {f"reading:{done.pk}"}
        version.refresh_from_db()
        assert version.read_at is None

    def test_who_comes_later_is_not_read(self) -> None:
        segment, people = make_northerners("Oslo", "Bergen")
        reads()
        read_all(NOW)
        moves_to("Oslo", people[1], segment=segment, at=NOW + HOUR)
        read_all(NOW + DAY)
        assert inside() == [people[0]]

    def test_it_is_read_at_its_time_in_the_zone_of_the_journey(self) -> None:
        make_northerners("Oslo")
        zone = {"time_zone": "America/New_York"}
        version = reads(schedule={"at": "2026-03-05T09:00:00"}, settings=zone)
        due = datetime(2026, 3, 5, 14, 0, tzinfo=UTC)
        assert version.read_at == due
        read_all(due - SECOND)
        assert inside() == []
        read_all(due)
        assert Participant.objects.get().entered_at == due

    def test_a_time_that_is_past_is_now(self) -> None:
        make_northerners("Oslo")
        assert reads(schedule={"at": "2020-01-01T00:00:00Z"}).read_at == NOW

    def test_ranges_are_read_one_after_the_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "PORTION", 3)
        _segment, people = make_northerners(*["Oslo"] * 7)
        reads()
        assert read_all(NOW) == 3
        assert inside() == people

    def test_a_reading_that_was_killed_goes_on_where_it_was(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "PORTION", 2)
        _segment, people = make_northerners(*["Oslo"] * 5)
        reads()
        reading.read_segments(NOW)
        assert inside() == people[:2]

        def die(*_args: Any, **_options: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(rounds, "wake", die)
            with pytest.raises(KeyboardInterrupt):
                reading.read_segments(NOW)
        assert inside() == people[:2]
        read_all(NOW)
        assert inside() == people
        assert Reading.objects.get().read_count == 5


class TestAgainAndAgain:
    def test_each_day_by_the_clocks_of_the_journey(self) -> None:
        # In Warsaw clocks go forward in the night to March 29.
        version = reads_at("2026-03-28T09:00", every={"amount": 1, "unit": "day"})
        due = datetime(2026, 3, 28, 8, 0, tzinfo=UTC)
        assert version.read_at == due
        after = reading.next_read_at(version, after=due)
        assert after == datetime(2026, 3, 29, 7, 0, tzinfo=UTC)

    def test_hours_are_hours_and_what_was_missed_is_left_out(self) -> None:
        version = reads_at("2026-03-28T23:30", every={"amount": 4, "unit": "hour"})
        due = version.read_at
        assert due is not None
        late = due + timedelta(hours=9)
        assert reading.next_read_at(version, after=late) == due + timedelta(hours=12)

    def test_who_may_enter_again_does(self) -> None:
        _segment, people = make_northerners("Oslo")
        version = reads(schedule=DAILY)
        read_all(NOW)
        Participant.objects.update(
            state="done", wake_at=None, finished_at=NOW + HOUR, outcome="ended"
        )
        read_all(NOW + DAY)
        assert inside() == [people[0]] * 2
        version.refresh_from_db()
        assert version.read_at == NOW + 2 * DAY

    def test_who_is_inside_still_does_not_enter_again(self) -> None:
        make_northerners("Oslo")
        reads(schedule=DAILY)
        read_all(NOW)
        read_all(NOW + DAY)
        assert [one.entered_count for one in Reading.objects.order_by("pk")] == [1, 0]

    def test_only_who_is_new_enters_later_and_nobody_is_left_out(self) -> None:
        segment, people = make_northerners("Oslo", "Bergen", "Bergen")
        reads(schedule=DAILY, only_new=True)
        read_all(NOW)
        moves_to("Oslo", people[1], segment=segment, at=NOW + HOUR)
        read_all(NOW + DAY)
        # Calculated as of a moment before the last reading, and written down after it.
        moves_to("Oslo", people[2], segment=segment, at=NOW + DAY - HOUR)
        read_all(NOW + 2 * DAY)
        assert [one.read_count for one in Reading.objects.order_by("pk")] == [1, 1, 1]
        assert inside() == people


class TestRate:
    def counts(self, *seconds: float) -> list[int]:
        found = []
        for second in seconds:
            reading.read_segments(NOW + timedelta(seconds=second))
            found.append(Participant.objects.count())
        return found

    def test_so_many_enter_in_a_second_and_each_when_it_is_his_turn(self) -> None:
        make_northerners(*["Oslo"] * 30)
        reads(rate=4)
        assert self.counts(0, 0.1, 1, 2.5, 5, 20) == [4, 4, 8, 14, 24, 30]
        moments = set(Participant.objects.values_list("entered_at", flat=True))
        assert NOW + 5 * SECOND in moments

    def test_what_was_not_used_for_long_is_lost(self) -> None:
        make_northerners(*["Oslo"] * 200)
        reads(rate=1)
        assert self.counts(0, 3600, 3601) == [1, 61, 62]

    def test_others_are_read_meanwhile(self) -> None:
        make_northerners(*["Oslo"] * 3)
        reads(rate=1)
        assert reading.read_segments(NOW) is False


class TestWaiting:
    def why(self, version: JourneyVersion, at: datetime = NOW) -> str:
        version.refresh_from_db()
        return reading.waiting_for(version, as_of=at)

    def test_for_a_segment_that_is_not_calculated_yet(self) -> None:
        make_contacts("Oslo")
        segment = make_segment("northerners", lives_in("Oslo"))
        version = reads()
        read_all(NOW)
        assert "not calculated yet" in self.why(version)
        refresh(segment, as_of=NOW + MINUTE)
        assert self.why(version, NOW + 2 * MINUTE) == ""
        read_all(NOW + 2 * MINUTE)
        # He was in it since then, and not when the journey was published.
        assert Participant.objects.get().entered_at == NOW + MINUTE

    def test_for_one_that_is_being_calculated(self) -> None:
        segment, _people = make_northerners("Oslo")
        version = reads()
        membership.queue_refresh(segment, actor=SYSTEM, cause="test", at=NOW)
        read_all(NOW)
        assert inside() == []
        assert "being calculated" in self.why(version)

    def test_for_one_that_is_out_of_use(self) -> None:
        segment, people = make_northerners("Oslo")
        version = reads()
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
        read_all(NOW)
        assert inside() == []
        assert "inactive" in self.why(version)
        finding = reading.examine(NOW + DAY)
        assert not finding.is_well
        assert "welcome" in finding.sentence
        lifecycle.activate(segment, actor=SYSTEM, at=NOW + DAY)
        Segment.objects.update(refresh_requested_at=None)
        read_all(NOW + DAY)
        assert inside() == people
        # What was due so long ago is as of now.
        assert Participant.objects.get().entered_at == NOW + DAY
        assert reading.examine(NOW + 2 * DAY).is_well

    def test_for_one_whose_calculation_expired(self) -> None:
        make_contacts("Oslo")
        segment = make_segment("northerners", lives_in("Oslo"), readiness_hours=1)
        refresh(segment)
        version = reads(at=NOW + 2 * HOUR)
        read_all(NOW + 2 * HOUR)
        assert inside() == []
        assert "too long ago" in self.why(version, NOW + 2 * HOUR)

    def test_for_a_journey_that_is_paused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "PORTION", 1)
        _segment, people = make_northerners("Oslo", "Oslo")
        reads()
        reading.read_segments(NOW)
        Journey.objects.update(state=Journey.State.PAUSED)
        read_all(NOW + HOUR)
        assert inside() == people[:1]
        Journey.objects.update(state=Journey.State.LIVE)
        read_all(NOW + 2 * HOUR)
        assert inside() == people

    def test_a_version_that_is_closed_reads_no_further(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "PORTION", 1)
        make_northerners("Oslo", "Oslo")
        version = reads()
        reading.read_segments(NOW)
        version.is_open = False
        version.save(update_fields=["is_open"])
        read_all(NOW)
        assert Reading.objects.get().state == "cancelled"
        assert len(inside()) == 1


class TestStanding:
    def test_it_tells_how_far_it_is_and_when_it_reads_next(self) -> None:
        make_northerners("Oslo", "Oslo")
        version = reads(schedule=DAILY)
        read_all(NOW)
        version.refresh_from_db()
        found = reading.standing_of(version, as_of=NOW, actor=SYSTEM)
        assert found is not None
        assert (found.state, found.read_count, found.entered_count) == ("done", 2, 2)
        assert (found.next_at, found.waiting_for) == (NOW + DAY, "")

    def test_of_one_that_reads_no_segment_there_is_nothing_to_tell(self) -> None:
        assert reading.standing_of(make_version(WAIT), as_of=NOW, actor=SYSTEM) is None

    def test_a_segment_of_others_is_not_named(self) -> None:
        segment, _people = make_northerners("Oslo")
        segment.groups.add(Group.objects.create(name="Norway"))
        version = reads()
        lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
        stranger = replace(SYSTEM, is_admin=False)
        assert "Northerners" in reading.waiting_for(version, as_of=NOW)
        told = reading.waiting_for(version, as_of=NOW, actor=stranger)
        assert "Northerners" not in told
        assert "inactive" in told


def test_a_thousand_are_read_in_as_many_statements_as_one() -> None:
    def queries(count: int, key: str) -> int:
        city = f"City {key}"
        make_contacts(*[city] * count)
        segment = make_segment(key, lives_in(city))
        refresh(segment)
        version = make_version(node("start", "read_segment", segment=key), WAIT, key=key)
        version.read_at = NOW
        version.save(update_fields=["read_at"])
        with CaptureQueriesContext(connection) as captured:
            read_all(NOW)
        return len(captured)

    assert queries(1, "one") == queries(1000, "thousand")


def reads_at(text: str, **schedule: Any) -> JourneyVersion:
    make_northerners()
    zone = {"time_zone": "Europe/Warsaw"}
    version: JourneyVersion = reads(schedule={"at": text, **schedule}, settings=zone)
    return version
