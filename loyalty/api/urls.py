"""The addresses of this room under /api/."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from loyalty.api.campaign_views import CampaignViewSet
from loyalty.api.card_views import RedemptionViewSet, ValidationViewSet, VoucherViewSet
from loyalty.api.claim_views import ClaimViewSet, ProgressViewSet
from loyalty.api.distribution_views import DistributionTaskViewSet, DistributionViewSet
from loyalty.api.guarding_views import ClientKeyViewSet, SuspicionViewSet
from loyalty.api.mechanism_views import KEY, EligibilityViewSet, MechanismViewSet
from loyalty.api.points_views import EarnRuleViewSet, PointsViewSet, ProgrammeViewSet
from loyalty.api.publication_views import PublicationViewSet, VoucherListViewSet
from loyalty.api.report_views import ReportViewSet
from loyalty.api.rule_views import AssignmentViewSet, ValidationRuleViewSet
from loyalty.api.views import MemberViewSet
from loyalty.api.wallet_views import WalletViewSet

router = SimpleRouter()
router.register("campaigns", CampaignViewSet, basename="campaign")
router.register("publications", PublicationViewSet, basename="publication")
router.register("vouchers", VoucherListViewSet, basename="voucher-list")
router.register("vouchers", VoucherViewSet, basename="voucher")
router.register("validations", ValidationViewSet, basename="validation")
router.register("redemptions", RedemptionViewSet, basename="redemption")
router.register("mechanisms", MechanismViewSet, basename="mechanism")
router.register(rf"mechanisms/(?P<key>{KEY})/claims", ClaimViewSet, basename="mechanism-claim")
router.register(r"contacts/(?P<contact_id>\d{1,18})/wallet", WalletViewSet, basename="wallet")
router.register("validation-rules", ValidationRuleViewSet, basename="validation-rule")
router.register(
    r"validation-rules/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]{0,62})/assignments",
    AssignmentViewSet,
    basename="validation-rule-assignment",
)
router.register("distributions", DistributionViewSet, basename="distribution")
router.register(
    r"contacts/(?P<contact_id>\d{1,18})/eligibility", EligibilityViewSet, basename="eligibility"
)
router.register("client-keys", ClientKeyViewSet, basename="client-key")
router.register("suspicions", SuspicionViewSet, basename="suspicion")
router.register("points", PointsViewSet, basename="points")
router.register("earn-rules", EarnRuleViewSet, basename="earn-rule")

urlpatterns = [
    *router.urls,
    re_path(r"^members/$", MemberViewSet.as_view({"get": "list"}), name="member-list"),
    re_path(
        r"^programme/$",
        ProgrammeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="programme",
    ),
    re_path(
        rf"^mechanisms/(?P<key>{KEY})/progress/$",
        ProgressViewSet.as_view({"get": "retrieve"}),
        name="mechanism-progress",
    ),
    re_path(
        r"^distributions/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]{0,62})/tasks/$",
        DistributionTaskViewSet.as_view({"get": "list"}),
        name="distribution-tasks",
    ),
    re_path(
        r"^members/(?P<contact_id>\d{1,18})/$",
        MemberViewSet.as_view(
            {
                "get": "retrieve",
                "put": "update",
                "patch": "partial_update",
                "delete": "destroy",
            }
        ),
        name="member",
    ),
    re_path(
        r"^reports/campaigns/$",
        ReportViewSet.as_view({"get": "campaigns"}),
        name="report-campaigns",
    ),
    re_path(
        r"^reports/campaigns/(?P<key>[A-Za-z0-9][A-Za-z0-9_-]{0,62})/attribution/$",
        ReportViewSet.as_view({"get": "attribution"}),
        name="report-attribution",
    ),
    re_path(
        r"^reports/liability/$",
        ReportViewSet.as_view({"get": "liability"}),
        name="report-liability",
    ),
]
