"""Templates of messages in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import templates
from integrations.api.template_serializers import (
    TemplateChangeSerializer,
    TemplateCreationSerializer,
    TemplatePreviewRequestSerializer,
    TemplatePreviewSerializer,
    TemplateSerializer,
)
from integrations.filtersets import TemplateFilterSet
from integrations.models import Template
from workspace.api.pages import Ordering
from workspace.api.views import ApiViewSet


class TemplateViewSet(ApiViewSet):
    """Messages with gaps. A key is for ever."""

    queryset = Template.objects.all()
    filterset_class = TemplateFilterSet
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
    }
    permissions = {
        "list": "integrations.view_template",
        "create": "integrations.add_template",
        "retrieve": "integrations.view_template",
        "partial_update": "integrations.change_template",
        "destroy": "integrations.delete_template",
        "preview": "integrations.view_template",
    }
    unwrapped = frozenset({"preview"})

    @extend_schema(responses=TemplateSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Templates, by key."""
        rows = self.filter_queryset(Template.objects.prefetch_related("variants"))
        return self.page(rows, self.shapes(TemplateSerializer))

    @extend_schema(request=TemplateCreationSerializer, responses={201: TemplateSerializer})
    def create(self, request: Request) -> Response:
        """A new template. Faults of grammar and unknown gaps are told with their lines."""
        template = templates.create_template(
            actor=self.actor, at=timezone.now(), **self.read(TemplateCreationSerializer)
        )
        return Response(self.shape(TemplateSerializer, template), status=201)

    @extend_schema(responses=TemplateSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One template."""
        return Response(self.shape(TemplateSerializer, templates.find_template(key)))

    @extend_schema(request=TemplateChangeSerializer, responses=TemplateSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names. What is on its way stays as it was."""
        template, given = templates.find_template(key), self.read(TemplateChangeSerializer)
        changed = templates.update_template(template, actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(TemplateSerializer, changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Delete a template that nothing sends."""
        template = templates.find_template(key)
        templates.delete_template(template, actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(request=TemplatePreviewRequestSerializer, responses=TemplatePreviewSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, key: str) -> Response:
        """How the template looks for a contact (scope `contacts:read`), or with examples.

        In the language of the contact, or in `language`.
        What belongs to no contact, as the code of a voucher, is an example.
        """
        template, given = templates.find_template(key), self.read(TemplatePreviewRequestSerializer)
        seen = templates.preview(
            template,
            actor=self.actor,
            contact_id=given.get("contact"),
            language=given.get("language", ""),
        )
        shown = ("subject", "text", "html", "link", "icon", "language")
        body: dict[str, Any] = {name: getattr(seen.rendered, name) for name in shown}
        body["problems"] = seen.problems
        return Response(self.shape(TemplatePreviewSerializer, body))
