"""Who behaves like a cheat is locked out, noted once, blocked and let in again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from contacts import erasure, merging
from loyalty import tasks
from loyalty.errors import Blocked, LockedOut, SubjectInvalid
from loyalty.guarding import lockouts, suspects, suspicions, watching
from loyalty.models import (
    Campaign,
    CardPosting,
    CodeBatch,
    Publication,
    Redemption,
    Suspicion,
    Voucher,
)
from tests.factories import DAY, MINUTE, NOW, make_contact
from workspace.access import SYSTEM, Actor
from workspace.errors import NotAllowed
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
HERE = "ip:203.0.113.7"


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def try_codes(subject: str, times: int, at: datetime = NOW) -> None:
    for _n in range(times):
        suspicions.note_unknown_code([subject], at=at)


def wait_for(subject: str, at: datetime = NOW) -> int:
    with pytest.raises(LockedOut) as refused:
        lockouts.require_unlocked([subject, "ip:198.51.100.1"], at=at)
    wait: int = refused.value.context["retry_after"]
    return wait


def test_ten_unknown_codes_lock_an_address_out_for_a_while_that_grows() -> None:
    try_codes(HERE, 9)
    lockouts.require_unlocked([HERE], at=NOW)
    try_codes(HERE, 1)
    assert wait_for(HERE) == 15 * 60
    lockouts.require_unlocked(["ip:203.0.113.8"], at=NOW)
    later = NOW + 15 * MINUTE
    lockouts.require_unlocked([HERE], at=later)
    cache.delete(f"lockout:{HERE}")
    try_codes(HERE, 10, later)
    assert wait_for(HERE, later) == 30 * 60
    suspicions.unblock(HERE, actor=SYSTEM, at=later)
    lockouts.require_unlocked([HERE], at=later)
    try_codes(HERE, 10, later)
    assert wait_for(HERE, later) == 15 * 60, "cleared by a person: as if it were the first time"


def test_a_program_of_the_shop_has_more_attempts_and_a_publishable_key_is_never_locked() -> None:
    try_codes("api_user:1", 299)
    lockouts.require_unlocked(["api_user:1"], at=NOW)
    try_codes("api_user:1", 1)
    assert wait_for("api_user:1")
    try_codes("client_key:1", 500)
    lockouts.require_unlocked(["client_key:1"], at=NOW)


def test_a_storm_is_one_suspicion_which_counts_on() -> None:
    until = (NOW + 15 * MINUTE).isoformat()
    tasks.note_unknown_codes(HERE, 10, NOW.isoformat(), until)
    tasks.note_unknown_codes(HERE, 12, (NOW + MINUTE).isoformat(), until)
    one = Suspicion.objects.get()
    assert (one.kind, one.subject, one.state, one.count) == ("unknown_codes", HERE, "open", 22)
    assert (one.first_at, one.last_at) == (NOW, NOW + MINUTE)
    assert suspects.examine().is_well is False
    suspicions.unblock(HERE, actor=SYSTEM, at=NOW + MINUTE)
    assert suspects.examine().is_well is True
    tasks.note_unknown_codes(HERE, 10, (NOW + DAY).isoformat(), until)
    assert Suspicion.objects.count() == 2, "what was cleared stays so; a new one is opened"


def test_blocking_needs_the_permission_and_somebody_and_is_on_the_trail() -> None:
    contact = make_contact()
    subject = f"contact:{contact.pk}"
    nobody = Actor(AuditEntry.ActorKind.USER, 1, "Jim")
    for verb in (suspicions.block, suspicions.unblock):
        with pytest.raises(NotAllowed):
            verb(subject, actor=nobody, at=NOW)
    for wrong in ("contact:0", "contact:x", "ip:1.2.3", "mailbox:none", "user:1", "", "contact:"):
        with pytest.raises(SubjectInvalid):
            suspicions.block(wrong, actor=SYSTEM, at=NOW)
    with pytest.raises(SubjectInvalid, match="before it begins"):
        suspicions.block(subject, until=NOW, actor=SYSTEM, at=NOW)
    assert not suspicions.is_blocked([subject], at=NOW)
    made = suspicions.block(subject, reason="Sold cards", actor=SYSTEM, at=NOW)
    assert (made.kind, made.state) == ("by_hand", "blocked")
    with pytest.raises(Blocked):
        suspicions.require_unblocked([HERE, subject], at=NOW)
    assert suspicions.unblock(subject, actor=SYSTEM, at=NOW) == 1
    assert not suspicions.is_blocked([subject], at=NOW)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", "changes"))
    assert ("suspicion.blocked", {"reason": [None, "Sold cards"]}) in actions
    assert actions[-1][0] == "suspicion.cleared"


def test_a_block_ends_when_it_was_said_to() -> None:
    suspicions.block(HERE, until=NOW + DAY, actor=SYSTEM, at=NOW)
    assert suspicions.is_blocked([HERE], at=NOW + DAY - timedelta(seconds=1))
    assert not suspicions.is_blocked([HERE], at=NOW + DAY)


def test_whether_somebody_is_blocked_takes_one_query(django_assert_num_queries: Any) -> None:
    contact = make_contact(email="a@example.com")
    with django_assert_num_queries(1):
        suspicions.is_blocked([HERE, f"contact:{contact.pk}", "api_user:3"], at=NOW)


def give(contact: Any, at: datetime = NOW) -> Publication:
    """A publication as the rows have it."""
    campaign, _made = Campaign.objects.get_or_create(
        key="cards", defaults={"name": "Cards", "amount_minor": 100}
    )
    batch = CodeBatch.objects.create(
        campaign=campaign, kind="single", code_count=1, amount_minor=100, created_at=NOW
    )
    voucher = Voucher.objects.create(
        campaign=campaign,
        batch=batch,
        code=f"C{Voucher.objects.count()}",
        initial_minor=100,
        balance_minor=100,
        holder=contact,
        published_at=at,
    )
    CardPosting.objects.create(
        campaign=campaign,
        batch=batch,
        kind="issue",
        debit="issued",
        credit="cards",
        amount_minor=100,
        currency="USD",
        cause=f"batch:{batch.pk}",
        at=NOW,
    )
    return Publication.objects.create(campaign=campaign, voucher=voucher, contact=contact, at=at)


def test_many_contacts_of_one_mailbox_are_noted_and_can_be_blocked_together() -> None:
    addresses = ("a.b@example.com", "ab+1@example.com", "A.B+2@Example.com")
    contacts = [make_contact(email=one) for one in addresses]
    other = make_contact(email="b@example.com")
    for contact in contacts[:2]:
        give(contact)
    watching.watch(NOW)
    assert not Suspicion.objects.exists(), "a couple may share a mailbox"
    give(contacts[2])
    give(other)
    for _n in range(2):
        watching.watch(NOW)
    one = Suspicion.objects.get()
    assert (one.kind, one.count, one.state) == ("many_cards", 3, "open")
    assert one.subject == suspicions.mailbox_of("a+9.b@example.com".replace("+9.", "."))
    assert sorted(one.details["some"]) == sorted(str(contact.pk) for contact in contacts)
    suspicions.block(one.subject, actor=SYSTEM, at=NOW)
    ids = [contact.pk for contact in (*contacts, other)]
    assert suspicions.blocked_contacts(ids, at=NOW) == {contact.pk for contact in contacts}
    assert suspicions.is_blocked([f"contact:{contacts[0].pk}"], at=NOW)
    assert not suspicions.is_blocked([f"contact:{other.pk}"], at=NOW)
    erasure.erase_contact(contacts[0].pk, actor=SYSTEM, at=NOW)
    assert not Suspicion.objects.exists(), "a mailbox is forgotten with its contact"


def test_many_redemptions_in_a_short_time_are_noted_but_not_again_once_cleared() -> None:
    contact = make_contact()
    voucher = give(contact).voucher

    def redeem(times: int, at: datetime) -> None:
        Redemption.objects.bulk_create(
            Redemption(voucher=voucher, contact=contact, state="succeeded", at=at)
            for _n in range(times)
        )

    redeem(9, NOW)
    watching.watch(NOW)
    assert not Suspicion.objects.exists()
    redeem(1, NOW + 9 * MINUTE)
    watching.watch(NOW + 9 * MINUTE)
    one = Suspicion.objects.get()
    assert (one.kind, one.subject, one.count) == ("velocity", f"contact:{contact.pk}", 10)
    suspicions.unblock(one.subject, actor=SYSTEM, at=NOW + 9 * MINUTE)
    watching.watch(NOW + 9 * MINUTE)
    assert Suspicion.objects.count() == 1
    redeem(10, NOW + 10 * MINUTE)
    watching.watch(NOW + 10 * MINUTE)
    assert Suspicion.objects.count() == 2
    watching.watch(NOW + DAY)
    assert Suspicion.objects.count() == 2, "what is long ago is no sign"


def test_a_block_follows_to_whom_the_contact_becomes() -> None:
    survivor, loser = make_contact(), make_contact()
    suspicions.note("velocity", f"contact:{survivor.pk}", at=NOW)
    suspicions.note("velocity", f"contact:{loser.pk}", at=NOW)
    suspicions.block(f"contact:{loser.pk}", actor=SYSTEM, at=NOW)
    merging.merge_contacts(survivor.pk, loser.pk, cause="test", actor=SYSTEM, at=NOW)
    assert suspicions.is_blocked([f"contact:{survivor.pk}"], at=NOW)
    assert set(Suspicion.objects.values_list("subject", flat=True)) == {f"contact:{survivor.pk}"}
