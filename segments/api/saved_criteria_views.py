"""Saved criteria in the API."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from segments import saved_criteria
from segments.api.saved_criteria_serializers import (
    SavedCriteriaChangeSerializer,
    SavedCriteriaCreationSerializer,
    SavedCriteriaSerializer,
)
from segments.filtersets import SavedCriteriaFilterSet
from segments.models import SavedCriteria
from workspace.api.pages import BY_ID, Ordering
from workspace.api.views import ApiViewSet


class SavedCriteriaViewSet(ApiViewSet):
    """Criteria kept by name. Outside one's user groups they do not exist."""

    queryset = SavedCriteria.objects.all()
    filterset_class = SavedCriteriaFilterSet
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    permissions = {
        "list": "segments.view_savedcriteria",
        "create": "segments.add_savedcriteria",
        "retrieve": "segments.view_savedcriteria",
        "partial_update": "segments.change_savedcriteria",
        "destroy": "segments.delete_savedcriteria",
    }

    def get_queryset(self) -> "QuerySet[SavedCriteria]":
        return saved_criteria.known_saved_criteria(self.actor).prefetch_related("groups")

    def saved(self, key: str) -> SavedCriteria:
        """Those of the address. Raises SavedCriteriaUnknown, also outside one's user groups."""
        return saved_criteria.find_saved_criteria(key, actor=self.actor)

    @extend_schema(responses=SavedCriteriaSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Saved criteria that one may see."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(SavedCriteriaSerializer))

    @extend_schema(
        request=SavedCriteriaCreationSerializer, responses={201: SavedCriteriaSerializer}
    )
    def create(self, request: Request) -> Response:
        """Keep criteria by name."""
        saved = saved_criteria.create_saved_criteria(
            actor=self.actor, at=timezone.now(), **self.read(SavedCriteriaCreationSerializer)
        )
        return Response(self.shape(SavedCriteriaSerializer, saved), status=201)

    @extend_schema(responses=SavedCriteriaSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One set of criteria."""
        return Response(self.shape(SavedCriteriaSerializer, self.saved(key)))

    @extend_schema(request=SavedCriteriaChangeSerializer, responses=SavedCriteriaSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names. Segments that began with them stay as they are."""
        saved, given = self.saved(key), self.read(SavedCriteriaChangeSerializer)
        changed = saved_criteria.update_saved_criteria(
            saved, actor=self.actor, at=timezone.now(), **given
        )
        return Response(self.shape(SavedCriteriaSerializer, changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Forget them. Segments that began with them keep their copy."""
        saved_criteria.delete_saved_criteria(self.saved(key), actor=self.actor, at=timezone.now())
        return Response(status=204)
