"""Whom messages are about: names resolve to one contact, within the rules, and safely at once."""

import pytest

from contacts.identities import Name
from contacts.merging import survivor_of
from contacts.models import ContactMerge, Identity
from contacts.resolution import Claim, Resolution, resolve
from tests.factories import NOW


def _claim(evidence: str = "", previous: str = "", **names: str) -> Claim:
    """A claim, with the names as they are called in messages."""
    namespaces = {"user": "user_id", "anonymous": "anonymous_id"}
    return Claim(
        tuple(Name(namespaces.get(key, key), value) for key, value in names.items()),
        evidence,
        previous,
    )


def _resolve(*claims: Claim) -> list[Resolution]:
    return resolve(claims, at=NOW, cause="source:shop")


def _one(**names: str) -> int:
    (found,) = _resolve(_claim(**names))
    assert found.contact_id is not None
    return found.contact_id


def _names(contact_id: int) -> set[str]:
    return {str(identity) for identity in Identity.objects.filter(contact_id=contact_id)}


@pytest.mark.django_db
def test_michael_browses_signs_up_and_comes_back_on_his_phone() -> None:
    browsing = _one(anonymous="laptop")
    assert _one(user="michael", anonymous="laptop") == browsing
    on_the_phone = _one(anonymous="phone")
    (found,) = _resolve(_claim("identify, message 7", user="michael", anonymous="phone"))
    assert found == Resolution(browsing, False, (on_the_phone,))
    assert _names(browsing) == {"user_id:michael", "anonymous_id:laptop", "anonymous_id:phone"}
    merge = ContactMerge.objects.get(pk=on_the_phone)
    assert (merge.survivor_id, merge.evidence) == (browsing, "identify, message 7")
    assert merge.names == [["user_id", "michael"], ["anonymous_id", "phone"]]
    assert survivor_of(on_the_phone) == browsing
