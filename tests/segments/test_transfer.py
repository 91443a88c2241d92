"""Definitions of segments to JSON and back."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from segments import lifecycle
from segments.models import RuleEvent, Segment
from segments.rule_events import create_rule_event
from segments.transfer import dump_definitions, load_definitions
from tests.segments.factories import HOUR, NOW, is_in, make_segment
from workspace.access import SYSTEM
from workspace.errors import InputInvalid
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
LATER = NOW + HOUR


def _several() -> dict[str, Any]:
    Group.objects.create(name="Poland")
    make_segment("zz-base", groups=["Poland"], description="d", readiness_hours=5)
    make_segment(
        "top", is_in("zz-base"), refresh_mode="interval", refresh_amount=6, refresh_unit="hour"
    )
    lifecycle.inactivate(make_segment("quiet"), actor=SYSTEM, at=NOW)
    gone = lifecycle.inactivate(make_segment("gone"), actor=SYSTEM, at=NOW)
    lifecycle.archive(gone, actor=SYSTEM, at=NOW)
    return dump_definitions()


def test_what_was_dumped_is_loaded_elsewhere_as_it_was() -> None:
    dumped = _several()
    assert [found["key"] for found in dumped["segments"]] == ["quiet", "top", "zz-base"]
    Segment.objects.all().delete()
    loaded = load_definitions(dumped, actor=SYSTEM, at=NOW)
    assert sorted(loaded.created) == ["quiet", "top", "zz-base"]
    assert dump_definitions() == dumped
    assert Segment.objects.get(key="quiet").status == "inactive"


def test_loading_it_again_changes_nothing() -> None:
    dumped = _several()
    entries = AuditEntry.objects.count()
    loaded = load_definitions(dumped, actor=SYSTEM, at=NOW)
    assert (loaded.created, loaded.updated) == ([], [])
    assert len(loaded.unchanged) == 3
    assert AuditEntry.objects.count() == entries


def test_what_differs_is_changed() -> None:
    dumped = _several()
    lifecycle.update_segment(
        Segment.objects.get(key="top"), actor=SYSTEM, at=NOW, name="Other", refresh_mode="once"
    )
    lifecycle.activate(Segment.objects.get(key="quiet"), actor=SYSTEM, at=NOW)
    loaded = load_definitions(dumped, actor=SYSTEM, at=NOW)
    assert sorted(loaded.updated) == ["quiet", "top"]
    assert dump_definitions() == dumped


def test_a_fault_changes_nothing_and_says_where() -> None:
    dumped = _several()
    dumped["segments"][0]["name"] = "Changed"
    dumped["segments"][1]["groups"] = ["Atlantis"]
    with pytest.raises(InputInvalid) as refused:
        load_definitions(dumped, actor=SYSTEM, at=NOW)
    assert [(p.path, p.code) for p in refused.value.problems] == [
        ("segments[1].groups[0]", "unknown_group")
    ]
    assert not Segment.objects.filter(name="Changed").exists()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": ""}, "segments[0].key"),
        ({"criteria": []}, "segments[0].criteria"),
        ({"colour": 1}, "segments[0].colour"),
        ({"members_only": "yes"}, "segments[0].members_only"),
        ({"readiness_hours": True}, "segments[0].readiness_hours"),
        ({"status": "archived"}, "segments[0].status"),
        ({"refresh": {"every": None}}, "segments[0].refresh.mode"),
        ({"refresh": {"mode": "interval", "every": 6}}, "segments[0].refresh.every"),
        ({"groups": [1]}, "segments[0].groups"),
    ],
)
def test_a_definition_of_the_wrong_shape_is_refused(change: dict[str, Any], path: str) -> None:
    dumped = _several()
    dumped["segments"][0] |= change
    with pytest.raises(InputInvalid) as refused:
        load_definitions(dumped, actor=SYSTEM, at=NOW)
    assert refused.value.problems[0].path == path


def _with_a_rule() -> dict[str, Any]:
    make_segment("fans")
    create_rule_event(
        name="thanked", base="purchase", where=EVERY, payload=["a"], actor=SYSTEM, at=NOW
    )
    return dump_definitions()


EVERY: dict[str, Any] = {"combinator": "and", "rules": []}


def test_rules_travel_with_all_segments() -> None:
    dumped = _with_a_rule()
    assert "rule_events" not in dump_definitions(["fans"])
    assert load_definitions(dumped, actor=SYSTEM, at=LATER).unchanged == ["thanked", "fans"]
    RuleEvent.objects.all().delete()
    assert load_definitions(dumped, actor=SYSTEM, at=LATER).created == ["thanked"]
    assert dump_definitions() == dumped
    dumped["rule_events"][0] |= {"enabled": True, "payload": None}
    assert load_definitions(dumped, actor=SYSTEM, at=LATER).updated == ["thanked"]
    assert dump_definitions() == dumped


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "rule_events[0].name"),
        ({"base": "visit"}, "rule_events[0].base"),
        ({"payload": "a"}, "rule_events[0].payload"),
        ({"colour": 1}, "rule_events[0].colour"),
        ({"where": {"combinator": "and", "rules": 1}}, "rule_events[0].where"),
    ],
)
def test_a_faulty_rule_is_refused_and_nothing_is_loaded(change: dict[str, Any], path: str) -> None:
    dumped = _with_a_rule()
    dumped["rule_events"][0] |= change
    dumped["segments"][0]["name"] = "Changed"
    with pytest.raises(InputInvalid) as refused:
        load_definitions(dumped, actor=SYSTEM, at=LATER)
    assert [one.path for one in refused.value.problems] == [path]
    assert not Segment.objects.filter(name="Changed").exists()


@pytest.mark.parametrize("document", [[], {}, {"segments": []}, {"format": "x", "segments": []}])
def test_another_file_is_refused(document: Any) -> None:
    with pytest.raises(InputInvalid, match="format"):
        load_definitions(document, actor=SYSTEM, at=NOW)


def test_the_commands_write_and_read_files(tmp_path: Path) -> None:
    dumped = _several()
    out = io.StringIO()
    call_command("dump_segments", stdout=out)
    assert json.loads(out.getvalue()) == dumped
    file = tmp_path / "segments.json"
    call_command("dump_segments", "top", "zz-base", output=str(file))
    Segment.objects.all().delete()
    out = io.StringIO()
    call_command("load_segments", str(file), "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"created": 2, "updated": 0, "unchanged": 0}
    with pytest.raises(CommandError, match="nobody"):
        call_command("dump_segments", "nobody")
    file.write_text('{"format": "regulars.segments/1", "segments": [{"key": "x"}]}')
    with pytest.raises(CommandError, match=r"Nothing was loaded. segments\[0\].name"):
        call_command("load_segments", str(file), stderr=io.StringIO())
    file.write_text("{")
    with pytest.raises(CommandError, match="no JSON"):
        call_command("load_segments", str(file))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("load_segments", str(tmp_path / "nothing"))
