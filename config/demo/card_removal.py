"""Takes the demo's gift cards, rewards and distributions away, before the contacts that had them.

A campaign whose codes somebody else got, and a mechanism that somebody else claimed, stay and are
demo data no more. Of a campaign that stays every code stays, too, so that its ledger adds up: it
only forgets who had them.
"""

from typing import Any

from django.db.models import Model, QuerySet

from integrations.models import Template
from loyalty.models import (
    Campaign,
    CardPosting,
    ChallengeProgress,
    Claim,
    CodeBatch,
    Distribution,
    EarnRule,
    Holdout,
    Mechanism,
    Publication,
    Redemption,
    Rollback,
    RuleAssignment,
    ValidationRule,
    Voucher,
)


def remove_loyalty() -> list[str]:
    """Delete what is demo data of the loyalty programme; returns the keys of what stays."""
    kept = [*_keep_distributions(), *_keep_campaigns(), *_keep_mechanisms()]
    Distribution.objects.filter(is_demo=True).delete()
    Template.objects.filter(is_demo=True).delete()
    _delete_cards(Campaign.objects.filter(is_demo=True))
    EarnRule.objects.filter(is_demo=True).delete()
    mechanisms = Mechanism.objects.filter(is_demo=True)
    Claim.objects.filter(contact__is_demo=True).delete()
    ChallengeProgress.objects.filter(mechanism__in=mechanisms).delete()
    # Rewards first: they stand in their categories.
    mechanisms.exclude(kind=Mechanism.Kind.REWARD_CATEGORY).delete()
    mechanisms.delete()
    RuleAssignment.objects.filter(rule__is_demo=True, campaign__is_demo=True).delete()
    rules = ValidationRule.objects.filter(is_demo=True)
    kept += _keep(rules.filter(assignments__isnull=False))
    rules.delete()
    return kept


def _keep_distributions() -> list[str]:
    """Those that gave something to somebody else."""
    used = Publication.objects.filter(contact__is_demo=False, distribution__isnull=False)
    return _keep(Distribution.objects.filter(is_demo=True, pk__in=used.values("distribution_id")))


def _keep_campaigns() -> list[str]:
    """Those of which somebody else has a code, or a distribution that stays gives them."""
    used = Publication.objects.filter(contact__is_demo=False).values("campaign_id")
    giving = Distribution.objects.filter(is_demo=False).values("campaign_id")
    demo = Campaign.objects.filter(is_demo=True)
    found = list((demo.filter(pk__in=used) | demo.filter(pk__in=giving)).values_list("pk", "key"))
    ids = [pk for pk, _key in found]
    demo.filter(pk__in=ids).update(is_demo=False)
    of_demo = {"voucher__campaign__in": ids, "contact__is_demo": True}
    Redemption.objects.filter(**of_demo).update(contact=None)
    Publication.objects.filter(campaign__in=ids, contact__is_demo=True).delete()
    Voucher.objects.filter(campaign__in=ids, holder__is_demo=True).update(holder=None)
    Holdout.objects.filter(contact__is_demo=True).delete()
    return [key for _pk, key in found]


def _keep_mechanisms() -> list[str]:
    """Those that somebody else claimed, with the category that they stand in."""
    demo = Mechanism.objects.filter(is_demo=True)
    claimed = demo.filter(claims__contact__is_demo=False)
    categories = demo.filter(rewards__in=claimed)
    return _keep(claimed) + _keep(categories)


def _keep(things: "QuerySet[Any]") -> list[str]:
    model: type[Model] = things.model
    found = list(things.distinct().values_list("pk", "key"))
    ids = [pk for pk, _key in found]
    model._default_manager.filter(pk__in=ids).update(is_demo=False)
    return [key for _pk, key in found]


def _delete_cards(campaigns: "QuerySet[Campaign]") -> None:
    """Delete campaigns with all their money: the ledger lets those of the demo go."""
    ids = list(campaigns.values_list("pk", flat=True))
    # A reversal names what it reverses, and a posting its redemption.
    CardPosting.objects.filter(campaign__in=ids, reverses__isnull=False).delete()
    CardPosting.objects.filter(campaign__in=ids).delete()
    paid = Redemption.objects.filter(voucher__campaign__in=ids)
    parents = set(paid.exclude(parent=None).values_list("parent_id", flat=True))
    Rollback.objects.filter(redemption__in=paid).delete()
    Rollback.objects.filter(redemption__in=parents).delete()
    paid.delete()
    Redemption.objects.filter(pk__in=parents).delete()
    Publication.objects.filter(campaign__in=ids).delete()
    Holdout.objects.filter(campaign__in=ids).delete()
    RuleAssignment.objects.filter(campaign__in=ids).delete()
    Voucher.objects.filter(campaign__in=ids).delete()
    CodeBatch.objects.filter(campaign__in=ids).delete()
    campaigns.delete()
