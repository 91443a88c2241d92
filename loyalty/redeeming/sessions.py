"""Sessions: cards held for one customer while he pays, so that nobody else can use them up.

A session holds one use of each card and some of its money until it expires, is released, or is
used up by the redemption that names its key. Nobody has to run for it to expire: a hold that is
over counts no more. Whoever knows the key of a session may use what it holds.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from loyalty.errors import SessionInvalid
from loyalty.models import Campaign, Voucher, VoucherLock
from workspace import access, audit, locks, sql
from workspace.access import Actor

KEY_LIMIT = 120
DEFAULT_TTL, DEFAULT_UNIT = 7, "DAYS"
# How many microseconds a unit has; what is shorter than one is none.
UNITS = {
    "DAYS": 86_400_000_000,
    "HOURS": 3_600_000_000,
    "MINUTES": 60_000_000,
    "SECONDS": 1_000_000,
    "MILLISECONDS": 1_000,
    "MICROSECONDS": 1,
    "NANOSECONDS": 0.001,
}
_TTL_LIMIT = timedelta(days=366)

_OTHERS = """
SELECT voucher_id, count(*) AS uses, sum(amount_minor) AS amount FROM loyalty_voucherlock
WHERE voucher_id = ANY(%s::bigint[]) AND session_key <> %s AND expires_at > %s GROUP BY voucher_id
"""
_HOLD = """
INSERT INTO loyalty_voucherlock
  (session_key, voucher_id, contact_id, amount_minor, created_at, expires_at)
SELECT %s, held.voucher_id, held.contact_id, held.amount_minor, %s, %s
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS held (voucher_id, contact_id, amount_minor)
"""


@dataclass(frozen=True, slots=True)
class SessionWish:
    """A session that somebody asks for; without a key one is made."""

    key: str = ""
    ttl: int | float | None = None
    ttl_unit: str = DEFAULT_UNIT


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was begun: until when it holds."""

    key: str
    ttl: int | float
    ttl_unit: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What sessions hold of a card: how many uses, and how much money."""

    uses: int = 0
    amount_minor: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """What a session shall hold of a card."""

    voucher_id: int
    contact_id: int | None
    amount_minor: int


def begin(wish: SessionWish, *, at: datetime) -> Session:
    """The session of a wish, from now on. Raises SessionInvalid. Holds nothing yet."""
    key = check_key(wish.key) or f"ssn_{secrets.token_hex(16)}"
    ttl = DEFAULT_TTL if wish.ttl is None else wish.ttl
    unit = UNITS.get(wish.ttl_unit)
    if unit is None:
        words = {"known": ", ".join(UNITS)}
        raise SessionInvalid(_("The unit of a session's time is one of: %(known)s.") % words)
    limit = _TTL_LIMIT / timedelta(microseconds=1) / unit
    if not 0 < ttl <= limit:
        message = _("A session lasts longer than nothing and no longer than 366 days.")
        raise SessionInvalid(message)
    return Session(key, ttl, wish.ttl_unit, at + timedelta(microseconds=int(ttl * unit)))


def check_key(key: str) -> str:
    """The key of a session, if it can be one. Raises SessionInvalid."""
    if len(key) > KEY_LIMIT or (key and not key.isprintable()):
        words = {"limit": KEY_LIMIT}
        message = _("The key of a session has up to %(limit)d printable characters.") % words
        raise SessionInvalid(message)
    return key


def take_turn(key: str) -> None:
    """Let nobody else use the session of this key until the transaction ends."""
    locks.lock(f"loyalty session {key}")


def hold(session: Session, holds: Sequence[Hold], *, at: datetime) -> None:
    """Hold these instead of what the session held. The cards are locked by the transaction."""
    VoucherLock.objects.filter(session_key=session.key).delete()
    voucher_ids = [one.voucher_id for one in holds]
    VoucherLock.objects.filter(voucher_id__in=voucher_ids, expires_at__lte=at).delete()
    contact_ids = [one.contact_id for one in holds]
    amounts = [one.amount_minor for one in holds]
    columns = [voucher_ids, contact_ids, amounts]
    sql.execute(_HOLD, [session.key, at, session.expires_at, *columns])


def held_by_others(
    voucher_ids: Collection[int], *, session_key: str, at: datetime
) -> dict[int, Held]:
    """What other sessions hold of these cards; those of which they hold nothing are left out."""
    rows = sql.rows(_OTHERS, [list(voucher_ids), session_key, at])
    return {row["voucher_id"]: Held(row["uses"], int(row["amount"])) for row in rows}


def held_by(session_key: str, *, at: datetime) -> dict[int, int]:
    """How much money the session holds, by card; nothing where it is over."""
    if not session_key:
        return {}
    held = VoucherLock.objects.filter(session_key=session_key, expires_at__gt=at)
    return dict(held.values_list("voucher_id", "amount_minor"))


def use_up(session_key: str) -> None:
    """Let the session hold nothing any more: it was redeemed."""
    if session_key:
        VoucherLock.objects.filter(session_key=session_key).delete()


@transaction.atomic
def release(session_key: str, *, voucher: Voucher | None = None, actor: Actor, at: datetime) -> int:
    """Let go what a session holds, of one card or of all; returns of how many cards.

    Only of cards that the actor may know of. Where it holds nothing, nothing happens.
    """
    access.require(actor, "loyalty.add_redemption")
    take_turn(session_key)
    held = VoucherLock.objects.filter(session_key=session_key)
    if voucher is not None:
        held = held.filter(voucher=voucher)
    if not actor.is_admin:
        seen = access.visible(Campaign.objects.all(), actor)
        held = held.filter(voucher__campaign__in=seen.values("pk"))
    for one in held.select_related("voucher").order_by("voucher_id"):
        # At most the thirty cards of an order, and each has an audit trail of its own.
        changes = {"held": [one.amount_minor, 0]}
        audit.record(
            actor=actor, action="voucher.released", subject=one.voucher, changes=changes, at=at
        )
    return held.delete()[0]


def purge(*, at: datetime) -> int:
    """Delete the holds that are over; they count no more anyway."""
    return VoucherLock.objects.filter(expires_at__lte=at).delete()[0]
