"""What receivers say about being written to: one link of a message, without a log-in.

Consents are withdrawn and granted by purpose. Who wants no e-mail at all has his address
suppressed, which holds for every room that sends, also for messages that need no consent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.signing import BadSignature
from django.db import transaction
from django.utils.translation import gettext as _

from contacts import consents
from contacts.consent_words import words_of
from contacts.errors import ContactUnknown
from contacts.models import ConsentDefinition, ConsentEntry, Contact
from contacts.survivors import survivor_of
from integrations import suppressions
from integrations.models import MailReport, Suppression
from integrations.suppressions import Unwanted
from journeys.errors import MessageUnknown
from journeys.messages import results
from journeys.messages.links import Holder, read_holder
from workspace.access import SYSTEM

SOURCE = "preferences"
GRANTED, WITHDRAWN = ConsentEntry.State.GRANTED.value, ConsentEntry.State.WITHDRAWN.value


@dataclass(frozen=True, slots=True)
class Purpose:
    """Something that a contact may allow, in words, and whether it does."""

    key: str
    label: str
    description: str
    is_granted: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """A contact's wishes, in his language: of what is shown to customers.

    `purpose` is that of the message whose link was opened, if it has one; it is shown anyway.

    `is_undeliverable`: his address is suppressed for another reason than his wish.
    """

    contact: Contact
    purposes: Sequence[Purpose]
    gets_mail: bool
    purpose: Purpose | None
    is_undeliverable: bool = False

    @property
    def hidden_address(self) -> str:
        """The address, so that its owner knows it and nobody else can read it."""
        name, at, domain = (self.contact.email or "").partition("@")
        return f"{name[:1]}…{at}{domain}" if at else ""


def open_preferences(token: str) -> tuple[Holder, Preferences]:
    """Whose link it is, and what he wants at present.

    Raises MessageUnknown for what is no link of ours, and for a contact that was erased.
    """
    try:
        holder = read_holder(token)
        contact = _contact(holder)
    except (BadSignature, ValueError, ContactUnknown) as error:
        raise MessageUnknown(_("This link leads nowhere.")) from error
    return holder, _preferences(contact, holder.purpose)


@transaction.atomic
def unsubscribe(token: str, *, at: datetime) -> Preferences:
    """Withdraw what the message was sent for; of one without a purpose, all e-mail.

    Idempotent: who clicks again finds it done. The event `email_unsubscribed` is recorded once for
    the message. Raises MessageUnknown.
    """
    holder, before = open_preferences(token)
    contact = before.contact
    if before.purpose is not None:
        _write(contact, {holder.purpose: WITHDRAWN}, at=at, source="unsubscribe")
    else:
        _stop_all(contact, at=at)
    results.note_report(MailReport.Kind.UNSUBSCRIBE, message_id=holder.message_id, at=at)
    return _preferences(contact, holder.purpose)


@transaction.atomic
def change(token: str, *, granted: Collection[str], gets_mail: bool, at: datetime) -> Preferences:
    """Write what the contact allows: `granted` by key, all others are withdrawn.

    Only what changes is written. Consents that he never said anything of stay unknown unless he
    grants them. Raises MessageUnknown.
    """
    holder, before = open_preferences(token)
    contact = before.contact
    states = consents.states_of([contact.pk])[contact.pk]
    news = {}
    for one in before.purposes:
        wanted = GRANTED if one.key in granted else WITHDRAWN
        is_news = states[one.key] != wanted and (
            wanted == GRANTED or states[one.key] != consents.UNKNOWN
        )
        if is_news:
            news[one.key] = wanted
    _write(contact, news, at=at, source=SOURCE)
    if before.gets_mail and not gets_mail:
        _stop_all(contact, at=at)
    if gets_mail and not before.gets_mail and contact.email:
        suppressions.lift_unsubscription(contact.email)
    if not gets_mail or WITHDRAWN in news.values():
        results.note_report(MailReport.Kind.UNSUBSCRIBE, message_id=holder.message_id, at=at)
    return _preferences(contact, holder.purpose)


def _contact(holder: Holder) -> Contact:
    contact = Contact.objects.filter(pk=survivor_of(holder.contact_id), erased_at=None).first()
    if contact is None:
        raise ContactUnknown(str(holder.contact_id))
    return contact


def _preferences(contact: Contact, purpose: str) -> Preferences:
    states = consents.states_of([contact.pk])[contact.pk]
    asked, purposes = None, []
    for one in ConsentDefinition.objects.order_by("label", "key"):
        label, description = words_of(one, contact.language)
        said = Purpose(one.key, label, description, states[one.key] == GRANTED)
        asked = said if one.key == purpose else asked
        # Whoever was written to for it may withdraw it, whatever else is internal.
        if one.is_public or said is asked:
            purposes.append(said)
    address = contact.email or ""
    reason = suppressions.suppressed_addresses([address]).get(address)
    is_undeliverable = reason not in (None, Suppression.Reason.UNSUBSCRIBE)
    return Preferences(contact, purposes, reason is None, asked, is_undeliverable)


def _write(contact: Contact, states: dict[str, str], *, at: datetime, source: str) -> None:
    for key, state in states.items():
        # As many as there are purposes on the page: a few.
        consents.record_many(
            contact_ids=[contact.pk],
            key=key,
            state=state,
            at=at,
            source=source,
            actor=SYSTEM,
            only_changes=True,
        )


def _stop_all(contact: Contact, *, at: datetime) -> None:
    if contact.email:
        unwanted = Unwanted(contact.email, Suppression.Reason.UNSUBSCRIBE, "", contact.pk)
        suppressions.note([unwanted], at=at)
