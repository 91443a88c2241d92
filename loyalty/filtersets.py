"""Filters for lists of this room. Times are ISO 8601 with an offset; `_after` is inclusive."""

import django_filters
from django.db.models import Q, QuerySet

from loyalty.models import Claim, EarnRule, Mechanism, Member, PointsPosting, Redemption, Suspicion
from loyalty.redeeming.applicability import clean_code
from segments.lifecycle import known_segments
from workspace.access import actor_of


class MechanismFilterSet(django_filters.FilterSet):
    """Filters for mechanisms."""

    kind = django_filters.ChoiceFilter(choices=Mechanism.Kind.choices)
    status = django_filters.ChoiceFilter(choices=Mechanism.Status.choices)
    name = django_filters.CharFilter(lookup_expr="icontains")
    group = django_filters.CharFilter(field_name="groups__name", distinct=True)
    category = django_filters.CharFilter(field_name="category__key")
    segment = django_filters.CharFilter(
        method="with_segment", label="The key of a segment, or of a list."
    )

    class Meta:
        model = Mechanism
        fields = ("kind", "status", "name", "group", "category", "segment")

    def with_segment(
        self, queryset: "QuerySet[Mechanism]", name: str, value: str
    ) -> "QuerySet[Mechanism]":
        """Those that use the segment; none where one may not know of it."""
        known = known_segments(actor_of(self.request)).filter(key=value).order_by().values("pk")
        using = Mechanism.objects.filter(Q(segments__in=known) | Q(lists__in=known))
        return queryset.filter(pk__in=using.order_by().values("pk"))


class SuspicionFilterSet(django_filters.FilterSet):
    """Filters for suspicions."""

    kind = django_filters.ChoiceFilter(choices=Suspicion.Kind.choices)
    state = django_filters.ChoiceFilter(choices=Suspicion.State.choices)
    subject = django_filters.CharFilter()

    class Meta:
        model = Suspicion
        fields = ("kind", "state", "subject")


class ClaimFilterSet(django_filters.FilterSet):
    """Filters for the claims of a mechanism."""

    state = django_filters.ChoiceFilter(choices=Claim.State.choices)
    contact = django_filters.NumberFilter(field_name="contact_id")

    class Meta:
        model = Claim
        fields = ("state", "contact")


class MemberFilterSet(django_filters.FilterSet):
    """Filters for members; without `is_member` also those who left."""

    is_member = django_filters.BooleanFilter(field_name="left_at", lookup_expr="isnull")
    tier = django_filters.CharFilter()
    card_number = django_filters.CharFilter()
    points_min = django_filters.NumberFilter(field_name="points", lookup_expr="gte")
    points_max = django_filters.NumberFilter(field_name="points", lookup_expr="lte")
    joined_after = django_filters.IsoDateTimeFilter(field_name="joined_at", lookup_expr="gte")
    joined_before = django_filters.IsoDateTimeFilter(field_name="joined_at", lookup_expr="lt")

    class Meta:
        model = Member
        fields = ("tier", "card_number")


class PointsFilterSet(django_filters.FilterSet):
    """Filters for the ledger of points."""

    contact = django_filters.NumberFilter(field_name="contact_id")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")
    rule = django_filters.CharFilter(field_name="rule__key")
    cause = django_filters.CharFilter()

    class Meta:
        model = PointsPosting
        fields = ("contact", "cause")


class EarnRuleFilterSet(django_filters.FilterSet):
    """Filters for earn rules."""

    event = django_filters.CharFilter(field_name="event_name")
    is_enabled = django_filters.BooleanFilter()

    class Meta:
        model = EarnRule
        fields = ("is_enabled",)


class RedemptionFilterSet(django_filters.FilterSet):
    """Filters for redemptions."""

    state = django_filters.ChoiceFilter(choices=Redemption.State.choices)
    voucher = django_filters.CharFilter(
        method="of_voucher", label="The code of a card, in capital or small letters."
    )
    campaign = django_filters.CharFilter(field_name="voucher__campaign__key")
    contact = django_filters.NumberFilter(field_name="contact_id")
    order = django_filters.CharFilter(field_name="order_reference")
    at_after = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    at_before = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = Redemption
        fields = ("state", "voucher", "campaign", "contact", "order", "at_after", "at_before")

    def of_voucher(
        self, queryset: "QuerySet[Redemption]", name: str, value: str
    ) -> "QuerySet[Redemption]":
        """Those of one card."""
        return queryset.filter(voucher__code=clean_code(value))
