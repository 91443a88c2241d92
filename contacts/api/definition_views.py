"""Definitions in the API: attributes, tags, categories, consents, metrics."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from contacts import definitions
from contacts.api.definition_serializers import (
    AttributeChangeSerializer,
    AttributeDefinitionSerializer,
    ConsentChangeSerializer,
    ConsentDefinitionSerializer,
    LabelChangeSerializer,
    LabelDefinitionSerializer,
)
from contacts.definitions import Kind
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    Tag,
)
from workspace.api.pages import Ordering
from workspace.api.views import ApiViewSet


class DefinitionViewSet(ApiViewSet):
    """Words of the workspace, by key. Key and type are for ever; what is used stays."""

    kind: ClassVar[Kind]
    change_serializer_class: ClassVar[type[Serializer[Any]]]
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
    }

    def get_queryset(self) -> "QuerySet[Any]":
        return definitions.model_of(self.kind)._default_manager.all()

    def list(self, request: Request) -> Response:
        """All of them, by key."""
        return self.page(self.get_queryset(), self.shapes(self.get_serializer_class()))

    def create(self, request: Request) -> Response:
        """Define one."""
        definition = definitions.create_definition(
            self.kind,
            values=self.read(self.get_serializer_class()),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self.shape(self.get_serializer_class(), definition), status=201)

    def retrieve(self, request: Request, key: str) -> Response:
        """One of them."""
        definition = definitions.find_definition(self.kind, key)
        return Response(self.shape(self.get_serializer_class(), definition))

    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names."""
        definitions.find_definition(self.kind, key)
        definition = definitions.change_definition(
            self.kind,
            key,
            values=self.read(self.change_serializer_class),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self.shape(self.get_serializer_class(), definition))

    def destroy(self, request: Request, key: str) -> Response:
        """Delete one that neither contacts have nor segments ask for; 409 else."""
        definitions.delete_definition(self.kind, key, actor=self.actor, at=timezone.now())
        return Response(status=204)


def permissions_of(model: str) -> dict[str, str]:
    """What each way to use a kind of definition needs."""
    return {
        "list": f"contacts.view_{model}",
        "create": f"contacts.add_{model}",
        "retrieve": f"contacts.view_{model}",
        "partial_update": f"contacts.change_{model}",
        "destroy": f"contacts.delete_{model}",
    }


def _schema(shape: type[Serializer[Any]], change: type[Serializer[Any]]) -> Any:
    return extend_schema_view(
        list=extend_schema(responses=shape(many=True)),
        create=extend_schema(request=shape, responses={201: shape}),
        retrieve=extend_schema(responses=shape),
        partial_update=extend_schema(request=change, responses=shape),
        destroy=extend_schema(responses={204: None}),
    )


@_schema(AttributeDefinitionSerializer, AttributeChangeSerializer)
class AttributeViewSet(DefinitionViewSet):
    """Custom attributes. A new one appears in profiles, criteria, files and here by itself."""

    kind = Kind.ATTRIBUTE
    queryset = AttributeDefinition.objects.all()
    serializer_class = AttributeDefinitionSerializer
    change_serializer_class = AttributeChangeSerializer
    permissions = permissions_of("attributedefinition")


@_schema(LabelDefinitionSerializer, LabelChangeSerializer)
class TagViewSet(DefinitionViewSet):
    """Tags."""

    kind = Kind.TAG
    queryset = Tag.objects.all()
    serializer_class = LabelDefinitionSerializer
    change_serializer_class = LabelChangeSerializer
    permissions = permissions_of("tag")


@_schema(LabelDefinitionSerializer, LabelChangeSerializer)
class CategoryViewSet(DefinitionViewSet):
    """Categories."""

    kind = Kind.CATEGORY
    queryset = Category.objects.all()
    serializer_class = LabelDefinitionSerializer
    change_serializer_class = LabelChangeSerializer
    permissions = permissions_of("category")


@_schema(ConsentDefinitionSerializer, ConsentChangeSerializer)
class ConsentViewSet(DefinitionViewSet):
    """Consents."""

    kind = Kind.CONSENT
    queryset = ConsentDefinition.objects.all()
    serializer_class = ConsentDefinitionSerializer
    change_serializer_class = ConsentChangeSerializer
    permissions = permissions_of("consentdefinition")
