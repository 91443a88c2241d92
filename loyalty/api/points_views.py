"""Points, earn rules and the programme in the API: translation only."""

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.errors import ContactUnknown
from contacts.identities import USER_ID, find_contact_id
from loyalty.api.points_serializers import (
    EarnRuleChangeSerializer,
    EarnRuleCreationSerializer,
    EarnRulePreviewSerializer,
    EarnRuleSerializer,
    PointsPostingSerializer,
    PostSerializer,
    ProgrammeChangeSerializer,
    ProgrammeSerializer,
    ReversalSerializer,
)
from loyalty.filtersets import EarnRuleFilterSet, PointsFilterSet
from loyalty.models import EarnRule, PointsPosting, Programme
from loyalty.programme import earn_rules, points, programmes
from workspace.api.pages import BY_ID, NEWEST_FIRST, Ordering
from workspace.api.views import ApiViewSet

_ADD = "loyalty.add_pointsposting"
_CHANGE = "loyalty.change_earnrule"


class PointsViewSet(ApiViewSet):
    """The ledger of points: read, posted to, and corrected by reversals."""

    queryset = PointsPosting.objects.select_related("rule")
    filterset_class = PointsFilterSet
    lookup_url_kwarg = "posting_id"
    lookup_value_regex = r"\d{1,18}"
    orderings = NEWEST_FIRST
    permissions = {
        "list": "loyalty.view_pointsposting",
        "create": _ADD,
        "reverse": _ADD,
    }

    @extend_schema(responses=PointsPostingSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Lines of the ledger, newest first."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(PointsPostingSerializer))

    @extend_schema(request=PostSerializer, responses={201: PointsPostingSerializer})
    def create(self, request: Request) -> Response:
        """Give a member points or take some. A cause that counted answers with its line."""
        given = self.read(PostSerializer)
        external_id = given.pop("external_id", None)
        if external_id is not None:
            found = find_contact_id(USER_ID, external_id)
            if found is None:
                message = _("There is no contact with the external id %(id)s.")
                raise ContactUnknown(message % {"id": external_id[:200]})
            given["contact_id"] = found
        posting = points.post_points(actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(PointsPostingSerializer, posting), status=201)

    @extend_schema(request=ReversalSerializer, responses={201: PointsPostingSerializer})
    @action(detail=True, methods=["post"])
    def reverse(self, request: Request, posting_id: str) -> Response:
        """Undo a line by its opposite, once."""
        posting = points.reverse_posting(
            contact_id=points.owner_of(int(posting_id)),
            posting_id=int(posting_id),
            actor=self.actor,
            at=timezone.now(),
            **self.read(ReversalSerializer),
        )
        return Response(self.shape(PointsPostingSerializer, posting), status=201)


class EarnRuleViewSet(ApiViewSet):
    """What members earn by events."""

    queryset = EarnRule.objects.all()
    filterset_class = EarnRuleFilterSet
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    permissions = {
        "list": "loyalty.view_earnrule",
        "create": "loyalty.add_earnrule",
        "retrieve": "loyalty.view_earnrule",
        "partial_update": _CHANGE,
        "destroy": "loyalty.delete_earnrule",
        "preview": "loyalty.view_earnrule",
    }

    @extend_schema(responses=EarnRuleSerializer(many=True))
    def list(self, request: Request) -> Response:
        """All rules."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(EarnRuleSerializer))

    @extend_schema(request=EarnRuleCreationSerializer, responses={201: EarnRuleSerializer})
    def create(self, request: Request) -> Response:
        """Make a rule, which is in force at once unless `is_enabled` says no."""
        values = self.read(EarnRuleCreationSerializer)
        rule = earn_rules.create_rule(values=values, actor=self.actor, at=timezone.now())
        return Response(self.shape(EarnRuleSerializer, rule), status=201)

    @extend_schema(responses=EarnRuleSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One rule."""
        return Response(self.shape(EarnRuleSerializer, earn_rules.get_rule(key)))

    @extend_schema(request=EarnRuleChangeSerializer, responses=EarnRuleSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names; what was earned stays."""
        rule, values = earn_rules.get_rule(key), self.read(EarnRuleChangeSerializer)
        rule = earn_rules.change_rule(rule, values=values, actor=self.actor, at=timezone.now())
        return Response(self.shape(EarnRuleSerializer, rule))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Delete a rule by which nobody earned anything."""
        earn_rules.delete_rule(earn_rules.get_rule(key), actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(responses=EarnRulePreviewSerializer)
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, key: str) -> Response:
        """What the rule would have given for the events of the last thirty days."""
        found = earn_rules.preview_rule(earn_rules.get_rule(key), at=timezone.now())
        return Response(self.shape(EarnRulePreviewSerializer, found))


class ProgrammeViewSet(ApiViewSet):
    """The loyalty programme as a whole."""

    queryset = Programme.objects.all()
    permissions = {
        "retrieve": "loyalty.view_programme",
        "partial_update": "loyalty.change_programme",
    }

    @extend_schema(responses=ProgrammeSerializer)
    def retrieve(self, request: Request) -> Response:
        """How it works."""
        return Response(self.shape(ProgrammeSerializer, programmes.programme()))

    @extend_schema(request=ProgrammeChangeSerializer, responses=ProgrammeSerializer)
    def partial_update(self, request: Request) -> Response:
        """Change what the body names."""
        changes = self.read(ProgrammeChangeSerializer)
        changed = programmes.change_programme(changes=changes, actor=self.actor, at=timezone.now())
        return Response(self.shape(ProgrammeSerializer, changed))
