"""Tags and categories by sets, the ledger of consents, the history of the lead score."""

import pytest

from contacts import consents, labels, scores
from contacts.errors import ContactInvalid, ContactUnknown, DefinitionUnknown
from contacts.models import ConsentState, Contact, ContactTag
from tests.factories import DAY, HOUR, NOW, make_consent, make_contact, make_tag
from workspace.access import SYSTEM
from workspace.errors import InputInvalid


def _record(contact: Contact, state: str, hours: int = 0) -> None:
    consents.record(
        contact_id=contact.pk,
        key="sms",
        state=state,
        at=NOW + hours * HOUR,
        source="form",
        reason="asked",
        actor=SYSTEM,
    )


@pytest.mark.django_db
def test_labels_are_given_taken_and_replaced_by_sets() -> None:
    make_tag("a")
    make_tag("b")
    ids = [make_contact().pk for _number in range(3)]
    erased = make_contact()
    Contact.objects.filter(pk=erased.pk).update(erased_at=NOW)
    assert labels.add("tag", "a", [*ids[:2], erased.pk], at=NOW) == 2
    assert labels.add("tag", "a", ids, at=NOW) == 1
    assert labels.replace("tag", ["b"], ids[:1], at=NOW) == 1
    assert labels.replace("tag", ["b"], ids[:1], at=NOW) == 0
    assert labels.remove("tag", "a", ids) == 2
    assert set(ContactTag.objects.values_list("contact_id", "tag__key")) == {(ids[0], "b")}


@pytest.mark.django_db
def test_labels_that_are_not_defined_are_refused() -> None:
    with pytest.raises(DefinitionUnknown, match="nope"):
        labels.add("tag", "nope", [1], at=NOW)
    with pytest.raises(DefinitionUnknown, match="nope"):
        labels.replace("tag", ["nope"], [1], at=NOW)
    with pytest.raises(DefinitionUnknown):
        labels.remove("category", "nope", [1])


@pytest.mark.django_db
def test_the_latest_line_of_the_ledger_counts_whatever_the_order() -> None:
    make_consent("sms")
    contact = make_contact()
    _record(contact, "withdrawn", hours=2)
    _record(contact, "granted", hours=1)
    assert consents.states_of([contact.pk]) == {contact.pk: {"sms": "withdrawn"}}
    assert [line.state for line in consents.history(contact.pk)] == ["withdrawn", "granted"]
    assert consents.history(contact.pk)[0].reason == "asked"


@pytest.mark.django_db
def test_a_consent_is_recorded_for_many_where_it_is_news() -> None:
    make_consent("sms")
    ids = [make_contact().pk for _number in range(3)]
    for _time in range(2):
        consents.record_many(
            contact_ids=ids,
            key="sms",
            state="granted",
            at=NOW,
            source="segment",
            actor=SYSTEM,
            only_changes=True,
        )
    assert ConsentState.objects.count() == 3
    assert len(consents.history(ids[0])) == 1


@pytest.mark.django_db
def test_a_consent_of_nobody_or_nothing_is_refused() -> None:
    contact = make_contact()
    with pytest.raises(DefinitionUnknown):
        _record(contact, "granted")
    make_consent("sms")
    with pytest.raises(InputInvalid):
        _record(contact, "unknown")
    Contact.objects.filter(pk=contact.pk).update(erased_at=NOW)
    with pytest.raises(ContactUnknown):
        _record(contact, "granted")


@pytest.mark.django_db
def test_the_history_of_the_score_has_a_line_for_each_change() -> None:
    contact = make_contact()
    for score, day in ((5, 0), (5, 1), ("7.25", 2)):
        scores.set_score(contact.pk, score, at=NOW + day * DAY, reason="visit", actor=SYSTEM)
    assert [(str(line.score), line.at) for line in scores.history(contact.pk)] == [
        ("7.2500", NOW + 2 * DAY),
        ("5.0000", NOW),
    ]
    with pytest.raises(ContactInvalid):
        scores.set_score(contact.pk, "many", at=NOW, actor=SYSTEM)
    with pytest.raises(ContactUnknown):
        scores.set_score(0, 1, at=NOW, actor=SYSTEM)
