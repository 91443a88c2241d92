"""Reports in the API: translation only."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.errors import CampaignUnknown, ReportInvalid
from loyalty.models import Campaign
from loyalty.reports.attribution import DEFAULT_WINDOW_DAYS, attribute
from loyalty.reports.figures import CampaignFigures, figures_of
from loyalty.reports.known import reported_campaigns
from loyalty.reports.liability import liability
from workspace.api.parsing import read_instant
from workspace.api.views import ApiViewSet
from workspace.errors import Problem

_VIEW = "loyalty.view_campaign"


class FiguresSerializer(serializers.Serializer[Any]):
    """The numbers of one campaign; amounts in minor units of its currency."""

    campaign = serializers.CharField()
    currency = serializers.CharField()
    codes = serializers.IntegerField()
    unpublished = serializers.IntegerField()
    published = serializers.IntegerField()
    used = serializers.IntegerField(help_text="Cards that were redeemed at least once.")
    used_up = serializers.IntegerField()
    expired = serializers.IntegerField()
    disabled = serializers.IntegerField()
    held_out = serializers.IntegerField()
    redemptions = serializers.IntegerField()
    rolled_back = serializers.IntegerField()
    refused = serializers.IntegerField()
    published_minor = serializers.IntegerField()
    added_minor = serializers.IntegerField()
    removed_minor = serializers.IntegerField()
    redeemed_minor = serializers.IntegerField(help_text="Less what was rolled back.")
    rolled_back_minor = serializers.IntegerField()
    expired_minor = serializers.IntegerField()
    outstanding_minor = serializers.IntegerField()


class MonthSerializer(serializers.Serializer[Any]):
    """One month of the statement, in minor units."""

    month = serializers.DateField(help_text="The first day of the month.")
    opening = serializers.IntegerField()
    published = serializers.IntegerField()
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    redeemed = serializers.IntegerField()
    expired = serializers.IntegerField()
    closing = serializers.IntegerField()


class DueSerializer(serializers.Serializer[Any]):
    """What is owed on cards that end within so many days, later, or never (“open”)."""

    until = serializers.CharField()
    card_count = serializers.IntegerField()
    amount_minor = serializers.IntegerField()


class BreakageSerializer(serializers.Serializer[Any]):
    """Of cards that are over, what was never asked for."""

    card_count = serializers.IntegerField()
    given_minor = serializers.IntegerField()
    unused_minor = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)


class LiabilitySerializer(serializers.Serializer[Any]):
    """What is owed to the holders of cards, in one currency."""

    currency = serializers.CharField()
    owed_minor = serializers.IntegerField()
    expected_breakage_minor = serializers.IntegerField(allow_null=True)
    months = MonthSerializer(many=True)
    dues = DueSerializer(many=True)
    breakage = BreakageSerializer()


class StepSerializer(serializers.Serializer[Any]):
    """How many came so far: earned, given, redeemed, returned."""

    key = serializers.CharField()
    contacts = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    amount_minor = serializers.IntegerField(allow_null=True)
    amount = serializers.DecimalField(max_digits=None, decimal_places=None, allow_null=True)


class GroupSerializer(serializers.Serializer[Any]):
    """Contacts reached, how many of them ordered in time, and for how much."""

    reached = serializers.IntegerField()
    ordered = serializers.IntegerField()
    share = serializers.FloatField()
    amount = serializers.DecimalField(max_digits=None, decimal_places=None)


class DifferenceSerializer(serializers.Serializer[Any]):
    """How much larger the share of those with a card is, with the bounds of 95 % certainty."""

    difference = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class AttributionSerializer(serializers.Serializer[Any]):
    """From what earns a card to the next order, beside those who were set aside."""

    trigger = serializers.CharField()
    window_days = serializers.IntegerField()
    steps = StepSerializer(many=True)
    with_card = GroupSerializer()
    set_aside = GroupSerializer()
    difference = DifferenceSerializer(allow_null=True)


class ReportViewSet(ApiViewSet):
    """What campaigns gave, owe and brought about; read-only."""

    queryset = Campaign.objects.all()
    permissions = {"campaigns": _VIEW, "liability": _VIEW, "attribution": _VIEW}
    query_names = {
        "liability": ("campaign", "as_of"),
        "attribution": ("since", "until", "window_days", "trigger"),
    }

    @extend_schema(responses=FiguresSerializer(many=True), filters=False)
    def campaigns(self, request: Request) -> Response:
        """The numbers of all campaigns that one may see; all on one page."""
        known = list(reported_campaigns(self.actor))
        figures = figures_of([one.pk for one in known], at=timezone.now())
        results = [_figures(one, figures[one.pk]) for one in known]
        return Response({"next": None, "previous": None, "results": results})

    @extend_schema(
        responses=LiabilitySerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("campaign", str, description="Key of one campaign; all without."),
            OpenApiParameter("as_of", datetime, description="Default: now."),
        ],
    )
    def liability(self, request: Request) -> Response:
        """What is owed on cards, by currency and month; all on one page."""
        key = request.query_params.get("campaign")
        chosen = [self._campaign(key)] if key else list(reported_campaigns(self.actor))
        at = read_instant(request, "as_of") or timezone.now()
        results = [
            LiabilitySerializer(one).data for one in liability([one.pk for one in chosen], at=at)
        ]
        return Response({"next": None, "previous": None, "results": results})

    @extend_schema(
        responses=AttributionSerializer,
        parameters=[
            OpenApiParameter("since", datetime, description="Default: a year ago."),
            OpenApiParameter("until", datetime, description="Default: now."),
            OpenApiParameter("window_days", int, description="1 to 365; default 30."),
            OpenApiParameter(
                "trigger", str, description="The event that earns a card; default: its own."
            ),
        ],
    )
    def attribution(self, request: Request, key: str) -> Response:
        """What became of those whom a campaign reached."""
        campaign = self._campaign(key)
        until = read_instant(request, "until") or timezone.now()
        since = read_instant(request, "since") or until - timedelta(days=365)
        if since >= until:
            raise _invalid("since", _("“since” has to be earlier than “until”."))
        found = attribute(
            campaign,
            since=since,
            until=until,
            window_days=_window(request),
            trigger=request.query_params.get("trigger"),
        )
        return Response(AttributionSerializer(found).data)

    def _campaign(self, key: str) -> Campaign:
        found = reported_campaigns(self.actor).filter(key=key).first()
        if found is None:
            raise CampaignUnknown(key)
        return found


def _figures(campaign: Campaign, figures: CampaignFigures) -> Mapping[str, Any]:
    own = {"campaign": campaign.key, "currency": campaign.currency}
    return FiguresSerializer({**own, **asdict(figures)}).data


def _window(request: Request) -> int:
    text = request.query_params.get("window_days")
    if not text:
        return DEFAULT_WINDOW_DAYS
    if not (text.isdecimal() and len(text) < 4 and 1 <= int(text) <= 365):
        raise _invalid("window_days", _("“window_days” is a number from 1 to 365."))
    return int(text)


def _invalid(name: str, message: str) -> ReportInvalid:
    return ReportInvalid(message, problems=[Problem(name, "invalid", message)])
