"""Filters for lists of campaigns, codes and publications. Times are ISO 8601 with an offset."""

import django_filters
from django.db.models import QuerySet

from contacts.identities import USER_ID, find_contact_id
from loyalty.errors import CampaignUnknown
from loyalty.gift_cards import campaigns, states
from loyalty.gift_cards.codes import normal_code
from loyalty.models import Campaign, Publication, Voucher
from workspace.access import actor_of


class CampaignFilterSet(django_filters.FilterSet):
    """Filters for campaigns."""

    status = django_filters.ChoiceFilter(choices=Campaign.Status.choices)
    name = django_filters.CharFilter(lookup_expr="icontains")
    group = django_filters.CharFilter(field_name="groups__name", distinct=True)

    class Meta:
        model = Campaign
        fields = ("status", "name", "group")


class _OfCampaign(django_filters.FilterSet):
    """What belongs to campaigns and contacts, filtered by them."""

    campaign = django_filters.CharFilter(
        method="of_campaign", label="The key, name or id of a campaign."
    )
    external_id = django_filters.CharFilter(method="of_external_id")

    def of_campaign(self, queryset: "QuerySet[Voucher]", name: str, value: str) -> object:
        """Those of one campaign; none where one may not know of it."""
        try:
            found = campaigns.find_campaign(value, actor=actor_of(self.request))
        except CampaignUnknown:
            return queryset.none()
        return queryset.filter(campaign=found)

    def of_external_id(self, queryset: "QuerySet[Voucher]", name: str, value: str) -> object:
        """Those of the contact of this external id."""
        contact_id = find_contact_id(USER_ID, value)
        field = "holder_id" if queryset.model is Voucher else "contact_id"
        return queryset.none() if contact_id is None else queryset.filter(**{field: contact_id})


class VoucherFilterSet(_OfCampaign):
    """Filters for codes."""

    state = django_filters.ChoiceFilter(
        field_name="found_state", choices=list(states.STATES.items())
    )
    holder = django_filters.NumberFilter(field_name="holder_id")
    code = django_filters.CharFilter(method="beginning_with", label="What the code begins with.")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    published_after = django_filters.IsoDateTimeFilter(field_name="published_at", lookup_expr="gte")
    published_before = django_filters.IsoDateTimeFilter(field_name="published_at", lookup_expr="lt")

    class Meta:
        model = Voucher
        fields = ("campaign", "state", "holder", "code")

    def beginning_with(self, queryset: "QuerySet[Voucher]", name: str, value: str) -> object:
        """Those whose code begins so, however it is written."""
        return queryset.filter(code__startswith=normal_code(value))


class PublicationFilterSet(_OfCampaign):
    """Filters for publications."""

    state = django_filters.ChoiceFilter(choices=Publication.State.choices)
    contact = django_filters.NumberFilter(field_name="contact_id")
    source_id = django_filters.CharFilter()
    channel = django_filters.CharFilter()
    at_after = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    at_before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = Publication
        fields = ("campaign", "state", "contact", "source_id", "channel")
