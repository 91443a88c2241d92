"""Claims of mechanisms in the API, and how far contacts are in challenges."""

from uuid import uuid4

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.profiles import get_contact
from loyalty.api.claim_serializers import (
    ClaimCreationSerializer,
    ClaimSerializer,
    ProgressSerializer,
    RevocationSerializer,
)
from loyalty.errors import ClaimUnknown
from loyalty.filtersets import ClaimFilterSet
from loyalty.models import Claim, Mechanism
from loyalty.rewards import claims, mechanisms
from loyalty.rewards.challenges import progress_of
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet

_VIEW, _CLAIM = "loyalty.view_mechanism", "loyalty.claim_mechanism"


class ClaimViewSet(ApiViewSet):
    """What contacts claimed of a mechanism, were given, or reached."""

    queryset = Claim.objects.all()
    filterset_class = ClaimFilterSet
    orderings = NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": _VIEW,
        "create": _CLAIM,
        "retrieve": _VIEW,
        "revoke": _CLAIM,
        "use": _CLAIM,
    }

    def get_queryset(self) -> "QuerySet[Claim]":
        mechanism = self._mechanism()
        return Claim.objects.filter(mechanism=mechanism).select_related("mechanism")

    @extend_schema(responses=ClaimSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """The claims of a mechanism, newest first."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(ClaimSerializer))

    @extend_schema(request=ClaimCreationSerializer, responses={201: ClaimSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Let a contact have it: claim a reward, give an offer. Again by one cause: the same."""
        mechanism, given = self._mechanism(), self.read(ClaimCreationSerializer)
        made = claims.claim(
            mechanism,
            contact_id=given["contact"],
            cause=given.get("cause") or f"api:{uuid4()}",
            expires_at=given.get("expires_at"),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self.shape(ClaimSerializer, made), status=201)

    @extend_schema(responses=ClaimSerializer)
    def retrieve(self, request: Request, key: str, pk: str) -> Response:
        """One claim."""
        return Response(self.shape(ClaimSerializer, self._claim_of(pk)))

    @extend_schema(request=RevocationSerializer, responses=ClaimSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, key: str, pk: str) -> Response:
        """Take it back, once: the points go back, and the stock has one more."""
        reason = self.read(RevocationSerializer)["reason"]
        found = claims.revoke(
            self._claim_of(pk), reason=reason, actor=self.actor, at=timezone.now()
        )
        return Response(self.shape(ClaimSerializer, found))

    @extend_schema(request=None, responses=ClaimSerializer)
    @action(detail=True, methods=["post"])
    def use(self, request: Request, key: str, pk: str) -> Response:
        """Note that it was used."""
        self.read_nothing()
        used = claims.use(self._claim_of(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(ClaimSerializer, used))

    def _mechanism(self) -> Mechanism:
        return mechanisms.find_mechanism(self.kwargs["key"], actor=self.actor)

    def _claim_of(self, pk: str) -> Claim:
        mechanism, found = self._mechanism(), claims.find_claim(int(pk), actor=self.actor)
        if found.mechanism_id != mechanism.pk:
            raise ClaimUnknown(found.pk)
        return found


class ProgressViewSet(ApiViewSet):
    """How far a contact is in a challenge."""

    queryset = Mechanism.objects.all()
    permissions = {"retrieve": _VIEW}
    query_names = {"retrieve": {"contact"}}

    @extend_schema(
        responses=ProgressSerializer,
        parameters=[OpenApiParameter("contact", int, required=True, description="Its id.")],
    )
    def retrieve(self, request: Request, key: str) -> Response:
        """How far the contact is now. 409 `not_a_challenge` for other mechanisms."""
        mechanism = mechanisms.find_mechanism(key, actor=self.actor)
        text = request.query_params.get("contact", "")
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ValidationError({"contact": [ErrorDetail("The id of a contact.", "invalid")]})
        contact_id = get_contact(int(text)).pk
        found = progress_of(
            contact_id, [mechanisms.require_challenge(mechanism)], at=timezone.now()
        )[0]
        shown = {
            **{name: getattr(found, name) for name in ("mechanism", "period_on", "value")},
            **{name: getattr(found, name) for name in ("threshold", "share", "reached_at")},
            "contact": contact_id,
        }
        return Response(self.shape(ProgressSerializer, shown))
