"""Websites in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from workspace import websites
from workspace.api.serializers import StrictSerializer
from workspace.api.views import ApiViewSet
from workspace.models import Website


class WebsiteSerializer(serializers.ModelSerializer[Website]):
    """A website or shop of the company."""

    class Meta:
        model = Website
        fields = ("id", "key", "name", "domain", "created_at")
        read_only_fields = fields


class WebsiteCreationSerializer(StrictSerializer):
    """A new website. Without a key one is made of its name."""

    name = serializers.CharField(max_length=120)
    key = serializers.CharField(required=False, max_length=63)
    domain = serializers.CharField(required=False, allow_blank=True, max_length=300)


class WebsiteChangeSerializer(StrictSerializer):
    """What can be changed of a website."""

    name = serializers.CharField(required=False, max_length=120)
    domain = serializers.CharField(required=False, allow_blank=True, max_length=300)


class WebsiteViewSet(ApiViewSet):
    """Websites and shops of the company: orders are placed on them, connections are for them."""

    queryset = Website.objects.all()
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9_-]{1,63}"
    permissions = {
        "list": "workspace.view_website",
        "create": websites.ADD,
        "retrieve": "workspace.view_website",
        "partial_update": websites.CHANGE,
        "destroy": websites.DELETE,
    }

    @extend_schema(responses=WebsiteSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Websites, the oldest first."""
        return self.page(Website.objects.all(), self.shapes(WebsiteSerializer))

    @extend_schema(request=WebsiteCreationSerializer, responses={201: WebsiteSerializer})
    def create(self, request: Request) -> Response:
        """Add a website. Of a domain that is a whole address the host is kept."""
        given: dict[str, Any] = self.read(WebsiteCreationSerializer)
        website = websites.add_website(**given, actor=self.actor, at=timezone.now())
        return Response(self.shape(WebsiteSerializer, website), status=201)

    @extend_schema(responses=WebsiteSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One website."""
        return Response(self.shape(WebsiteSerializer, websites.find_website(key)))

    @extend_schema(request=WebsiteChangeSerializer, responses=WebsiteSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change its name or its domain; the key is for ever."""
        website = websites.find_website(key)
        given = self.read(WebsiteChangeSerializer)
        changed = websites.change_website(
            website.key, values=given, actor=self.actor, at=timezone.now()
        )
        return Response(self.shape(WebsiteSerializer, changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Delete a website that nothing needs."""
        self.read_nothing()
        websites.delete_website(key, actor=self.actor, at=timezone.now())
        return Response(status=204)
