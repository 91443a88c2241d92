"""Vendors' systems on this machine that know the people of the workspace."""

import pytest
from django.core.management import CommandError, call_command

from integrations.management.commands.sandbox import Command
from integrations.sandbox.dotdigital import Dotdigital
from tests.factories import make_contact

PEOPLE = [f"person{number}@shop.test" for number in range(400)]


def test_most_people_are_known_and_always_the_same_are_not() -> None:
    account, again = Dotdigital(), Dotdigital()
    for one in (account, again):
        one.move_in(PEOPLE, unknown=10)
    strangers = {one for one in PEOPLE if account.contacts.find("email", one) is None}
    assert 20 <= len(strangers) <= 60
    assert strangers == {one for one in PEOPLE if again.contacts.find("email", one) is None}
    assert len(account.members("Newsletter")) > 100
    assert any("unknown to it" in line for line in account.describe())


def test_who_is_named_later_is_known_but_for_whom_somebody_deleted_there() -> None:
    account = Dotdigital()
    account.move_in([], unknown=0)
    assert account.contacts.find("email", "Late@shop.test") is not None
    assert account.contacts.find("email", "no address") is None
    account.contacts._forget(account.contacts.add("late@shop.test"))
    assert account.contacts.find("email", "late@shop.test") is None


def test_one_in_which_nobody_moved_knows_nobody() -> None:
    account = Dotdigital()
    assert account.contacts.find("email", "ann@shop.test") is None
    account.move_in(PEOPLE, unknown=100)
    assert all(account.contacts.find("email", one) is None for one in PEOPLE)


@pytest.mark.django_db
def test_the_command_tells_of_the_contacts_of_the_workspace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("integrations.management.commands.sandbox.connection.close", lambda: None)
    make_contact(email="ann@shop.test")
    make_contact(first_name="Nameless")
    assert Command()._people() == ["ann@shop.test"]
    with pytest.raises(CommandError, match="percentage"):
        call_command("sandbox", "--unknown", "101")
