"""The tables of this room, one file for each noun."""

from loyalty.models.campaigns import Campaign, CodeBatch, Holdout, Publication, Voucher
from loyalty.models.distributions import Distribution, DistributionTask
from loyalty.models.guarding import ClientKey, Suspicion
from loyalty.models.ledger import CardPosting
from loyalty.models.mechanisms import ChallengeProgress, Claim, Mechanism
from loyalty.models.members import EarnRule, Member, PointsPosting, Programme
from loyalty.models.redemptions import Redemption, Rollback, VoucherLock
from loyalty.models.rules import RuleAssignment, ValidationRule
from loyalty.models.wallets import WalletLink

__all__ = [
    "Campaign",
    "CardPosting",
    "ChallengeProgress",
    "Claim",
    "ClientKey",
    "CodeBatch",
    "Distribution",
    "DistributionTask",
    "EarnRule",
    "Holdout",
    "Mechanism",
    "Member",
    "PointsPosting",
    "Programme",
    "Publication",
    "Redemption",
    "Rollback",
    "RuleAssignment",
    "Suspicion",
    "ValidationRule",
    "Voucher",
    "VoucherLock",
    "WalletLink",
]
