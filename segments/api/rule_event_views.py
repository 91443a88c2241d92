"""Rule-based events in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segments import rule_events
from segments.api.rule_event_serializers import (
    RuleEventChangeSerializer,
    RuleEventCreationSerializer,
    RuleEventSerializer,
    RulePreviewRequestSerializer,
    RulePreviewSerializer,
)
from segments.derivation import preview_rule
from segments.models import RuleEvent
from workspace.api.pages import BY_ID, Ordering
from workspace.api.views import ApiViewSet


class RuleEventViewSet(ApiViewSet):
    """Events made of others by a condition over their properties."""

    queryset = RuleEvent.objects.select_related("base")
    lookup_field = "name"
    lookup_value_regex = "[A-Za-z0-9_]{1,30}"
    orderings = {
        "name": Ordering(("name",)),
        "-name": Ordering(("name",), is_descending=True),
        **BY_ID,
    }
    # A preview writes nothing, and ends its statements by itself when the time is over.
    unwrapped = frozenset({"preview"})
    permissions = {
        "list": "segments.view_ruleevent",
        "create": "segments.add_ruleevent",
        "retrieve": "segments.view_ruleevent",
        "partial_update": "segments.change_ruleevent",
        "destroy": "segments.delete_ruleevent",
        "enable": "segments.change_ruleevent",
        "disable": "segments.change_ruleevent",
        "preview": "segments.view_ruleevent",
    }

    @extend_schema(responses=RuleEventSerializer(many=True), filters=False)
    def list(self, request: Request) -> Response:
        """The rules, by name."""
        return self.page(self.get_queryset(), self.shapes(RuleEventSerializer))

    @extend_schema(request=RuleEventCreationSerializer, responses={201: RuleEventSerializer})
    def create(self, request: Request) -> Response:
        """Define events made of those named `base`, which need not have come yet."""
        rule = rule_events.create_rule_event(
            actor=self.actor, at=timezone.now(), **self.read(RuleEventCreationSerializer)
        )
        return self._answer(rule, status=201)

    @extend_schema(responses=RuleEventSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        """One rule."""
        return self._answer(rule_events.find_rule_event(name))

    @extend_schema(request=RuleEventChangeSerializer, responses=RuleEventSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change what the body names, for events received from then on; name and base stay."""
        rule, given = rule_events.find_rule_event(name), self.read(RuleEventChangeSerializer)
        return self._answer(
            rule_events.update_rule_event(rule, actor=self.actor, at=timezone.now(), **given)
        )

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Forget the rule, its events stay; 409 where a segment or journey asks for them."""
        rule = rule_events.find_rule_event(name)
        rule_events.delete_rule_event(rule, actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(request=None, responses=RuleEventSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, name: str) -> Response:
        """Make events of the base events received from now on."""
        self.read_nothing()
        rule = rule_events.find_rule_event(name)
        return self._answer(
            rule_events.enable_rule_event(rule, actor=self.actor, at=timezone.now())
        )

    @extend_schema(request=None, responses=RuleEventSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, name: str) -> Response:
        """Make no more events; those that were made stay."""
        self.read_nothing()
        rule = rule_events.find_rule_event(name)
        return self._answer(
            rule_events.disable_rule_event(rule, actor=self.actor, at=timezone.now())
        )

    @extend_schema(request=RulePreviewRequestSerializer, responses=RulePreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """How many base events of the last seven days fit, and the newest three.

        Examples need the permission to see events. Nothing is written.
        """
        found = preview_rule(at=timezone.now(), **self.read(RulePreviewRequestSerializer))
        answer: dict[str, Any] = self.shape(RulePreviewSerializer, found)
        if not self.actor.may("contacts.view_event"):
            answer["examples"] = []
        return Response(answer)

    def _answer(self, rule: RuleEvent, *, status: int = 200) -> Response:
        return Response(self.shape(RuleEventSerializer, rule), status=status)
