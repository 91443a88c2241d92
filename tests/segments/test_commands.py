"""refresh_segments, explain_segment, export_segment as people and scripts run them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from contacts.models import AttributeDefinition
from segments.models import Segment
from tests.segments.factories import (
    HOUR,
    NOW,
    has_attribute,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)

pytestmark = pytest.mark.django_db


def _lines(command: str, *arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command(command, *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def _text(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def test_refresh_prints_members_entered_left_and_milliseconds() -> None:
    make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    (line,) = _lines("refresh_segments", "poles", "--as-of", "2026-03-02T13:00:00+01:00")
    assert line.pop("milliseconds") > 0
    assert line == {
        "segment": "poles",
        "members": 2,
        "entered": 2,
        "left": 0,
        "as_of": "2026-03-02T13:00:00+01:00",
    }
    assert len(member_ids(segment)) == 2
    assert "poles: members 2, entered 0, left 0, milliseconds" in _text("refresh_segments", "poles")


def test_without_keys_all_that_are_due_are_refreshed() -> None:
    hourly = make_segment("hourly", refresh_mode="interval", refresh_amount=1, refresh_unit="hour")
    once = make_segment("once")
    refresh(hourly)
    refresh(once)
    make_segment("requested")
    later = (NOW + HOUR).isoformat()
    assert [line["segment"] for line in _lines("refresh_segments", "--as-of", later)] == [
        "hourly",
        "requested",
    ]
    assert _lines("refresh_segments", "--as-of", later) == []
    full = _lines("refresh_segments", "--full", "--as-of", later)
    assert len(full) == 3


def test_a_failure_is_told_and_the_command_fails_but_the_others_are_refreshed() -> None:
    definition = AttributeDefinition.objects.create(key="color", label="Color")
    make_segment("bad", has_attribute("color", "red"))
    make_segment("good")
    definition.delete()
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("refresh_segments", "--json", stdout=out)
    bad, good = map(json.loads, out.getvalue().splitlines())
    assert (bad["segment"], bad["code"]) == ("bad", "invalid")
    assert good["segment"] == "good"
    assert Segment.objects.get(key="good").calculated_at


def test_unknown_keys_and_times_are_refused() -> None:
    for command in ("refresh_segments", "explain_segment"):
        with pytest.raises(CommandError, match="nobody"):
            call_command(command, "nobody")
        with pytest.raises(CommandError, match="yesterday is no time"):
            call_command(command, "nobody", "--as-of", "yesterday")
    with pytest.raises(CommandError, match="nobody"):
        call_command("export_segment", "nobody", "-")


def test_explain_says_the_criteria_in_words_and_the_rest_on_demand() -> None:
    (ania,) = make_contacts("Warszawa")
    make_segment()
    assert "Warszawa" in _text("explain_segment", "poles")
    told = _text("explain_segment", "poles", "--sql", "--analyze", "--contact", str(ania))
    assert "SELECT" in told
    assert "actual time" in told
    assert f"Contact {ania} is in" in told
    assert "rules[0]" in told
    (found,) = _lines("explain_segment", "poles", "--contact", str(ania))
    assert found["member"] is True
    assert found["clauses"][0]["value"] == "Warszawa"
    with pytest.raises(CommandError, match="There is no contact 0"):
        call_command("explain_segment", "poles", "--contact", "0")


def test_export_writes_a_file_by_its_ending(tmp_path: Path) -> None:
    make_contacts("Warszawa")
    refresh(make_segment())
    file = tmp_path / "poles.jsonl"
    (told,) = _lines("export_segment", "poles", str(file), "--columns", "city,entered_at")
    assert told == {"file": str(file), "rows": 1, "size": file.stat().st_size}
    assert json.loads(file.read_text())["city"] == "Warszawa"
    call_command("export_segment", "poles", str(tmp_path / "a.csv"), stdout=io.StringIO())
    header = (tmp_path / "a.csv").read_text().splitlines()[0]
    assert header == "id,external_id,email,first_name,last_name,entered_at"
    with pytest.raises(CommandError, match="shoe"):
        call_command("export_segment", "poles", str(tmp_path / "b.csv"), "--columns", "shoe")
    assert not (tmp_path / "b.csv").exists()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_segment", "poles", str(tmp_path / "no" / "b.csv"))


def test_export_writes_to_standard_output(capsysbinary: Any) -> None:
    make_contacts("Warszawa")
    refresh(make_segment())
    call_command("export_segment", "poles", "-", "--columns", "city")
    assert capsysbinary.readouterr().out == b"city\r\nWarszawa\r\n"
