"""The list of addresses that nothing is sent to."""

import pytest

from contacts.erasure import erase_contact
from contacts.merging import merge_contacts
from integrations import suppressions
from integrations.errors import SuppressionInvalid, SuppressionUnknown
from integrations.models import Suppression
from integrations.suppressions import Unwanted, suppressed_addresses
from tests.factories import HOUR, NOW, make_contact
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
CLERK = Actor(AuditEntry.ActorKind.USER, 1, "Clerk")


def note(address: str, reason: str = "bounce") -> int:
    return suppressions.note([Unwanted(address, reason, "550 No such user")], at=NOW)


def test_addresses_are_the_same_however_they_are_written() -> None:
    note("Anna@Example.com")
    asked = [" anna@example.COM", "ANNA@example.com", "other@example.com", ""]
    assert suppressed_addresses(asked) == {asked[0]: "bounce", asked[1]: "bounce"}
    assert suppressed_addresses([]) == {}


def test_asking_costs_one_query(django_assert_num_queries: object) -> None:
    note("anna@example.com")
    with django_assert_num_queries(1):  # type: ignore[operator]
        suppressed_addresses(f"person{number}@example.com" for number in range(500))


def test_a_graver_reason_stays() -> None:
    assert [note("a@x.pl"), note("a@x.pl"), note("a@x.pl", "complaint"), note("a@x.pl")] == [
        *(1, 0, 1, 0)
    ]
    assert suppressed_addresses(["a@x.pl"]) == {"a@x.pl": "complaint"}


def test_one_batch_may_name_an_address_twice() -> None:
    both = [Unwanted("a@x.pl", "bounce"), Unwanted("A@x.pl", "complaint"), Unwanted("no", "bounce")]
    assert suppressions.note(both, at=NOW) == 1
    assert suppressed_addresses(["a@x.pl"]) == {"a@x.pl": "complaint"}


def test_whose_address_it_is_is_noted() -> None:
    contact = make_contact(email="Anna@example.com")
    note("anna@EXAMPLE.com")
    assert Suppression.objects.get().contact_id == contact.pk


def test_people_add_and_lift_with_a_reason() -> None:
    assert suppressions.add(["a@x.pl"], detail="by phone", actor=SYSTEM, at=NOW) == 1
    found = Suppression.objects.get()
    assert (found.reason, found.detail) == ("manual", "by phone")
    with pytest.raises(SuppressionInvalid, match="Say why"):
        suppressions.lift(found.pk, why=" ", actor=SYSTEM, at=NOW)
    suppressions.lift(found.pk, why="he wrote to us", actor=SYSTEM, at=NOW)
    assert suppressed_addresses(["a@x.pl"]) == {}
    told = AuditEntry.objects.get(action="suppression.lifted")
    assert told.changes["why"] == ["", "he wrote to us"]
    assert "a@x.pl" not in f"{told.object_label}{told.changes}"
    with pytest.raises(SuppressionUnknown):
        suppressions.lift(found.pk, why="again", actor=SYSTEM, at=NOW)


def test_nothing_is_added_where_one_is_no_address() -> None:
    with pytest.raises(SuppressionInvalid) as refused:
        suppressions.add(["a@x.pl", "nobody"], actor=SYSTEM, at=NOW)
    assert [problem.path for problem in refused.value.problems] == ["addresses.1"]
    assert not Suppression.objects.exists()


def test_permissions_are_asked() -> None:
    note("a@x.pl")
    with pytest.raises(NotAllowed):
        suppressions.add(["a@x.pl"], actor=CLERK, at=NOW)
    with pytest.raises(NotAllowed):
        suppressions.lift(Suppression.objects.get().pk, why="x", actor=CLERK, at=NOW)


def test_an_erased_contact_is_not_written_to_and_not_known_either() -> None:
    contact = make_contact(email="anna@example.com")
    note("anna@example.com", "complaint")
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    kept = Suppression.objects.get()
    assert (kept.contact_id, kept.detail) == (None, "")
    assert "anna" not in kept.address
    assert suppressed_addresses(["Anna@example.com"]) == {"Anna@example.com": "complaint"}
    # It comes back, and is not noted beside its digest.
    assert note("anna@example.com") == 0
    again = make_contact(email="anna@example.com", at=NOW + HOUR)
    erase_contact(again.pk, actor=SYSTEM, at=NOW + HOUR)
    assert Suppression.objects.count() == 1


def test_a_merge_keeps_it_with_the_survivor() -> None:
    survivor, loser = make_contact(email="a@x.pl"), make_contact(email="b@x.pl")
    note("b@x.pl")
    merge_contacts(survivor.pk, loser.pk, actor=SYSTEM, at=NOW, cause="test")
    assert Suppression.objects.get().contact_id == survivor.pk
