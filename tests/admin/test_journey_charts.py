"""The pictures of the page Statistics, and what stands in their place where there is nothing."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from journeys.admin.journey_charts import goal_intervals
from journeys.models import JourneyVersion, Lane
from journeys.statistics import GoalCounts, summarize
from tests.admin.journey_workspace import furnish_journey
from tests.factories import make_contact
from workspace.admin.pictures import chart, interval

pytestmark = pytest.mark.django_db


def _shown(client: Client, journey_id: int, query: str = "") -> str:
    address = reverse("admin:journeys_journey_statistics", args=[journey_id])
    return client.get(address + query).content.decode()


def _charts(shown: str) -> dict[str, dict[str, list[int]]]:
    """What each chart draws, by what it says in words."""
    found = re.findall(r'data-value="(.*?)"[^>]*aria-label="(.*?)"', shown)
    return {
        label: {
            one["label"]: one["data"] for one in json.loads(data.replace("&quot;", '"'))["datasets"]
        }
        for data, label in found
    }


def test_charts_say_how_far_they_came_and_when_and_tables_say_the_same(admin: Client) -> None:
    journey = furnish_journey([make_contact(), make_contact(), make_contact()])
    shown = _shown(admin, journey.pk)
    drawn = _charts(shown)
    assert drawn["Passed"]["Passed"] == [3, 0, 0, 3]
    assert sum(drawn["Entered, Finished"]["Entered"]) == 3
    messages = drawn["Sent, Opened, Clicked, Bounced"]
    assert [sum(values) for values in messages.values()] == [3, 3, 0, 0]
    assert shown.count("The same as a table") == 3
    assert "by the day" in shown
    assert "by the hour" in _shown(admin, journey.pk, "?period=live")


def test_where_nothing_happened_it_says_what_will_stand_there(admin: Client) -> None:
    journey = furnish_journey([make_contact()])
    version = JourneyVersion.objects.get(journey=journey, lane=Lane.LIVE)
    version.passages.all().delete()
    version.messages.all().delete()
    version.participants.all().delete()
    shown = _shown(admin, journey.pk)
    assert _charts(shown) == {}
    assert "Nobody has entered yet" in shown
    assert "No message was sent yet" in shown
    assert "Nothing to compare with" in shown
    assert "Nobody went on in the last 24 hours" in _shown(admin, journey.pk, "?period=live")


def test_the_groups_of_a_goal_are_drawn_with_their_bounds() -> None:
    journey = furnish_journey([make_contact(), make_contact()])
    version = JourneyVersion.objects.get(journey=journey, lane=Lane.LIVE)
    difference = summarize(version).goal.difference
    assert difference is not None
    given = {"difference": 0.1, "low": 0.05, "high": 0.15, "is_certain": True}
    rows = goal_intervals(GoalCounts(30, 100, 20, 100, given))
    assert [row["name"] for row in rows] == ["Went through", "Control group", "Difference"]
    assert [row["value"] for row in rows] == ["30.0 %", "20.0 %", "+10.0"]
    assert rows[0]["bounds"] == "21.9 % to 39.6 %"
    assert (rows[2]["tone"], rows[2]["bounds"]) == ("good", "+5.0 to +15.0")
    for row in rows:
        places = {name: float(value.rstrip("%")) for name, value in row["places"].items()}
        assert 0 <= places["low"] <= places["share"] <= places["high"] <= 100
        assert places["width"] == pytest.approx(places["high"] - places["low"], abs=0.02)
    assert goal_intervals(GoalCounts(30, 100, 0, 0, None)) == []


def test_a_line_from_below_zero_shows_where_zero_is() -> None:
    assert interval(0.5, 0, 1, begin=-1, end=1) == {
        "share": "75.00%",
        "low": "50.00%",
        "high": "100.00%",
        "zero": "50.00%",
        "width": "50.00%",
    }


def test_lying_bars_have_short_labels_and_the_table_has_all_of_them() -> None:
    long = "A very long name of an activity"
    found = chart([long, "End"], [("Passed", [2, 1], "primary")], kind="bar", is_lying=True)
    assert json.loads(found["data"])["labels"] == ["A very long name of a…", "End"]
    assert found["rows"][0][0] == long
    assert json.loads(found["options"])["indexAxis"] == "y"
    assert found["legend"] == []
