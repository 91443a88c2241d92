"""Journeys in the API: translation only; the verbs are in `journeys.journeys` and `publishing`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from journeys import checking, journeys, publishing, reading, statistics, trends
from journeys.api.journey_serializers import (
    NAMES,
    DrawingFaultsSerializer,
    JourneyCheckSerializer,
    JourneyCreationSerializer,
    JourneyDraftSerializer,
    JourneyNameSerializer,
    JourneyPublishingSerializer,
    JourneySerializer,
    JourneyStatisticsSerializer,
    JourneyUsesSerializer,
    JourneyVersionSerializer,
    ParticipantSerializer,
    PassedSerializer,
    StoppingSerializer,
)
from journeys.documents import unkeepable
from journeys.drawing.faults import Fault
from journeys.errors import JourneyInvalid
from journeys.filtersets import JourneyFilterSet, ParticipantFilterSet
from journeys.hiding import Hiding
from journeys.models import Journey, Lane, Participant
from journeys.participants import find_participant, find_version, participants_of
from journeys.uses import uses_of
from workspace.api.pages import NEWEST_FIRST, Ordering, fault
from workspace.api.views import ApiViewSet

KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_VIEW, _PUBLISH = "journeys.view_journey", publishing.PERMISSION
_VERSION = OpenApiParameter("version", int, description="The number of a version; the latest.")


class JourneyViewSet(ApiViewSet):
    """Journeys: what happens with contacts, step by step."""

    queryset = Journey.objects.all()
    filterset_class = JourneyFilterSet
    lookup_field = "key"
    lookup_value_regex = KEY
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
    }
    action_orderings = {
        "versions": {"-number": Ordering(("number",), is_descending=True)},
    }
    query_names = {"statistics": ("version", "period")}
    permissions = {
        "list": _VIEW,
        "create": "journeys.add_journey",
        "retrieve": _VIEW,
        "partial_update": "journeys.change_journey",
        "destroy": "journeys.delete_journey",
        "copy": "journeys.add_journey",
        "versions": _VIEW,
        "validate": _VIEW,
        "publish": _PUBLISH,
        "pause": _PUBLISH,
        "resume": _PUBLISH,
        "close": _PUBLISH,
        "stop": _PUBLISH,
        "foresee_stop": _VIEW,
        "statistics": _VIEW,
        "uses": _VIEW,
    }
    # It writes nothing.
    unwrapped = frozenset({"validate"})

    def get_queryset(self) -> "QuerySet[Journey]":
        # Apart from the groups, by which a journey may be found twice.
        known = Journey.objects.filter(pk__in=journeys.known_journeys(self.actor).values("pk"))
        latest = Max("versions__number", filter=Q(versions__lane=Lane.LIVE))
        return known.annotate(latest_number=latest).prefetch_related("groups")

    def journey(self, key: str) -> Journey:
        """The journey of the address. Raises JourneyUnknown, also outside one's user groups."""
        found = self.get_queryset().filter(key=key).first()
        if found is None:
            raise journeys.unknown(key)
        return found

    def answer(self, journey: Journey, *, status: int = 200) -> Response:
        """The journey as it is now."""
        shape = self.shape(JourneySerializer, self.journey(journey.key))
        return Response(shape, status=status)

    @extend_schema(responses=JourneySerializer(many=True))
    def list(self, request: Request) -> Response:
        """Journeys that one may see, by key."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(JourneySerializer))

    @extend_schema(request=JourneyCreationSerializer, responses={201: JourneySerializer})
    def create(self, request: Request) -> Response:
        """A new draft. Its drawing may be unfinished: `validate` says what is wrong."""
        given = _with_settings(self.read(JourneyCreationSerializer))
        journey = journeys.create_journey(actor=self.actor, at=timezone.now(), **given)
        return self.answer(journey, status=201)

    @extend_schema(responses=JourneySerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One journey with its draft. What one may not know of is masked (`hidden:1`)."""
        return self.answer(self.journey(key))

    @extend_schema(request=JourneyDraftSerializer, responses=JourneySerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change the draft. With `draft_number`, 409 where somebody else changed it meanwhile."""
        given = _with_settings(self.read(JourneyDraftSerializer))
        changed = journeys.update_draft(
            self.journey(key), actor=self.actor, at=timezone.now(), **given
        )
        return self.answer(changed)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Delete a draft that was never published."""
        journeys.delete_journey(self.journey(key), actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(request=JourneyNameSerializer, responses={201: JourneySerializer})
    @action(detail=True, methods=["post"])
    def copy(self, request: Request, key: str) -> Response:
        """A draft with the same drawing and settings."""
        given = self.read(JourneyNameSerializer)
        copy = journeys.copy_journey(
            self.journey(key), actor=self.actor, at=timezone.now(), **given
        )
        return self.answer(copy, status=201)

    @extend_schema(responses=JourneyVersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, key: str) -> Response:
        """What was published, the latest first."""
        rows = self.journey(key).versions.filter(lane=Lane.LIVE)
        return self.page(rows, self.shapes(JourneyVersionSerializer))

    @extend_schema(request=JourneyCheckSerializer, responses=DrawingFaultsSerializer)
    @action(detail=True, methods=["post"])
    def validate(self, request: Request, key: str) -> Response:
        """All faults and warnings of the draft, or of what the body has in its place."""
        journey, given = self.journey(key), _with_settings(self.read(JourneyCheckSerializer))
        found = _faults(journey, given, Hiding(self.actor), at=timezone.now())
        told = {
            "is_sound": not checking.errors_among(found),
            "faults": [fault.as_json() for fault in found],
        }
        return Response(told)

    @extend_schema(request=JourneyPublishingSerializer, responses=JourneySerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, key: str) -> Response:
        """Make a version of the draft; faults are told all at once, under `faults`."""
        journey, given = self.journey(key), self.read(JourneyPublishingSerializer)
        version = publishing.publish(journey, actor=self.actor, at=timezone.now(), **given)
        return self.answer(version.journey)

    @extend_schema(request=None, responses=JourneySerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, key: str) -> Response:
        """Hold everyone where he is."""
        return self._do(publishing.pause, key)

    @extend_schema(request=None, responses=JourneySerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, key: str) -> Response:
        """Let a paused journey go on."""
        return self._do(publishing.resume, key)

    @extend_schema(request=None, responses=JourneySerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, key: str) -> Response:
        """Let nobody enter any more; who is inside goes on to the end."""
        return self._do(publishing.close, key)

    @extend_schema(request=None, responses=JourneySerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, key: str) -> Response:
        """Take everyone out, at once and for ever."""
        return self._do(publishing.stop, key)

    @extend_schema(responses=StoppingSerializer)
    @stop.mapping.get
    def foresee_stop(self, request: Request, key: str) -> Response:
        """Whom stopping would take out now."""
        found = publishing.foresee_stop(self.journey(key))
        return Response(self.shape(StoppingSerializer, found))

    @extend_schema(
        parameters=[
            _VERSION,
            OpenApiParameter(
                "period", str, enum=["all", "live"], description="`live`: the last 24 hours."
            ),
        ],
        responses=JourneyStatisticsSerializer,
    )
    @action(detail=True, methods=["get"])
    def statistics(self, request: Request, key: str) -> Response:
        """A version in figures: who entered, stands where, went which way; messages; the goal."""
        version = find_version(self.journey(key), version_asked(request))
        now = timezone.now()
        since = _since(request.query_params.get("period", "all"), now)
        told = {
            "version": version.number,
            "since": since,
            **asdict(statistics.summarize(version, since=since)),
            "reading": reading.standing_of(version, as_of=now, actor=self.actor),
            "entrance_trend": trends.entrance_trend(version, as_of=now, since=since).as_json(),
            "message_trend": trends.message_trend(version, as_of=now, since=since).as_json(),
            "nodes": statistics.node_counts(version, since=since),
            "messages": statistics.message_counts(version, since=since),
        }
        return Response(self.shape(JourneyStatisticsSerializer, told))

    @extend_schema(responses=JourneyUsesSerializer)
    @action(detail=True, methods=["get"])
    def uses(self, request: Request, key: str) -> Response:
        """What names the journey, of what one may see: criteria, and journeys that jump to it."""
        found = uses_of(self.journey(key), actor=self.actor)
        told = {"uses": [use for use in found if not use.is_hidden]}
        return Response(self.shape(JourneyUsesSerializer, told))

    def _do(self, verb: Any, key: str) -> Response:
        self.read_nothing()
        return self.answer(verb(self.journey(key), actor=self.actor, at=timezone.now()))


class ParticipantViewSet(ApiViewSet):
    """Who is or was on a journey; those of tests are not among them."""

    queryset = Participant.objects.all()
    filterset_class = ParticipantFilterSet
    orderings = NEWEST_FIRST
    query_names = {"list": ("version", "node")}
    permissions = {"list": _VIEW, "retrieve": _VIEW}

    @extend_schema(
        parameters=[
            _VERSION,
            OpenApiParameter("node", str, description="Who stands at this activity now."),
        ],
        responses=ParticipantSerializer(many=True),
    )
    def list(self, request: Request, key: str) -> Response:
        """Participants, the newest first; of all versions where nothing is said."""
        rows = participants_of(
            journeys.find_journey(key, actor=self.actor),
            version=version_asked(request),
            node=request.query_params.get("node", ""),
        )
        return self.page(self.filter_queryset(rows), self.shapes(ParticipantSerializer))

    @extend_schema(responses=PassedSerializer)
    def retrieve(self, request: Request, key: str, participant_id: str) -> Response:
        """One participant with what came with it, and each step: its cause, data and time."""
        journey = journeys.find_journey(key, actor=self.actor)
        return Response(
            self.shape(PassedSerializer, find_participant(journey, int(participant_id)))
        )


def _with_settings(given: dict[str, Any]) -> dict[str, Any]:
    """The body with the settings in it by themselves, where it has any."""
    kept = {name: value for name, value in given.items() if name not in NAMES}
    settings = {name: given[name] for name in NAMES if name in given}
    return {**kept, "settings": settings} if settings else kept


def _faults(
    journey: Journey, given: dict[str, Any], hiding: Hiding, *, at: datetime
) -> "list[Fault]":
    """The faults of the draft with what is given in its place."""
    problems = [problem for name, value in given.items() for problem in unkeepable(value, name)]
    if problems:
        raise JourneyInvalid(problems[0].message, problems=problems)
    drawing, settings = journey.drawing, dict(journey.settings)
    if "drawing" in given:
        drawing = hiding.lifted_drawing(given["drawing"], journey.drawing)
    if "settings" in given:
        settings |= hiding.lifted_settings(given["settings"], journey.settings)
    return checking.faults_of(
        journey, actor=hiding.actor, at=at, drawing=drawing, settings=settings
    )


def version_asked(request: Request) -> int | None:
    """The number of the version that the address asks for; None where it asks for none."""
    text = request.query_params.get("version", "")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise fault("version", "invalid", _("The number of a version is a whole number."))
    return int(text)


def _since(period: str, at: datetime) -> datetime | None:
    if period not in ("all", "live"):
        raise fault("period", "invalid_choice", _("The period is “all” or “live”."))
    return at - statistics.LIVE if period == "live" else None
