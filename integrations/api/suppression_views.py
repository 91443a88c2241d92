"""Suppressed addresses in the API."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import suppressions
from integrations.api.suppression_serializers import (
    SuppressionCreationSerializer,
    SuppressionLiftSerializer,
    SuppressionsAddedSerializer,
    SuppressionSerializer,
)
from integrations.filtersets import SuppressionFilterSet
from integrations.models import Suppression
from workspace.api.pages import Ordering
from workspace.api.views import ApiViewSet


class SuppressionViewSet(ApiViewSet):
    """Addresses that nothing is sent to, whoever has them."""

    queryset = Suppression.objects.all()
    filterset_class = SuppressionFilterSet
    lookup_field = "pk"
    lookup_value_regex = r"[1-9][0-9]{0,17}"
    orderings = {
        "-id": Ordering(("id",), is_descending=True),
        "id": Ordering(("id",)),
    }
    permissions = {
        "list": "integrations.view_suppression",
        "create": "integrations.add_suppression",
        "retrieve": "integrations.view_suppression",
        "lift": "integrations.delete_suppression",
    }

    @extend_schema(responses=SuppressionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Suppressed addresses, the newest first."""
        rows = self.filter_queryset(Suppression.objects.all())
        return self.page(rows, self.shapes(SuppressionSerializer))

    @extend_schema(
        request=SuppressionCreationSerializer, responses={200: SuppressionsAddedSerializer}
    )
    def create(self, request: Request) -> Response:
        """Suppress addresses by hand. Nothing is written where one of them is no address."""
        given = self.read(SuppressionCreationSerializer)
        added = suppressions.add(**given, actor=self.actor, at=timezone.now())
        return Response(self.shape(SuppressionsAddedSerializer, {"added": added}))

    @extend_schema(responses=SuppressionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One suppressed address."""
        found = suppressions.find_suppression(int(pk))
        return Response(self.shape(SuppressionSerializer, found))

    @extend_schema(request=SuppressionLiftSerializer, responses={204: None})
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: str) -> Response:
        """Let the address be written to again, for a reason."""
        given = self.read(SuppressionLiftSerializer)
        suppressions.lift(int(pk), why=given["why"], actor=self.actor, at=timezone.now())
        return Response(status=204)
