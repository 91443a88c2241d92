"""Messages of journeys in the API."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.filtersets import WholeNumberFilter
from journeys.messages import log, machines
from journeys.messages.reactions import (
    MachineVisit,
    Reaction,
    machine_visits_of,
    reactions_to,
)
from journeys.models import Lane, Message
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet

_FIELDS: tuple[str, ...] = (
    *("id", "journey", "version", "node", "channel", "contact", "participant", "template"),
    *("purpose", "is_test", "state", "reason", "error", "subject", "delivery", "created_at"),
    *("due_at", "sent_at", "opened_at", "clicked_at", "bounced_at", "complained_at"),
    *("unsubscribed_at", "open_count", "click_count"),
)


class MessageFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # untyped package
    """Filters for messages."""

    journey = django_filters.CharFilter(field_name="journey__key")
    node = django_filters.CharFilter()
    channel = django_filters.ChoiceFilter(choices=Message.Channel.choices)
    state = django_filters.ChoiceFilter(choices=Message.State.choices)
    reason = django_filters.ChoiceFilter(choices=Message.Reason.choices)
    contact = WholeNumberFilter(field_name="contact_id", min_value=1, max_value=2**63 - 1)
    participant = WholeNumberFilter(field_name="participant_id", min_value=1, max_value=2**63 - 1)
    test = django_filters.BooleanFilter(method="filter_test")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Message
        fields: tuple[str, ...] = ()

    def filter_test(
        self, queryset: "QuerySet[Message]", name: str, value: bool
    ) -> "QuerySet[Message]":
        """Only messages of tests, or none of them."""
        return queryset.filter(lane=Lane.TEST) if value else queryset.exclude(lane=Lane.TEST)


class ReactionSerializer(serializers.Serializer[Reaction]):
    """Something that the receiver of a message did, or that was told of it."""

    name = serializers.CharField()
    at = serializers.DateTimeField()
    url = serializers.CharField()
    detail = serializers.CharField()


class MachineVisitSerializer(serializers.Serializer[MachineVisit]):
    """An opening or a click that is taken for a program's, such as a mail scanner's."""

    name = serializers.CharField()
    at = serializers.DateTimeField()
    url = serializers.CharField()
    agent = serializers.CharField(help_text="What the program says it is.")
    why = serializers.ChoiceField(
        choices=[machines.AGENT, machines.SEVERAL],
        help_text="`agent`: it says so itself; `several_links`: it opened them all at once.",
    )


class MessageSerializer(serializers.ModelSerializer[Message]):
    """What one participant was sent over one channel by one activity, and what became of it."""

    journey = serializers.CharField(source="journey.key", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    contact = serializers.IntegerField(source="contact_id", read_only=True)
    participant = serializers.IntegerField(source="participant_id", read_only=True)
    template = serializers.CharField(source="template.key", read_only=True, allow_null=True)
    delivery = serializers.IntegerField(source="delivery_id", read_only=True, allow_null=True)
    is_test = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields: tuple[str, ...] = _FIELDS
        read_only_fields: tuple[str, ...] = fields

    def get_is_test(self, message: Message) -> bool:
        """Whether it belongs to a test."""
        return message.lane == Lane.TEST


class FullMessageSerializer(MessageSerializer):
    """A message with what its receiver did, the oldest first, and what programs did."""

    reactions = serializers.SerializerMethodField()
    machine_visits = serializers.SerializerMethodField()

    class Meta(MessageSerializer.Meta):
        fields = (*_FIELDS, "reactions", "machine_visits")
        read_only_fields = fields

    @extend_schema_field(ReactionSerializer(many=True))
    def get_reactions(self, message: Message) -> object:
        """What is told of it in the history of the contact."""
        found: Any = reactions_to(message)
        return ReactionSerializer(found, many=True).data

    @extend_schema_field(MachineVisitSerializer(many=True))
    def get_machine_visits(self, message: Message) -> object:
        """What counts for nothing, as it was no person's doing."""
        found: Any = machine_visits_of(message)
        return MachineVisitSerializer(found, many=True).data


class MessageViewSet(ApiViewSet):
    """The messages that journeys sent, or left out and why."""

    queryset = Message.objects.all()
    filterset_class = MessageFilterSet
    lookup_value_regex = r"\d{1,18}"
    orderings = NEWEST_FIRST
    permissions = {"list": log.VIEW, "retrieve": log.VIEW, "send_again": log.RESEND}

    def get_queryset(self) -> "QuerySet[Message]":
        known = log.visible_messages(self.actor)
        return known.select_related("journey", "version", "template")

    @extend_schema(responses=MessageSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Messages, the newest first."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(MessageSerializer))

    @extend_schema(responses=FullMessageSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One message, with what its receiver did."""
        message = log.find_message(int(pk), actor=self.actor)
        return Response(self.shape(FullMessageSerializer, message))

    @extend_schema(request=None, responses={202: MessageSerializer})
    @action(detail=True, methods=["post"], url_path="send-again")
    def send_again(self, request: Request, pk: str) -> Response:
        """Send a message again that failed or was left out, if nothing stands against it now."""
        self.read_nothing()
        message = log.send_again(int(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(MessageSerializer, message), status=202)
