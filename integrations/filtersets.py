"""Filters for lists of this room. Times are ISO 8601 with an offset; `_after` is inclusive."""

from typing import Any

import django_filters
from django import forms

from integrations import suppressions
from integrations.models import (
    ConnectionWebsite,
    Delivery,
    HeldEvent,
    Outcome,
    ReceivedEvent,
    Source,
    Suppression,
    Template,
    VendorConnection,
    Webhook,
)


class WholeNumberFilter(django_filters.Filter):
    """The id of something."""

    field_class = forms.IntegerField


class SourceFilterSet(django_filters.FilterSet):
    """Filters for sources."""

    kind = django_filters.ChoiceFilter(choices=Source.Kind.choices)
    enabled = django_filters.BooleanFilter(field_name="is_enabled")

    class Meta:
        model = Source
        fields = ("kind", "enabled")


class ReceivedEventFilterSet(django_filters.FilterSet):
    """Filters for what came in through a source."""

    outcome = django_filters.ChoiceFilter(choices=Outcome.choices)
    type = django_filters.CharFilter()
    name = django_filters.CharFilter()
    code = django_filters.CharFilter()
    message_id = django_filters.CharFilter()
    contact = WholeNumberFilter(field_name="contact_id", min_value=1, max_value=2**63 - 1)
    received_after = django_filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="gte")
    received_before = django_filters.IsoDateTimeFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = ReceivedEvent
        fields: tuple[str, ...] = ()


class HeldEventFilterSet(ReceivedEventFilterSet):
    """Filters for what is held."""

    state = django_filters.ChoiceFilter(choices=HeldEvent.State.choices)

    class Meta:
        model = HeldEvent
        fields: tuple[str, ...] = ()


class TemplateFilterSet(django_filters.FilterSet):
    """Filters for templates."""

    name = django_filters.CharFilter(lookup_expr="icontains")
    channel = django_filters.ChoiceFilter(choices=Template.Channel.choices)

    class Meta:
        model = Template
        fields = ("name", "channel")


class SuppressionFilterSet(django_filters.FilterSet):
    """Filters for suppressed addresses; an address is the same in capitals."""

    address = django_filters.CharFilter(method="of_address")
    reason = django_filters.ChoiceFilter(choices=Suppression.Reason.choices)
    contact = WholeNumberFilter(field_name="contact_id", min_value=1, max_value=2**63 - 1)

    class Meta:
        model = Suppression
        fields: tuple[str, ...] = ()

    def of_address(self, qs: Any, name: str, value: str) -> Any:
        """The one of this address, also where only its digest is left."""
        return qs.filter(address__in=suppressions.forms_of(value))


class ListedFilter(django_filters.CharFilter):
    """One of the values of a list."""

    def filter(self, qs: Any, value: str) -> Any:
        """Rows whose list has it."""
        return qs.filter(**{f"{self.field_name}__contains": [value]}) if value else qs


class WebhookFilterSet(django_filters.FilterSet):
    """Filters for webhooks."""

    enabled = django_filters.BooleanFilter(field_name="is_enabled")
    type = ListedFilter(field_name="event_types")

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = ()


class DeliveryFilterSet(django_filters.FilterSet):
    """Filters for deliveries."""

    connection = WholeNumberFilter(field_name="connection_id", min_value=1, max_value=2**31 - 1)
    kind = django_filters.CharFilter()
    state = django_filters.ChoiceFilter(choices=Delivery.State.choices)
    key = django_filters.CharFilter()
    subject = django_filters.CharFilter()
    reason = django_filters.CharFilter()
    contact = WholeNumberFilter(field_name="contact_id", min_value=1, max_value=2**63 - 1)
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = ()


class VendorConnectionFilterSet(django_filters.FilterSet):
    """Filters for connections to vendors' systems."""

    kind = django_filters.CharFilter()
    state = django_filters.ChoiceFilter(choices=VendorConnection.State.choices, method="of_state")
    enabled = django_filters.BooleanFilter(field_name="is_enabled")
    website = django_filters.CharFilter(method="of_website")

    class Meta:
        model = VendorConnection
        fields: tuple[str, ...] = ()

    def of_state(self, qs: Any, name: str, value: str) -> Any:
        """Those that stand so."""
        return qs.filter(VendorConnection.in_state(value))

    def of_website(self, qs: Any, name: str, value: str) -> Any:
        """Those that are for the website of this key."""
        rows = ConnectionWebsite.objects.filter(website__key=value, state="attached")
        return qs.filter(pk__in=rows.values("connection_id"))
