"""Distributions in the API."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.distribution_serializers import (
    DistributionChangeSerializer,
    DistributionCreationSerializer,
    DistributionSerializer,
    DistributionTaskSerializer,
    RetriedTasksSerializer,
    RetrySerializer,
    SendSerializer,
    SentSerializer,
)
from loyalty.distribution import distributions
from loyalty.distribution.distribution_filters import (
    DistributionFilterSet,
    DistributionTaskFilterSet,
)
from loyalty.models import Distribution, DistributionTask
from workspace.api.pages import NEWEST_FIRST, Ordering
from workspace.api.views import ApiViewSet

_ACTIVATE = "loyalty.activate_distribution"


class DistributionViewSet(ApiViewSet):
    """Rules: who does this gets a card of that campaign, over this channel."""

    queryset = Distribution.objects.all()
    filterset_class = DistributionFilterSet
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
    }
    permissions = {
        "list": "loyalty.view_distribution",
        "create": "loyalty.add_distribution",
        "retrieve": "loyalty.view_distribution",
        "partial_update": "loyalty.change_distribution",
        "destroy": "loyalty.delete_distribution",
        "activate": _ACTIVATE,
        "pause": _ACTIVATE,
        "send": _ACTIVATE,
        "retry": _ACTIVATE,
    }

    def get_queryset(self) -> "QuerySet[Distribution]":
        known = distributions.known_distributions(self.actor)
        return known.select_related("campaign", "segment", "template")

    def distribution(self, key: str) -> Distribution:
        """The one of the address. Raises DistributionUnknown."""
        return distributions.find_distribution(key, actor=self.actor)

    @extend_schema(responses=DistributionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Distributions, by key."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(DistributionSerializer))

    @extend_schema(request=DistributionCreationSerializer, responses={201: DistributionSerializer})
    def create(self, request: Request) -> Response:
        """A new draft. Faults are told all at once."""
        distribution = distributions.create_distribution(
            actor=self.actor, at=timezone.now(), **self.read(DistributionCreationSerializer)
        )
        return Response(self.shape(DistributionSerializer, distribution), status=201)

    @extend_schema(responses=DistributionSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One distribution."""
        return Response(self.shape(DistributionSerializer, self.distribution(key)))

    @extend_schema(request=DistributionChangeSerializer, responses=DistributionSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names. Trigger and campaign stay once it has been active."""
        distribution, given = self.distribution(key), self.read(DistributionChangeSerializer)
        changed = distributions.update_distribution(
            distribution, actor=self.actor, at=timezone.now(), **given
        )
        return Response(self.shape(DistributionSerializer, changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Delete a draft."""
        distributions.delete_distribution(
            self.distribution(key), actor=self.actor, at=timezone.now()
        )
        return Response(status=204)

    @extend_schema(request=None, responses=DistributionSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, key: str) -> Response:
        """Let it follow its trigger from now on, and do what waits."""
        self.read_nothing()
        done = distributions.activate(self.distribution(key), actor=self.actor, at=timezone.now())
        return Response(self.shape(DistributionSerializer, done))

    @extend_schema(request=None, responses=DistributionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, key: str) -> Response:
        """Let it collect nothing and give nothing; what waits goes on waiting."""
        self.read_nothing()
        done = distributions.pause(self.distribution(key), actor=self.actor, at=timezone.now())
        return Response(self.shape(DistributionSerializer, done))

    @extend_schema(request=SendSerializer, responses=SentSerializer)
    @action(detail=True, methods=["post"])
    def send(self, request: Request, key: str) -> Response:
        """Give a card to everybody in the segment of a manual one now, or to one contact."""
        distribution, given = self.distribution(key), self.read(SendSerializer)
        count = distributions.send(
            distribution, actor=self.actor, at=timezone.now(), contact_id=given.get("contact")
        )
        return Response(self.shape(SentSerializer, {"contacts": count}))

    @extend_schema(request=RetrySerializer, responses=RetriedTasksSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, key: str) -> Response:
        """Try tasks again that failed or were refused; it waits for codes no longer."""
        distribution, given = self.distribution(key), self.read(RetrySerializer)
        count = distributions.retry(
            distribution, actor=self.actor, at=timezone.now(), task_ids=given.get("ids")
        )
        return Response(self.shape(RetriedTasksSerializer, {"tasks": count}))


class DistributionTaskViewSet(ApiViewSet):
    """Whom a distribution had to reach, and what came of it."""

    queryset = DistributionTask.objects.all()
    filterset_class = DistributionTaskFilterSet
    orderings = NEWEST_FIRST
    permissions = {"list": "loyalty.view_distribution"}

    @extend_schema(responses=DistributionTaskSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """The tasks of a distribution, the newest first."""
        distribution = distributions.find_distribution(key, actor=self.actor)
        rows = self.filter_queryset(DistributionTask.objects.filter(distribution=distribution))
        return self.page(rows, self.shapes(DistributionTaskSerializer))
