"""What a card is at an instant: generated, published, used up, expired.

The same rule three times, because rows are shown one by one, filtered in lists, and counted in
reports; a test holds them together. The first of these that holds is the state:

- `disabled`: the card or its campaign was switched off;
- `fully_redeemed`: nothing is left of what was used, or it was used as often as it may be;
- `expired`: the card or its campaign is past its end;
- `not_active`: the card or its campaign has not begun, or the campaign is a draft;
- `partially_redeemed`, `published`, `generated`: it can be used, the latter by whoever has it.

Days of the week and times that come again are not a state: see `loyalty.validity`.
"""

from datetime import datetime

from django.db.models import Case, CharField, F, IntegerField, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from loyalty.models import Campaign, Voucher

STATES = {
    "generated": _("generated"),
    "published": _("published"),
    "partially_redeemed": _("partially redeemed"),
    "fully_redeemed": _("fully redeemed"),
    "expired": _("expired"),
    "disabled": _("disabled"),
    "not_active": _("not yet active"),
}

_SQL = """CASE
  WHEN NOT {v}.is_enabled OR {c}.status = 'disabled' THEN 'disabled'
  WHEN {v}.redeemed_count > 0 AND ({v}.redeemed_count >=
      coalesce({v}.redemption_limit, {c}.redemption_limit, 2147483647)
    OR ({v}.balance_minor = 0 AND {v}.expired_at IS NULL)) THEN 'fully_redeemed'
  WHEN {v}.expires_at <= {at} OR {c}.ends_at <= {at} THEN 'expired'
  WHEN {v}.starts_at > {at} OR {c}.starts_at > {at} OR {c}.status = 'draft' THEN 'not_active'
  WHEN {v}.redeemed_count > 0 THEN 'partially_redeemed'
  WHEN {v}.published_at IS NOT NULL THEN 'published'
  ELSE 'generated' END"""


def limit_of(voucher: Voucher) -> int | None:
    """How often the card may be used: its own limit, else its campaign's; None for any number."""
    if voucher.redemption_limit is not None:
        return voucher.redemption_limit
    return voucher.campaign.redemption_limit


def expires_at(voucher: Voucher) -> datetime | None:
    """The first instant at which the card is over: its own end or its campaign's."""
    ends = [end for end in (voucher.expires_at, voucher.campaign.ends_at) if end is not None]
    return min(ends, default=None)


def state_of(voucher: Voucher, *, at: datetime) -> str:
    """The state of a card, whose campaign had better be loaded."""
    campaign, limit, end = voucher.campaign, limit_of(voucher), expires_at(voucher)
    if not voucher.is_enabled or campaign.status == Campaign.Status.DISABLED:
        return "disabled"
    is_used_up = limit is not None and voucher.redeemed_count >= limit
    is_empty = voucher.balance_minor == 0 and voucher.expired_at is None
    if voucher.redeemed_count > 0 and (is_used_up or is_empty):
        return "fully_redeemed"
    if end is not None and end <= at:
        return "expired"
    begins = [begin for begin in (voucher.starts_at, campaign.starts_at) if begin is not None]
    if any(begin > at for begin in begins) or campaign.status == Campaign.Status.DRAFT:
        return "not_active"
    if voucher.redeemed_count > 0:
        return "partially_redeemed"
    return "published" if voucher.published_at is not None else "generated"


def state_sql(at: str, *, voucher: str = "v", campaign: str = "c") -> str:
    """The state as SQL; `at` is SQL of the instant (said three times), the others are aliases."""
    return _SQL.format(v=voucher, c=campaign, at=at)


def state_expression(at: datetime) -> Case:
    """The state as an expression over `Voucher.objects`."""
    limit = Coalesce(
        F("redemption_limit"),
        F("campaign__redemption_limit"),
        Value(2**31 - 1),
        output_field=IntegerField(),
    )
    is_used_up = Q(redeemed_count__gte=limit) | Q(balance_minor=0, expired_at__isnull=True)
    return Case(
        When(Q(is_enabled=False) | Q(campaign__status="disabled"), then=Value("disabled")),
        When(Q(redeemed_count__gt=0) & is_used_up, then=Value("fully_redeemed")),
        When(Q(expires_at__lte=at) | Q(campaign__ends_at__lte=at), then=Value("expired")),
        When(
            Q(starts_at__gt=at) | Q(campaign__starts_at__gt=at) | Q(campaign__status="draft"),
            then=Value("not_active"),
        ),
        When(redeemed_count__gt=0, then=Value("partially_redeemed")),
        When(published_at__isnull=False, then=Value("published")),
        default=Value("generated"),
        output_field=CharField(),
    )
