"""Mechanisms in the API, and what a contact may have of them."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.mechanism_serializers import (
    EligibilitySerializer,
    MechanismChangeSerializer,
    MechanismCreationSerializer,
    MechanismSerializer,
    given_to_create,
)
from loyalty.filtersets import MechanismFilterSet
from loyalty.models import Mechanism
from loyalty.rewards import mechanisms
from loyalty.rewards.eligibility import eligibility
from workspace.api.pages import BY_ID, Ordering
from workspace.api.views import ApiViewSet

KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_VIEW, _CHANGE = "loyalty.view_mechanism", "loyalty.change_mechanism"
_HIDDEN = "include_hidden"


class MechanismViewSet(ApiViewSet):
    """Rewards, offers, challenges, tiers and the like. Outside one's groups they do not exist."""

    queryset = Mechanism.objects.all()
    filterset_class = MechanismFilterSet
    lookup_field = "key"
    lookup_value_regex = KEY
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    permissions = {
        "list": _VIEW,
        "create": "loyalty.add_mechanism",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "activate": _CHANGE,
        "inactivate": _CHANGE,
        "archive": "loyalty.delete_mechanism",
    }

    def get_queryset(self) -> "QuerySet[Mechanism]":
        known = mechanisms.known_mechanisms(self.actor).select_related("category")
        return known.prefetch_related("groups", "segments", "lists", "category__groups")

    def mechanism(self, key: str) -> Mechanism:
        """The one of the address. Raises MechanismUnknown, also outside one's user groups."""
        return mechanisms.find_mechanism(key, actor=self.actor)

    @extend_schema(responses=MechanismSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Mechanisms that one may see."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(MechanismSerializer))

    @extend_schema(request=MechanismCreationSerializer, responses={201: MechanismSerializer})
    def create(self, request: Request) -> Response:
        """Make a mechanism: active, unless `status` says that it is a draft."""
        given = given_to_create(self.read(MechanismCreationSerializer))
        made = mechanisms.create_mechanism(actor=self.actor, at=timezone.now(), **given)
        return Response(self._shape(made), status=201)

    @extend_schema(responses=MechanismSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One mechanism."""
        return Response(self._shape(self.mechanism(key)))

    @extend_schema(request=MechanismChangeSerializer, responses=MechanismSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names; key and kind stay."""
        mechanism, given = self.mechanism(key), self.read(MechanismChangeSerializer)
        changed = mechanisms.update_mechanism(
            mechanism, actor=self.actor, at=timezone.now(), **given
        )
        return Response(self._shape(changed))

    @extend_schema(request=None, responses=MechanismSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, key: str) -> Response:
        """Let members have it."""
        return self._turn(key, mechanisms.activate)

    @extend_schema(request=None, responses=MechanismSerializer)
    @action(detail=True, methods=["post"])
    def inactivate(self, request: Request, key: str) -> Response:
        """Take it out of use; what members have of it stays theirs."""
        return self._turn(key, mechanisms.inactivate)

    @extend_schema(request=None, responses=MechanismSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, key: str) -> Response:
        """Take a draft or an inactive one away for good."""
        return self._turn(key, mechanisms.archive)

    def _turn(self, key: str, verb: Callable[..., Mechanism]) -> Response:
        self.read_nothing()
        turned = verb(self.mechanism(key), actor=self.actor, at=timezone.now())
        return Response(self._shape(turned))

    def _shape(self, mechanism: Mechanism) -> object:
        return self.shape(MechanismSerializer, mechanism)


class EligibilityViewSet(ApiViewSet):
    """What a contact may have, and why not."""

    queryset = Mechanism.objects.all()
    permissions = {"list": _VIEW}
    query_names = {"list": {_HIDDEN}}

    @extend_schema(
        responses=EligibilitySerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter(
                _HIDDEN,
                bool,
                description="`true`: also what is hidden from those it is not for. For one's own"
                " screens, not for the member's.",
            )
        ],
    )
    def list(self, request: Request, contact_id: str) -> Response:
        """Each mechanism in use, and whether the contact may have it; all on one page."""
        hidden = request.query_params.get(_HIDDEN, "false")
        if hidden not in {"true", "false"}:
            raise ValidationError({_HIDDEN: [ErrorDetail("true or false.", code="invalid")]})
        found = eligibility(
            int(contact_id), actor=self.actor, at=timezone.now(), with_hidden=hidden == "true"
        )
        results = self.shapes(EligibilitySerializer)(found)
        return Response({"next": None, "previous": None, "results": results})
