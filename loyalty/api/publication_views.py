"""Codes given to contacts in the API, and the codes themselves as a list."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.errors import ContactUnknown
from contacts.identities import USER_ID, find_contact_id
from loyalty.api.campaign_serializers import (
    ListedVoucherSerializer,
    PublicationCreationSerializer,
    PublicationSerializer,
    VoucherCreationSerializer,
)
from loyalty.errors import PublicationRefused
from loyalty.gift_cards import campaigns, codes, publications, states
from loyalty.gift_cards.campaign_filtersets import PublicationFilterSet, VoucherFilterSet
from loyalty.models import Publication, Voucher
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet

_JOIN_ONCE = "join_once"


class PublicationViewSet(ApiViewSet):
    """Codes given to contacts. Those of campaigns that one may not know of do not exist."""

    queryset = Publication.objects.all()
    filterset_class = PublicationFilterSet
    lookup_value_regex = r"\d{1,18}"
    orderings = NEWEST_FIRST
    permissions = {
        "list": "loyalty.view_publication",
        "create": "loyalty.publish_campaign",
        "retrieve": "loyalty.view_publication",
    }
    query_names = {"create": (_JOIN_ONCE,)}

    _refused: PublicationRefused | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        if self._refused is not None:
            # What the request wrote is rolled back; that it was refused stays on record.
            with transaction.atomic():
                publications.note_failure(self._refused, at=timezone.now())
        return response

    def get_queryset(self) -> "QuerySet[Publication]":
        known = publications.known_publications(self.actor)
        return known.select_related("campaign", "voucher__campaign")

    @extend_schema(responses=PublicationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Publications, the newest first."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(PublicationSerializer))

    @extend_schema(
        parameters=[OpenApiParameter(_JOIN_ONCE, bool)],
        request=PublicationCreationSerializer,
        responses={201: PublicationSerializer, 200: PublicationSerializer},
    )
    def create(self, request: Request) -> Response:
        """Give a contact a code; once for each `source_id`.

        201 for a new publication; 200 for the one that there is: of the same `source_id`, or of
        a contact who may join the campaign (or, with `join_once=true`, shall join it) only once.
        """
        given = self.read(PublicationCreationSerializer)
        now = timezone.now()
        try:
            publication = publications.publish(
                campaign=given["campaign"]["name"] if "campaign" in given else None,
                contact_id=_contact(given["customer"]),
                source_id=given.get("source_id"),
                channel=given.get("channel", ""),
                metadata=given.get("metadata"),
                tracking_id=given.get("tracking_id", ""),
                voucher_code=given.get("voucher"),
                join_once=_flag(request, _JOIN_ONCE),
                actor=self.actor,
                at=now,
            )
        except PublicationRefused as refused:
            self._refused = refused
            raise
        is_new = publication.at == now
        shape = self.shape(PublicationSerializer, publication)
        return Response(shape, status=201 if is_new else 200)

    @extend_schema(responses=PublicationSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One publication."""
        publication = publications.find_publication(int(pk), actor=self.actor)
        return Response(self.shape(PublicationSerializer, publication))


class VoucherListViewSet(ApiViewSet):
    """Codes of campaigns as a list, and single ones made."""

    queryset = Voucher.objects.all()
    filterset_class = VoucherFilterSet
    orderings = NEWEST_FIRST
    permissions = {
        "list": "loyalty.view_voucher",
        "create": "loyalty.generate_codes_campaign",
    }

    def get_queryset(self) -> "QuerySet[Voucher]":
        known = Voucher.objects.filter(campaign__in=campaigns.known_campaigns(self.actor))
        state = states.state_expression(timezone.now())
        return known.select_related("campaign").annotate(found_state=state)

    @extend_schema(responses=ListedVoucherSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Codes of campaigns that one may see, the newest first."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(ListedVoucherSerializer))

    @extend_schema(request=VoucherCreationSerializer, responses={201: ListedVoucherSerializer})
    def create(self, request: Request) -> Response:
        """Make one code of a campaign, random or the one that is named."""
        given = self.read(VoucherCreationSerializer)
        voucher = codes.create_voucher(
            campaigns.find_campaign(given["campaign"], actor=self.actor),
            code=given.get("code", ""),
            amount_minor=given["gift"]["amount"] if "gift" in given else None,
            starts_at=given.get("start_date"),
            expires_at=given.get("expiration_date"),
            redemption_limit=given.get("redemption", {}).get("quantity"),
            metadata=given.get("metadata"),
            actor=self.actor,
            at=timezone.now(),
        )
        found = self.get_queryset().get(pk=voucher.pk)
        return Response(self.shape(ListedVoucherSerializer, found), status=201)


def _contact(customer: dict[str, Any]) -> int:
    """The contact that a body names. Raises ContactUnknown, ValidationError."""
    if "id" in customer:
        return int(customer["id"])
    if "source_id" not in customer:
        message = _("Name the contact by `id` or `source_id`.")
        raise ValidationError({"customer": [ErrorDetail(message, code="required")]})
    source_id = customer["source_id"]
    contact_id = find_contact_id(USER_ID, source_id)
    if contact_id is None:
        raise ContactUnknown(_("There is no contact “%(id)s”.") % {"id": source_id})
    return contact_id


def _flag(request: Request, name: str) -> bool | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        message = _("It is `true` or `false`.")
        raise ValidationError({name: [ErrorDetail(message, code="invalid")]})
    return text == "true"
