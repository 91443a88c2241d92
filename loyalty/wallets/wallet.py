"""The wallet of a contact: the cards he holds and what else he may have, and the link to it.

The link needs no login: it is signed, names the contact and a version, and ends after a while or
when somebody withdraws it. A link of a contact that was merged leads to the one who is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db.models import QuerySet
from django.urls import reverse

from contacts.errors import ContactUnknown
from contacts.models import Contact
from contacts.profiles import get_contact
from contacts.survivors import merged_into, survivor_of
from loyalty.gift_cards import states
from loyalty.models import Campaign, Voucher, WalletLink
from loyalty.rewards import eligibility
from workspace import access, audit, sql
from workspace.access import SYSTEM, Actor

SALT = "loyalty.wallet"
VALID_FOR = timedelta(days=400)
USABLE = frozenset({"published", "partially_redeemed", "not_active"})
_WITHDRAW = """
INSERT INTO loyalty_walletlink (contact_id, version, withdrawn_at)
SELECT id, 2, %s FROM unnest(%s::bigint[]) AS given (id)
ON CONFLICT (contact_id) DO UPDATE
SET version = loyalty_walletlink.version + 1, withdrawn_at = excluded.withdrawn_at
"""


@dataclass(frozen=True, slots=True)
class WalletCard:
    """A card that a contact holds. Money is in minor units of `currency`."""

    code: str
    campaign: Campaign
    balance_minor: int
    initial_minor: int
    currency: str
    expires_at: datetime | None
    starts_at: datetime | None
    state: str

    @property
    def is_usable(self) -> bool:
        """Whether it pays now, or will."""
        return self.state in USABLE


@dataclass(frozen=True, slots=True)
class OpenedWallet:
    """What a link leads to."""

    contact: Contact
    cards: Sequence[WalletCard]
    offers: Sequence[eligibility.Eligibility]


def wallet_of(contact_id: int, *, actor: Actor, at: datetime) -> list[WalletCard]:
    """The cards that a contact holds, of campaigns that the actor may know of.

    First those that can be used, the one that ends first before others; then those that are over,
    the newest first. Raises ContactUnknown.
    """
    access.require(actor, "loyalty.view_voucher")
    return _cards(get_contact(contact_id).pk, actor=actor, at=at)


def offers_of(contact_id: int, *, actor: Actor, at: datetime) -> list[eligibility.Eligibility]:
    """The rewards, offers and the like that the contact may have now."""
    found = eligibility.eligibility(contact_id, actor=actor, at=at)
    return [one for one in found if one.eligible]


def wallet_url(contact_id: int) -> str:
    """The address of the contact's wallet, for an e-mail to him: who has it may open it."""
    return wallet_urls([contact_id])[contact_id]


def wallet_urls(contact_ids: Sequence[int]) -> dict[int, str]:
    """The same for many; one query."""
    versions, found = _versions(list(contact_ids)), {}
    for contact_id in contact_ids:
        token = signing.dumps([contact_id, versions.get(contact_id, 1)], salt=SALT)
        address = reverse("wallet", args=[token])
        found[contact_id] = f"{settings.BASE_URL.rstrip('/')}{address}"
    return found


def open_wallet(token: str, *, at: datetime) -> OpenedWallet:
    """The wallet to which a link leads. Raises ContactUnknown where it leads nowhere (any more)."""
    try:
        contact_id, version = signing.loads(token, salt=SALT, max_age=VALID_FOR)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise ContactUnknown("") from error
    if version != _versions([contact_id]).get(contact_id, 1):
        raise ContactUnknown(str(contact_id))
    contact = get_contact(contact_id)
    cards = _cards(contact.pk, actor=SYSTEM, at=at)
    return OpenedWallet(contact, cards, offers_of(contact.pk, actor=SYSTEM, at=at))


def withdraw_links(contact_id: int, *, actor: Actor, at: datetime) -> None:
    """Make every link to the contact's wallet worthless that was given out so far."""
    access.require(actor, "loyalty.change_voucher")
    contact = get_contact(contact_id)
    # Those of contacts that were merged into this one lead to the same wallet.
    sql.execute(_WITHDRAW, [at, [contact.pk, *merged_into([contact.pk])]])
    audit.record(actor=actor, action="wallet.links_withdrawn", subject=contact, at=at)


def forget(contact_ids: Iterable[int]) -> int:
    """Forget what is known of links to the wallets of contacts that are erased."""
    count, _by_model = WalletLink.objects.filter(contact_id__in=list(contact_ids)).delete()
    return count


def _versions(contact_ids: Sequence[int]) -> dict[int, int]:
    found = WalletLink.objects.filter(contact_id__in=contact_ids)
    return dict(found.values_list("contact_id", "version"))


def _cards(contact_id: int, *, actor: Actor, at: datetime) -> list[WalletCard]:
    held: QuerySet[Voucher] = Voucher.objects.filter(holder_id=survivor_of(contact_id))
    known = access.visible(Campaign.objects.all(), actor).order_by().values("pk")
    rows = held.filter(campaign_id__in=known).select_related("campaign").order_by("-pk")
    cards = [
        WalletCard(
            code=voucher.code,
            campaign=voucher.campaign,
            balance_minor=voucher.balance_minor,
            initial_minor=voucher.initial_minor,
            currency=voucher.campaign.currency,
            expires_at=states.expires_at(voucher),
            starts_at=voucher.starts_at or voucher.campaign.starts_at,
            state=states.state_of(voucher, at=at),
        )
        for voucher in rows
    ]
    return sorted(cards, key=_place)


def _place(card: WalletCard) -> tuple[bool, float]:
    ends = card.expires_at.timestamp() if card.expires_at else float("inf")
    return not card.is_usable, ends if card.is_usable else -ends
