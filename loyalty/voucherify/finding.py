"""Finds what a call names, among what the caller may know of; unknown codes are counted."""

from functools import partial

from django.db.models import QuerySet

from integrations.voucherify import ids
from integrations.voucherify.entry import Call, not_found
from loyalty.gift_cards import campaigns, codes
from loyalty.guarding import suspicions
from loyalty.models import Campaign, ValidationRule, Voucher

# The key of the campaign with codes that were made without one: clients know of no campaign then.
STANDALONE = "standalone-vouchers"
_SMALL = 2**31


def find_campaign(reference: str, call: Call) -> Campaign:
    """The campaign of a `camp_…` id, else of a name. Raises RequestRefused."""
    known = campaigns.known_campaigns(call.caller.actor)
    number = ids.read("camp", reference)
    if "\0" in reference:
        known = known.none()
    if number is not None and number < _SMALL:
        known = known.filter(pk=number)
    else:
        known = known.filter(name=reference)
    found = known.first()
    if found is None:
        raise not_found("campaign", reference)
    return found


def known_vouchers(call: Call) -> "QuerySet[Voucher]":
    """The vouchers that the caller may know of: those of his campaigns."""
    known = campaigns.known_campaigns(call.caller.actor).order_by()
    return Voucher.objects.filter(campaign__in=known.values("pk")).select_related("campaign")


def find_voucher(reference: str, call: Call) -> Voucher:
    """The voucher of a code or a `v_…` id. Raises RequestRefused."""
    known, number = known_vouchers(call), ids.read("v", reference)
    if "\0" in reference:
        known = known.none()
    elif number is None:
        known = known.filter(code=codes.normal_code(reference))
    else:
        known = known.filter(pk=number)
    found = known.first()
    if found is None:
        call.afterwards.append(partial(note_unknown, call))
        raise not_found("voucher", reference)
    return found


def find_rule(reference: str) -> ValidationRule:
    """The rule of a `val_…` id. Raises RequestRefused."""
    number = ids.read("val", reference)
    found = None
    if number is not None and number < _SMALL:
        found = ValidationRule.objects.filter(pk=number).first()
    if found is None:
        raise not_found("validation_rule", reference)
    return found


def note_unknown(call: Call, count: int = 1) -> None:
    """Count codes that do not exist for whoever asked."""
    suspicions.note_unknown_code(call.caller.subjects, at=call.at, count=count)
