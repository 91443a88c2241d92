"""Gift-card campaigns in the API: made, changed, filled with codes from a pattern or a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.campaign_serializers import (
    PATHS,
    CampaignChangeSerializer,
    CampaignCreationSerializer,
    CampaignSerializer,
    CodeCountSerializer,
    CodeFileSerializer,
    settings_of,
)
from loyalty.gift_cards import campaigns, code_exports, code_imports, codes
from loyalty.gift_cards.campaign_filtersets import CampaignFilterSet
from loyalty.models import Campaign
from loyalty.validation_rules import rules
from segments.files import remove_upload
from workspace.api.pages import BY_ID, Ordering
from workspace.api.parsing import UploadOnDisk
from workspace.api.serializers import JobLinkSerializer
from workspace.api.views import ApiViewSet
from workspace.errors import DomainError, InputInvalid, Problem

KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_VIEW, _CHANGE = "loyalty.view_campaign", "loyalty.change_campaign"
_GENERATE = "loyalty.generate_codes_campaign"
_WHICH = OpenApiParameter("which", str, enum=list(code_exports.WHICH), default="all")


class CampaignViewSet(ApiViewSet):
    """Gift-card campaigns. Outside one's user groups they do not exist."""

    queryset = Campaign.objects.all()
    filterset_class = CampaignFilterSet
    lookup_field = "key"
    lookup_value_regex = KEY
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    permissions = {
        "list": _VIEW,
        "create": "loyalty.add_campaign",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "destroy": "loyalty.delete_campaign",
        "activate": _CHANGE,
        "disable": _CHANGE,
        "codes": _GENERATE,
        "import_codes": _GENERATE,
        "export": "loyalty.export_campaign",
    }
    query_names = {"export": ("which",)}
    uploads = frozenset({"import_codes"})

    def get_queryset(self) -> "QuerySet[Campaign]":
        known = campaigns.known_campaigns(self.actor)
        return known.select_related("job").prefetch_related("groups")

    def campaign(self, key: str) -> Campaign:
        """The one of the address. Raises CampaignUnknown, also outside one's user groups."""
        return campaigns.find_by_key(key, actor=self.actor)

    @extend_schema(responses=CampaignSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Campaigns that one may see."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(CampaignSerializer))

    @extend_schema(request=CampaignCreationSerializer, responses={201: CampaignSerializer})
    def create(self, request: Request) -> Response:
        """Make a campaign; a job makes its codes, and `job` says where to watch it."""
        given = self.read(CampaignCreationSerializer)
        now = timezone.now()
        known = [
            rules.find_rule(key, actor=self.actor) for key in given.pop("validation_rules", ())
        ]
        kept = {name: given[name] for name in ("key", "status", "vouchers_count") if name in given}
        with _paths():
            made = campaigns.create_campaign(actor=self.actor, at=now, **kept, **settings_of(given))
        for rule in known:
            rules.assign_rule(rule, campaign=made, actor=self.actor, at=now)
        return Response(self._shape(made), status=201)

    @extend_schema(responses=CampaignSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One campaign."""
        return Response(self._shape(self.campaign(key)))

    @extend_schema(request=CampaignChangeSerializer, responses=CampaignSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names. Codes that are there keep their worth and their form."""
        campaign, given = self.campaign(key), self.read(CampaignChangeSerializer)
        with _paths():
            changed = campaigns.update_campaign(
                campaign, actor=self.actor, at=timezone.now(), **settings_of(given)
            )
        return Response(self._shape(changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Destroy a campaign and its codes, of which none was given to anybody."""
        campaigns.delete_campaign(self.campaign(key), actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, key: str) -> Response:
        """Let it give codes, and its cards pay."""
        return self._switch(key, campaigns.activate_campaign)

    @extend_schema(request=None, responses=CampaignSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, key: str) -> Response:
        """Let it give no codes, and none of its cards pay."""
        return self._switch(key, campaigns.disable_campaign)

    @extend_schema(request=CodeCountSerializer, responses={202: JobLinkSerializer})
    @action(detail=True, methods=["post"])
    def codes(self, request: Request, key: str) -> Response:
        """Make so many codes, as a job."""
        campaign, given = self.campaign(key), self.read(CodeCountSerializer)
        job = codes.generate_codes(campaign, actor=self.actor, at=timezone.now(), **given)
        return self.started(job)

    @extend_schema(
        request={"multipart/form-data": CodeFileSerializer}, responses={202: JobLinkSerializer}
    )
    @action(detail=True, methods=["post"], url_path="import")
    def import_codes(self, request: Request, key: str) -> Response:
        """Read codes from a CSV or XLSX of up to 2 GB, as a job.

        The column `code` has the codes; `amount`, where there is one, their worth in minor units.
        The result of the job says where the rows are that could not be used, with the reasons.
        """
        campaign, given = self.campaign(key), self.read(CodeFileSerializer)
        file: UploadOnDisk = given.pop("file")
        path = file.keep()
        try:
            job = code_imports.request_import(
                campaign,
                path,
                file_name=file.name or "",
                actor=self.actor,
                at=timezone.now(),
                **given,
            )
        except DomainError:
            remove_upload(path)
            raise
        return self.started(job)

    @extend_schema(parameters=[_WHICH], responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def export(self, request: Request, key: str) -> Any:
        """The codes as CSV: all, `unpublished` or `published`. It is logged."""
        campaign, now = self.campaign(key), timezone.now()
        which = request.query_params.get("which", "all")
        return csv_answer(
            code_exports.export_codes(campaign, which=which, actor=self.actor, at=now),
            code_exports.file_name(campaign, now),
        )

    def _switch(self, key: str, verb: Callable[..., Campaign]) -> Response:
        self.read_nothing()
        switched = verb(self.campaign(key), actor=self.actor, at=timezone.now())
        return Response(self._shape(switched))

    def _shape(self, campaign: Campaign) -> object:
        return self.shape(CampaignSerializer, campaign)


def csv_answer(pieces: Iterator[bytes], name: str) -> StreamingHttpResponse:
    """A file that is being made while it is sent: to be saved, and kept by nobody in between."""
    return StreamingHttpResponse(
        pieces,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store, private",
            "X-Content-Type-Options": "nosniff",
        },
    )


@contextmanager
def _paths() -> Iterator[None]:
    """Have faults name what stands in the body, not what the verbs call it."""
    try:
        yield
    except InputInvalid as refused:
        refused.problems = tuple(
            Problem(_path(one.path), one.code, one.message) for one in refused.problems
        )
        raise


def _path(path: str) -> str:
    head, dot, rest = path.partition(".")
    return PATHS.get(head, head) + dot + rest
