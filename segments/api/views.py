"""Segments in the API: translation only; what may be done is said in `segments.lifecycle`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.profiles import describe_contacts
from segments import (
    causes,
    clause_counts,
    criteria,
    explanation,
    facts,
    health,
    lifecycle,
    members,
    membership,
    overlap,
    past,
    preview,
    suggestions,
    versions,
)
from segments.api.serializers import (
    ChangeSerializer,
    ClauseCountsSerializer,
    ExplanationSerializer,
    FindingSerializer,
    HealthSerializer,
    HistorySerializer,
    MemberSerializer,
    OverlapSerializer,
    PreviewRequestSerializer,
    PreviewSerializer,
    SegmentChangeSerializer,
    SegmentCopySerializer,
    SegmentCreationSerializer,
    SegmentNameSerializer,
    SegmentSerializer,
    SuggestionsSerializer,
    UseSerializer,
    UsesSerializer,
    VersionSerializer,
)
from segments.errors import SegmentUnknown
from segments.filtersets import SegmentFilterSet
from segments.models import Calculation, MembershipChange, Segment, SegmentVersion
from segments.uses import uses_of
from workspace import access
from workspace.api.pages import BY_ID, Ordering, Place
from workspace.api.parsing import read_instant
from workspace.api.serializers import JobLinkSerializer
from workspace.api.views import ApiViewSet

KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_VIEW = "segments.view_segment"
_IN_SAMPLES = ("id", "external_id", "email")


class SegmentViewSet(ApiViewSet):
    """Segments. Outside one's user groups they do not exist; none is ever deleted."""

    queryset = Segment.objects.all()
    filterset_class = SegmentFilterSet
    lookup_field = "key"
    lookup_value_regex = KEY
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    action_orderings = {
        "members": {"contact": Ordering(("contact_id",))},
        "history": {"-at": Ordering(("at", "id"), is_descending=True)},
        "changes": {"at": Ordering(("at",)), "-at": Ordering(("at",), is_descending=True)},
        "versions": {"-number": Ordering(("number",), is_descending=True)},
    }
    query_names = {
        "members": ("as_of",),
        "changes": ("since", "until", "kind"),
        "overlap": ("keys",),
        "explain": ("as_of",),
        "values": ("field", "q", "event", "property", "segment"),
    }
    # A preview writes nothing, and ends its statements by itself when the time is over.
    unwrapped = frozenset({"preview", "counts"})
    permissions = {
        "list": _VIEW,
        "create": "segments.add_segment",
        "retrieve": _VIEW,
        "partial_update": "segments.change_segment",
        "refresh": "segments.refresh_segment",
        "activate": "segments.inactivate_segment",
        "inactivate": "segments.inactivate_segment",
        "archive": "segments.archive_segment",
        "copy": "segments.add_segment",
        "members": _VIEW,
        "history": _VIEW,
        "changes": _VIEW,
        "versions": _VIEW,
        "restore": "segments.change_segment",
        "uses": _VIEW,
        "health": _VIEW,
        "explain": _VIEW,
        "preview": _VIEW,
        "counts": _VIEW,
        "values": _VIEW,
        "overlap": _VIEW,
        "catalog": _VIEW,
    }

    def get_queryset(self) -> "QuerySet[Segment]":
        known = access.visible(Segment.objects.all(), self.actor)
        return known.select_related("imported__connection").prefetch_related("groups")

    def segment(self, key: str) -> Segment:
        """The segment of the address. Raises SegmentUnknown, also outside one's user groups."""
        return lifecycle.find_segment(key, actor=self.actor)

    @extend_schema(responses=SegmentSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Segments that one may see."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(SegmentSerializer))

    @extend_schema(request=SegmentCreationSerializer, responses={201: SegmentSerializer})
    def create(self, request: Request) -> Response:
        """Make a segment. It is active, and its first calculation starts at once."""
        given = self.read(SegmentCreationSerializer)
        segment = lifecycle.create_segment(actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(SegmentSerializer, segment), status=201)

    @extend_schema(responses=SegmentSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One segment."""
        return Response(self.shape(SegmentSerializer, self.segment(key)))

    @extend_schema(request=SegmentChangeSerializer, responses=SegmentSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names. Other criteria make a new version, which is calculated."""
        segment, given = self.segment(key), self.read(SegmentChangeSerializer)
        segment = lifecycle.update_segment(segment, actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(SegmentSerializer, segment))

    @extend_schema(request=None, responses={202: JobLinkSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, key: str) -> Response:
        """Compute the members anew, as a job."""
        self.read_nothing()
        job = membership.request_refresh(self.segment(key), actor=self.actor, at=timezone.now())
        return self.started(job)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, key: str) -> Response:
        """Let an inactive segment be used and refreshed again."""
        return self._turn(lifecycle.activate, key)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"])
    def inactivate(self, request: Request, key: str) -> Response:
        """Take a segment out of use; it keeps its members."""
        return self._turn(lifecycle.inactivate, key)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, key: str) -> Response:
        """Take an inactive segment away for ever; all members leave."""
        return self._turn(lifecycle.archive, key)

    @extend_schema(request=SegmentCopySerializer, responses={201: SegmentSerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, key: str) -> Response:
        """Make an active segment like this one."""
        segment, given = self.segment(key), self.read(SegmentCopySerializer)
        copied = lifecycle.copy_segment(segment, actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(SegmentSerializer, copied), status=201)

    @extend_schema(
        responses=MemberSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter(
                "as_of", OpenApiTypes.DATETIME, description="A past moment. Default: now."
            )
        ],
    )
    @action(detail=True, methods=["get"])
    def members(self, request: Request, key: str) -> Response:
        """Who is in the segment, by contact id; with `as_of` who was in then."""
        segment = self.segment(key)
        at = read_instant(request, "as_of")
        if at is not None:
            past.check_moment(segment, at=at, now=timezone.now())

        def fetch(place: Place | None, is_backward: bool, limit: int) -> list[members.Member]:
            contact_id = None if place is None else _one_number(place)
            if at is not None and is_backward:
                before = 2**63 - 1 if contact_id is None else contact_id
                return past.last_before(segment, at=at, before=before, limit=limit)[::-1]
            if at is not None:
                return past.members_page_at(segment, at=at, after=contact_id or 0, limit=limit)
            if is_backward:
                found = members.members_page(segment, before=contact_id, limit=limit)
                return found[::-1]
            return members.members_page(segment, after=contact_id, limit=limit)

        return self.walk(fetch, lambda member: (str(member.contact_id),), _describe_member)

    @extend_schema(responses=HistorySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def history(self, request: Request, key: str) -> Response:
        """The calculations of the segment, the newest first."""
        rows = Calculation.objects.filter(segment=self.segment(key))
        return self.page(rows, self.shapes(HistorySerializer))

    @extend_schema(
        responses=ChangeSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="From then on."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before then."),
            OpenApiParameter("kind", str, enum=MembershipChange.Kind.values),
        ],
    )
    @action(detail=True, methods=["get"])
    def changes(self, request: Request, key: str) -> Response:
        """Who entered and who left, when, and why."""
        segment = self.segment(key)
        since, until = read_instant(request, "since"), read_instant(request, "until")
        kind: Any = request.query_params.get("kind")
        if kind not in {None, *MembershipChange.Kind.values}:
            message = ErrorDetail(gettext("It is “entered” or “left”."), code="invalid_choice")
            raise ValidationError({"kind": [message]})
        is_descending = self.ordering() == "-at"

        def fetch(place: Place | None, is_backward: bool, limit: int) -> list[members.Change]:
            found = members.changes_page(
                segment,
                since=since,
                until=until,
                kind=kind,
                after=None if place is None else _place_of_change(place),
                newest_first=is_descending != is_backward,
                limit=limit,
            )
            return causes.masked_changes(found, actor=self.actor)

        return self.walk(
            fetch,
            lambda change: (change.at.isoformat(), str(change.contact_id), change.kind),
            lambda change: self.shape(ChangeSerializer, change),
        )

    @extend_schema(responses=VersionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, key: str) -> Response:
        """The criteria that the segment had, the newest first."""
        segment = self.segment(key)

        def describe(found: Any) -> Any:
            told = versions.tell_versions(segment, found, actor=self.actor)
            return self.shapes(VersionSerializer)(told)

        return self.page(SegmentVersion.objects.filter(segment=segment), describe)

    @extend_schema(request=None, responses=SegmentSerializer)
    @action(detail=True, methods=["post"], url_path=r"versions/(?P<number>\d{1,9})/restore")
    def restore(self, request: Request, key: str, number: str) -> Response:
        """Make what an earlier version said a new version, which is calculated."""
        self.read_nothing()
        segment = versions.restore(
            self.segment(key), int(number), actor=self.actor, at=timezone.now()
        )
        return Response(self.shape(SegmentSerializer, segment))

    @extend_schema(responses=UsesSerializer)
    @action(detail=True, methods=["get"])
    def uses(self, request: Request, key: str) -> Response:
        """What uses the segment, of all that one may see."""
        segment = self.segment(key)
        naming = facts.is_named_by(segment.key)
        seen = [other for other in naming if access.is_visible(other, self.actor)]
        seen.sort(key=lambda other: other.key)
        told = [use for use in uses_of(segment, actor=self.actor) if not use.is_hidden]
        return Response(
            {
                "segments": self.shapes(SegmentNameSerializer)(seen),
                "uses": self.shapes(UseSerializer)(told),
            }
        )

    @extend_schema(responses=HealthSerializer)
    @action(detail=True, methods=["get"])
    def health(self, request: Request, key: str) -> Response:
        """What is wrong with the segment, as of the last check; nothing for one out of use."""
        segment = self.segment(key)
        told = health.findings_of(segment, actor=self.actor)
        return Response(
            {
                "findings": self.shapes(FindingSerializer)(told),
                "mail_findings": segment.mail_findings,
            }
        )

    @extend_schema(
        responses=ExplanationSerializer,
        parameters=[OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="Default: now.")],
    )
    @action(detail=True, methods=["get"], url_path=r"explain/(?P<contact_id>\d{1,18})")
    def explain(self, request: Request, key: str, contact_id: str) -> Response:
        """Why a contact is in the segment, or is not: each rule, and what it compared."""
        found = explanation.explain_contact(
            self.segment(key),
            int(contact_id),
            as_of=read_instant(request, "as_of") or timezone.now(),
            actor=self.actor,
        )
        return Response(self.shape(ExplanationSerializer, found))

    @extend_schema(request=PreviewRequestSerializer, responses=PreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """How many contacts criteria hold for, and ten of them. Nothing is saved."""
        given = self.read(PreviewRequestSerializer)
        key = given.get("segment")
        found = preview.preview(
            given["criteria"],
            actor=self.actor,
            as_of=given.get("as_of") or timezone.now(),
            members_only=given["members_only"],
            segment=None if key is None else self.segment(key),
        )
        sample = describe_contacts(found.sample_ids)
        if not self.actor.may("contacts.view_contact"):
            sample = [{name: contact[name] for name in _IN_SAMPLES} for contact in sample]
        return Response(
            {
                "count": found.count,
                "exact": found.exact,
                "sample": sample,
                "as_of": found.as_of,
                "milliseconds": found.milliseconds,
                "sentence": found.sentence,
                "total": found.total,
                "share": found.share,
            }
        )

    @extend_schema(request=PreviewRequestSerializer, responses=ClauseCountsSerializer)
    @action(detail=False, methods=["post"])
    def counts(self, request: Request) -> Response:
        """How many contacts each rule and group of criteria holds for. Nothing is saved."""
        given = self.read(PreviewRequestSerializer)
        key = given.get("segment")
        found = clause_counts.count_clauses(
            given["criteria"],
            actor=self.actor,
            as_of=given.get("as_of") or timezone.now(),
            members_only=given["members_only"],
            segment=None if key is None else self.segment(key),
        )
        return Response({"counts": {path: asdict(count) for path, count in found.items()}})

    @extend_schema(
        responses=SuggestionsSerializer,
        parameters=[
            OpenApiParameter(
                "field",
                str,
                description="A field of criteria, or “event” for names of events.",
            ),
            OpenApiParameter("q", str, description="What the values have in them."),
            OpenApiParameter("event", str, description="Properties of this kind of event."),
            OpenApiParameter("property", str, description="Values of this property."),
            OpenApiParameter("segment", str, description="The segment being changed."),
        ],
    )
    @action(detail=False, methods=["get"])
    def values(self, request: Request) -> Response:
        """Values to choose from in criteria, at most 20, the likeliest first."""
        asked = request.query_params
        found = suggestions.suggest_values(
            asked.get("field", ""),
            actor=self.actor,
            at=timezone.now(),
            typed=asked.get("q", ""),
            event=asked.get("event", ""),
            property_name=asked.get("property", ""),
            segment=self.segment(asked["segment"]) if asked.get("segment") else None,
        )
        return Response({"values": [asdict(one) for one in found]})

    @extend_schema(
        responses=OverlapSerializer,
        parameters=[
            OpenApiParameter(
                "keys", str, required=True, description="Keys of 1 to 6 segments, with commas."
            )
        ],
    )
    @action(detail=False, methods=["get"])
    def overlap(self, request: Request) -> Response:
        """How many contacts are in each combination of segments."""
        keys = [key for key in request.query_params.get("keys", "").split(",") if key]
        known = {segment.key: segment for segment in self.get_queryset().filter(key__in=keys)}
        for key in keys:
            if key not in known:
                raise SegmentUnknown(key)
        found = overlap.compare([known[key] for key in keys])
        return Response(self.shape(OverlapSerializer, found))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=False, methods=["get"])
    def catalog(self, request: Request) -> Response:
        """All fields and operators that one may use in criteria."""
        return Response(criteria.describe(facts.catalog_for(self.actor), translate=gettext))

    def _turn(self, verb: Any, key: str) -> Response:
        self.read_nothing()
        segment = verb(self.segment(key), actor=self.actor, at=timezone.now())
        return Response(self.shape(SegmentSerializer, segment))


def _describe_member(member: members.Member) -> dict[str, Any]:
    return {
        "contact": {
            "id": member.contact_id,
            "external_id": member.external_id,
            "email": member.email,
        },
        "entered_at": member.entered_at,
    }


def _one_number(place: Place) -> int:
    (text,) = place
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(text)
    return number


def _place_of_change(place: Place) -> tuple[datetime, int, str]:
    at_text, contact_id, kind = place
    at = datetime.fromisoformat(at_text)
    if at.tzinfo is None:
        raise ValueError(at_text)
    return at, _one_number((contact_id,)), kind
