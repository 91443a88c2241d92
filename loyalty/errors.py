"""What the rules of this room refuse."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from workspace.errors import DomainError, InputInvalid, NotFound, Problem


class MemberInvalid(InputInvalid):
    """What was said of a member cannot be used; `problems` name each fault."""

    code = "member_invalid"


class LockedOut(DomainError):
    """Too many unknown codes came from here; `retry_after` seconds later it is let in again."""

    code = "too_many_unknown_codes"
    status = 429


class Blocked(DomainError):
    """Somebody was blocked for suspicious activity: he gets no cards and pays with none."""

    code = "blocked"
    status = 403


class SuspicionUnknown(NotFound):
    """There is no such suspicion."""

    code = "suspicion_unknown"


class SubjectInvalid(InputInvalid):
    """It is not said who is to be blocked, or nobody is called so."""

    code = "subject_invalid"


class ClientKeyInvalid(InputInvalid):
    """A publishable key cannot be so; `problems` name each fault."""

    code = "client_key_invalid"


class ClientKeyUnknown(NotFound):
    """There is no such publishable key, or the person asking may not know of it."""

    code = "client_key_unknown"


class DurationInvalid(InputInvalid):
    """A duration is not written as ISO 8601 has it, or is of no use."""

    code = "duration_invalid"


class RedemptionRefused(DomainError):
    """A card cannot pay now; `code` is Voucherify's key.

    `custom` is the message that a validation rule of the workspace has for it.
    """

    status = 400
    is_recorded = True

    def __init__(
        self, message: str, *, code: str, status: int = 400, custom: str = "", **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.code = code
        self.status = status
        self.custom = custom


class RedemptionUnknown(NotFound):
    """There is no redemption of this number, or the person asking may not know of it."""


class SessionUsed(DomainError):
    """A session was used up by another redemption."""

    code = "session_used"


class BalanceInvalid(InputInvalid):
    """A card cannot be given or taken this amount."""

    code = "balance_invalid"


class SessionInvalid(InputInvalid):
    """A session cannot be had so: its key, its time, or the unit of it."""

    code = "session_invalid"


class RedeemablesInvalid(InputInvalid):
    """What somebody wants to pay with cannot be read: none or too many cards, bad amounts."""

    code = "invalid_payload"


class AlreadyRolledBack(DomainError):
    """The redemption was undone before."""

    code = "already_rolled_back"
    status = 400
    is_recorded = True


class RedemptionFailed(DomainError):
    """The redemption failed, so that there is nothing to undo."""

    code = "redemption_failed"
    status = 400
    is_recorded = True


class InvalidRedemptionParent(DomainError):
    """The redemption is a part of one of several cards, which is undone as a whole."""

    code = "invalid_redemption_parent"
    status = 400
    is_recorded = True


class RollbackTooLate(DomainError):
    """The redemption is more than three months old."""

    code = "rollback_too_late"
    status = 400
    is_recorded = True


class CampaignUnknown(NotFound):
    """There is no such campaign, or the person asking may not know of it."""

    code = "not_found"

    def __init__(self, name: object) -> None:
        super().__init__(_("There is no campaign “%(name)s”.") % {"name": name}, campaign=name)


class VoucherUnknown(NotFound):
    """There is no such code, or the person asking may not know of its campaign."""

    code = "not_found"

    def __init__(self, code: object) -> None:
        super().__init__(_("There is no such code."), voucher=code)


class PublicationUnknown(NotFound):
    """There is no such publication, or the person asking may not know of its campaign."""

    code = "not_found"

    def __init__(self, publication_id: object) -> None:
        words = {"id": publication_id}
        super().__init__(_("There is no publication %(id)s.") % words, publication=publication_id)


class CampaignNameTaken(DomainError):
    """Another campaign has this name."""

    code = "duplicate_found"


class CampaignPublished(DomainError):
    """Codes of the campaign were given to contacts: it can be disabled, not deleted."""

    code = "campaign_published"


class CampaignInUse(DomainError):
    """Something else gives codes of the campaign."""

    code = "campaign_in_use"


class CampaignStatic(DomainError):
    """The campaign was closed: no codes may be added."""

    code = "campaign_static"


class CampaignBusy(DomainError):
    """Codes of the campaign are just being made or read."""

    code = "campaign_busy"


class CodesExhausted(DomainError):
    """The pattern leaves no room for so many codes."""

    code = "codes_exhausted"


class CodeTaken(DomainError):
    """The code exists already in the workspace."""

    code = "duplicate_found"


class PublicationRefused(DomainError):
    """No code is given to this contact. `code` is Voucherify's key for it.

    `campaign_id` and `contact_id` are there where they were found, for the record of the failure.
    """

    code = "no_voucher_suitable_for_publication"
    status = 400
    campaign_id: int | None = None
    contact_id: int | None = None


class NoVoucherSuitable(PublicationRefused):
    """The campaign gives none now: it is not active, not within its dates, or has no code left."""


class VoucherAlreadyPublished(PublicationRefused):
    """The code that was asked for is another contact's, or was given away before."""

    code = "voucher_already_published"


class CustomerRulesViolated(PublicationRefused):
    """A validation rule of the campaign refuses the contact; the message is the rule's."""

    code = "customer_rules_violated"


class MechanismUnknown(NotFound):
    """There is no such mechanism, or the person asking may not know of it."""

    code = "mechanism_unknown"

    def __init__(self, key: str) -> None:
        super().__init__(_("There is no mechanism “%(key)s”.") % {"key": key}, key=key)


class MechanismInvalid(InputInvalid):
    """What was said of a mechanism cannot be used; `problems` name each fault."""

    code = "mechanism_invalid"


class MechanismArchived(DomainError):
    """An archived mechanism stays as it is."""

    code = "mechanism_archived"


class MechanismNotInactive(DomainError):
    """An active mechanism cannot be archived."""

    code = "mechanism_not_inactive"


class MechanismInUse(DomainError):
    """Rewards stand in the category that is to go."""

    code = "mechanism_in_use"


class ClaimUnknown(NotFound):
    """There is no such claim, or the person asking may not know of its mechanism."""

    code = "claim_unknown"

    def __init__(self, claim_id: int) -> None:
        super().__init__(_("There is no claim %(id)d.") % {"id": claim_id}, id=claim_id)


class NotClaimable(DomainError):
    """Nobody claims a thing of this kind: a tier is earned, a challenge reached."""

    code = "not_claimable"


class NotAChallenge(DomainError):
    """Progress is asked for of something that has no goal."""

    code = "not_a_challenge"


class NotEligible(DomainError):
    """The member may not have it; `code` is the reason, one of `loyalty.restrictions.Reason`."""

    code = "not_eligible"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message, reason=reason)
        self.code = reason


class OutOfStock(DomainError):
    """The last one went while this one was being claimed."""

    code = "out_of_stock"


class ClaimRevoked(DomainError):
    """What was taken back cannot be used."""

    code = "claim_revoked"


class ClaimExpired(DomainError):
    """It could be used until a time that is over."""

    code = "claim_expired"


class RuleInvalid(InputInvalid):
    """A validation rule cannot be kept so; `document_problems` are the faults of its document."""

    code = "validation_rule_invalid"

    def __init__(self, faults: Iterable[Problem], others: Iterable[Problem] = ()) -> None:
        self.document_problems = tuple(faults)
        problems = [*others]
        if self.document_problems:
            count = len(self.document_problems)
            message = ngettext(
                "The conditions have a fault: %(message)s",
                "The conditions have %(count)d faults. The first: %(message)s",
                count,
            ) % {"count": count, "message": self.document_problems[0].message}
            problems.append(Problem("conditions", "invalid", message))
        super().__init__(problems[0].message, problems=problems)

    @property
    def members(self) -> Mapping[str, Any]:
        return {
            "conditions": [
                {"path": one.path, "code": one.code, "message": one.message}
                for one in self.document_problems
            ]
        }


class RuleUntranslatable(InputInvalid):
    """A validation rule of Voucherify says what has no counterpart here."""

    code = "invalid_payload"


class RuleUnknown(NotFound):
    """There is no validation rule with this key."""

    code = "validation_rule_unknown"


class RuleInUse(DomainError):
    """A validation rule that holds for something cannot be deleted."""

    code = "validation_rule_in_use"


class RuleAssignedAlready(DomainError):
    """The rule holds for this already."""

    code = "validation_rule_assigned_already"


class AssignmentUnknown(NotFound):
    """There is no such assignment of the rule."""

    code = "assignment_unknown"


class AssignedUnknown(NotFound):
    """There is no such campaign, voucher or distribution that a rule could hold for."""

    code = "assigned_unknown"


class ReportInvalid(InputInvalid):
    """What was asked of a report cannot be used; `problems` name each fault."""

    code = "report_invalid"


class MemberMissing(DomainError):
    """Only a member has points: this contact never joined, or left."""

    code = "member_missing"


class PointsInvalid(InputInvalid):
    """What was said of points cannot be used; `problems` name each fault."""

    code = "points_invalid"


class PointsMissing(DomainError):
    """The member has fewer points than are asked for."""

    code = "points_missing"

    @classmethod
    def of(cls, wanted: int, present: int) -> "PointsMissing":
        """With the sentence that says how many there are."""
        message = _("%(wanted)d points are needed, and there are %(present)d.")
        words = {"wanted": wanted, "present": present}
        return cls(message % words, points=wanted, balance=present)


class CauseTaken(DomainError):
    """The cause of a posting has counted for this contact already, for another posting."""

    code = "cause_taken"


class PostingUnknown(NotFound):
    """The contact has no such posting."""

    code = "posting_unknown"


class PostingReversed(DomainError):
    """A posting is reversed once."""

    code = "posting_reversed"


class PostingKept(DomainError):
    """A posting that cannot be reversed: a reversal, or of points whose time is over."""

    code = "posting_kept"


class EarnRuleInvalid(InputInvalid):
    """What was said of an earn rule cannot be used; `problems` name each fault."""

    code = "earn_rule_invalid"


class EarnRuleUnknown(NotFound):
    """There is no such earn rule."""

    code = "earn_rule_unknown"


class EarnRuleInUse(DomainError):
    """Points were earned by the rule, which the ledger names: it is switched off instead."""

    code = "earn_rule_in_use"


class ProgrammeInvalid(InputInvalid):
    """What was said of the programme cannot be used; `problems` name each fault."""

    code = "programme_invalid"


class DistributionUnknown(NotFound):
    """There is no such distribution, or its campaign is one that the actor may not know of."""

    code = "distribution_unknown"

    def __init__(self, key: str) -> None:
        super().__init__(_("There is no distribution “%(key)s”.") % {"key": key[:63]}, key=key)


class DistributionInvalid(InputInvalid):
    """What was said of a distribution cannot be used; `problems` name each fault."""

    code = "distribution_invalid"


class DistributionNotDraft(DomainError):
    """It was active once: what it gave names it, so that it is paused and not deleted."""

    code = "distribution_not_draft"


class DistributionNotReady(DomainError):
    """Something that it needs is missing, disabled or over, so that it cannot be active."""

    code = "distribution_not_ready"


class DistributionNotManual(DomainError):
    """It follows what happens; only one that is sent by hand can be sent."""

    code = "distribution_not_manual"
