"""What is written becomes the one form of its type, or is refused with a reason."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from contacts import values
from contacts.fields import bare_phone
from contacts.identities import lower_case, normalize
from contacts.values import Type, ValueRefused


@pytest.mark.parametrize(
    ("type_", "written", "found"),
    [
        (Type.TEXT, "x", "x"),
        (Type.TEXT, 12, "12"),
        (Type.TEXT, True, "true"),
        (Type.TEXT, "", None),
        (Type.NUMBER, "0.1", Decimal("0.1")),
        (Type.NUMBER, 0.1, Decimal("0.1")),
        (Type.NUMBER, "-0", Decimal(0)),
        (Type.NUMBER, Decimal("1E+3"), Decimal(1000)),
        (Type.NUMBER, "9" * 30 + "." + "9" * 30, Decimal("9" * 30 + "." + "9" * 30)),
        (Type.BOOLEAN, "Yes", True),
        (Type.BOOLEAN, False, False),
        (Type.DATE, "2024-02-29", date(2024, 2, 29)),
        (Type.DATE, "2024-01-01T23:30:00-05:00", date(2024, 1, 2)),
        (Type.DATETIME, "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)),
        (Type.DATETIME, "2024-01-01 10:00:00.5+0230", datetime(2024, 1, 1, 7, 30, 0, 500000, UTC)),
        (Type.LIST, "b | a|b|", ["b", "a"]),
        (Type.LIST, ["b", "a"], ["b", "a"]),
        (Type.LIST, [], None),
        (Type.LIST, "|", None),
    ],
)
def test_values_have_one_form(type_: Type, written: Any, found: Any) -> None:
    assert values.read(type_, written) == found


@pytest.mark.parametrize(
    ("type_", "written"),
    [
        (Type.TEXT, "a\0b"),
        (Type.TEXT, "half \ud83d of a character"),
        (Type.TEXT, "x" * 601),
        (Type.TEXT, {"a": 1}),
        (Type.NUMBER, "1,5"),
        (Type.NUMBER, "1 000"),
        (Type.NUMBER, "1e5"),
        (Type.NUMBER, "١"),
        (Type.NUMBER, "9" * 31),
        (Type.NUMBER, Decimal("1E+400000")),
        (Type.NUMBER, float("nan")),
        (Type.NUMBER, True),
        (Type.BOOLEAN, "maybe"),
        (Type.BOOLEAN, 1),
        (Type.DATE, "2023-02-29"),
        (Type.DATE, "01.02.2023"),
        (Type.DATE, "0000-01-01"),
        (Type.DATETIME, "2024-01-01T24:00:00Z"),
        (Type.DATETIME, "0001-01-01T00:00:00+10:00"),
        (Type.DATETIME, 1700000000),
        (Type.LIST, ["a", 1]),
        (Type.LIST, ["a|b"]),
        (Type.LIST, [str(number) for number in range(201)]),
    ],
)
def test_what_is_no_value_is_refused(type_: Type, written: Any) -> None:
    with pytest.raises(ValueRefused):
        values.read(type_, written)


def test_choices_are_kept_to() -> None:
    assert values.read(Type.TEXT, "red", choices=["red"]) == "red"
    for type_, written in ((Type.TEXT, "green"), (Type.LIST, ["red", "green"])):
        with pytest.raises(ValueRefused, match="green"):
            values.read(type_, written, choices=["red"])


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        # The hour that comes twice, and the one that is skipped: the smaller offset, as the server.
        ("2024-10-27T02:30", datetime(2024, 10, 27, 1, 30, tzinfo=UTC)),
        ("2024-03-31T02:30", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        ("2024-07-01", datetime(2024, 6, 30, 22, 0, tzinfo=UTC)),
    ],
)
@pytest.mark.django_db
def test_wall_time_is_read_as_the_server_reads_it(
    settings: Any, wall: str, instant: datetime
) -> None:
    from workspace import sql

    settings.TIME_ZONE = "Europe/Warsaw"
    assert values.read_datetime(wall) == instant
    assert sql.one("SELECT %s::timestamp AT TIME ZONE 'Europe/Warsaw'", [wall]) == instant


def test_a_kept_instant_is_written_in_utc_with_microseconds() -> None:
    found = values.read_datetime("2024-01-01T00:00:00+01:00")
    assert values.as_json(found) == "2023-12-31T23:00:00.000000Z"


@pytest.mark.parametrize(
    ("namespace", "written", "name"),
    [
        ("email", " Ana@Example.COM ", "ana@example.com"),
        ("email", "ŁUCJA@Example.com", "łucja@example.com"),
        ("phone", "0048 (601) 23-45.67", "+48601234567"),
        ("user_id", " A 1 ", "A 1"),
    ],
)
def test_identities_are_compared_in_one_form(namespace: str, written: str, name: str) -> None:
    assert normalize(namespace, written) == name


def test_no_letter_becomes_two() -> None:
    assert lower_case("İSTANBUL") == "İstanbul"
    assert bare_phone("+48 1") == "+481"
