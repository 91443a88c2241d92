"""Publishable keys and suspicious activity in the API: translation only."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.guarding_serializers import (
    BlockSerializer,
    BlockSubjectSerializer,
    ClientKeyChangeSerializer,
    ClientKeyCreationSerializer,
    ClientKeySerializer,
    SuspicionSerializer,
    read_may,
)
from loyalty.filtersets import SuspicionFilterSet
from loyalty.guarding import client_keys, suspicions
from loyalty.models import ClientKey, Suspicion
from workspace.api import pages
from workspace.api.views import ApiViewSet

_BLOCK = "loyalty.block_suspicion"


class ClientKeyViewSet(ApiViewSet):
    """Keys for pages and apps of customers. A program knows its own."""

    queryset = ClientKey.objects.all()
    lookup_value_regex = r"\d{1,9}"
    permissions = {
        "list": "loyalty.view_clientkey",
        "create": "loyalty.add_clientkey",
        "retrieve": "loyalty.view_clientkey",
        "partial_update": "loyalty.change_clientkey",
        "destroy": "loyalty.delete_clientkey",
    }

    def get_queryset(self) -> "QuerySet[ClientKey]":
        return client_keys.known_keys(self.actor)

    @extend_schema(responses=ClientKeySerializer(many=True))
    def list(self, request: Request) -> Response:
        """The keys that one may know of."""
        return self.page(self.get_queryset(), self.shapes(ClientKeySerializer))

    @extend_schema(request=ClientKeyCreationSerializer, responses={201: ClientKeySerializer})
    def create(self, request: Request) -> Response:
        """Make a key that works at once."""
        given = self.read(ClientKeyCreationSerializer)
        key = client_keys.create_key(
            name=given["name"],
            api_user_id=given.get("api_user", self.actor.id or 0),
            origins=given["origins"],
            is_enabled=given.get("is_enabled", True),
            actor=self.actor,
            at=timezone.now(),
            **read_may(given),
        )
        return Response(self.shape(ClientKeySerializer, key), status=201)

    @extend_schema(responses=ClientKeySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One key."""
        key = client_keys.find_key(int(pk), actor=self.actor)
        return Response(self.shape(ClientKeySerializer, key))

    @extend_schema(request=ClientKeyChangeSerializer, responses=ClientKeySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what the body names; it holds at once."""
        key = client_keys.update_key(
            client_keys.find_key(int(pk), actor=self.actor),
            changes=self.read(ClientKeyChangeSerializer),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self.shape(ClientKeySerializer, key))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a key: pages that use it are refused at once."""
        key = client_keys.find_key(int(pk), actor=self.actor)
        client_keys.delete_key(key, actor=self.actor, at=timezone.now())
        return Response(status=204)


class SuspicionViewSet(ApiViewSet):
    """What looked like cheating."""

    queryset = Suspicion.objects.all()
    filterset_class = SuspicionFilterSet
    orderings = pages.NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": "loyalty.view_suspicion",
        "retrieve": "loyalty.view_suspicion",
        "create": _BLOCK,
        "block": _BLOCK,
        "clear": _BLOCK,
    }

    @extend_schema(responses=SuspicionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Suspicions, the newest first."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(SuspicionSerializer))

    @extend_schema(responses=SuspicionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One suspicion."""
        return self._answer(suspicions.find_suspicion(int(pk)))

    @extend_schema(request=BlockSubjectSerializer, responses={201: SuspicionSerializer})
    def create(self, request: Request) -> Response:
        """Block somebody, although nothing was seen."""
        given = self.read(BlockSubjectSerializer)
        made = suspicions.block(actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(SuspicionSerializer, made), status=201)

    @extend_schema(request=BlockSerializer, responses=SuspicionSerializer)
    @action(detail=True, methods=["post"])
    def block(self, request: Request, pk: str) -> Response:
        """Block whom a suspicion is about."""
        found = suspicions.find_suspicion(int(pk))
        given = self.read(BlockSerializer)
        suspicions.block(found.subject, actor=self.actor, at=timezone.now(), **given)
        return self._answer(suspicions.find_suspicion(found.pk))

    @extend_schema(request=None, responses=SuspicionSerializer)
    @action(detail=True, methods=["post"])
    def clear(self, request: Request, pk: str) -> Response:
        """End a block or lock-out; what was seen until now does not count again."""
        self.read_nothing()
        found = suspicions.find_suspicion(int(pk))
        suspicions.unblock(found.subject, actor=self.actor, at=timezone.now())
        return self._answer(suspicions.find_suspicion(found.pk))

    def _answer(self, suspicion: Suspicion) -> Response:
        return Response(self.shape(SuspicionSerializer, suspicion))
