"""The command that says what a journey is."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.journeys.drawings import french
from tests.journeys.workspace import furnish, make_journey, publish, put_in

pytestmark = pytest.mark.django_db


def describe(key: str, **options: Any) -> str:
    out = StringIO()
    call_command("describe_journey", key, stdout=out, **options)
    return out.getvalue()


def test_a_journey_is_described_with_its_activities_faults_and_figures() -> None:
    furnish()
    version = publish(make_journey(key="it"))
    put_in(version, 3)
    journey = version.journey
    journey.drawing = french("nowhere")
    journey.save()
    told = describe("it")
    assert "state: live" in told
    assert "Read segment [start]" in told
    assert "error: start.config.segment: There is no such segment" in told
    assert "version: 1" in told
    assert "inside: 1" in told
    found = json.loads(describe("it", json=True))
    assert found["drawing"] == french("nowhere")
    assert [one["code"] for one in found["faults"]] == ["unknown_key"]
    assert found["versions"][0]["inside"] == 1


def test_there_is_no_journey_of_another_key() -> None:
    with pytest.raises(CommandError, match="nothing"):
        describe("nothing")
