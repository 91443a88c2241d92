"""Sources of events in the API, and what they sent."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import held, sources, user_hashes
from integrations.api.serializers import (
    CountSerializer,
    CreatedSourceSerializer,
    DismissedSerializer,
    GraceSerializer,
    HeldEventSerializer,
    HeldIdsSerializer,
    MadeSecretSerializer,
    MadeUserSecretSerializer,
    ReceivedEventSerializer,
    ReplayAnswerSerializer,
    ReplaySerializer,
    SecretSerializer,
    SourceChangeSerializer,
    SourceCreationSerializer,
    SourceSerializer,
)
from integrations.errors import HeldEventUnknown
from integrations.filtersets import HeldEventFilterSet, ReceivedEventFilterSet, SourceFilterSet
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source
from integrations.source_counts import daily_courses
from workspace.api.pages import NEWEST_FIRST, Ordering, fault
from workspace.api.views import ApiViewSet

DAYS_LIMIT = 366
_VIEW, _CHANGE = "integrations.view_source", "integrations.change_source"


class SourceViewSet(ApiViewSet):
    """Sources of events with their write keys. A key is for ever; nobody deletes a source."""

    queryset = Source.objects.all()
    filterset_class = SourceFilterSet
    lookup_field = "key"
    lookup_value_regex = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
    }
    query_names = {"counts": ("days",)}
    permissions = {
        "list": _VIEW,
        "create": "integrations.add_source",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "rotate_key": _CHANGE,
        "retire_key": _CHANGE,
        "signing_secret": _CHANGE,
        "user_secret": _CHANGE,
        "clear_user_secret": _CHANGE,
        "counts": _VIEW,
    }

    @extend_schema(responses=SourceSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Sources, by key."""
        rows = self.filter_queryset(Source.objects.prefetch_related("write_keys"))
        return self.page(rows, self.shapes(SourceSerializer))

    @extend_schema(request=SourceCreationSerializer, responses={201: CreatedSourceSerializer})
    def create(self, request: Request) -> Response:
        """Create a source, which may send at once. Its write key is told in this answer only."""
        source, write_key = sources.create_source(
            **self.read(SourceCreationSerializer), actor=self.actor, at=timezone.now()
        )
        return Response(self._with_key(source, write_key), status=201)

    @extend_schema(responses=SourceSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One source."""
        return self._answer(key)

    @extend_schema(request=SourceChangeSerializer, responses=SourceSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names; `enabled` says whether the source may send."""
        sources.find_source(key)
        given, at = self.read(SourceChangeSerializer), timezone.now()
        enabled = given.pop("enabled", None)
        sources.change_source(key, values=given, actor=self.actor, at=at)
        if enabled is not None:
            switch = sources.enable_source if enabled else sources.disable_source
            switch(key, actor=self.actor, at=at)
        return self._answer(key)

    @extend_schema(request=GraceSerializer, responses=CreatedSourceSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, key: str) -> Response:
        """Give the source a new write key, told in this answer only; former ones work for a while.

        With `grace_seconds` 0 they stop at once.
        """
        sources.find_source(key)
        grace = self.read(GraceSerializer)["grace"]
        write_key = sources.rotate_write_key(key, actor=self.actor, at=timezone.now(), grace=grace)
        return Response(self._with_key(sources.find_source(key), write_key))

    @extend_schema(request=None, responses=SourceSerializer)
    @action(detail=True, methods=["post"], url_path=r"write-keys/(?P<write_key_id>\d{1,18})/retire")
    def retire_key(self, request: Request, key: str, write_key_id: str) -> Response:
        """Let one write key stop at once, unless it is the only one that works."""
        self.read_nothing()
        sources.retire_write_key(key, int(write_key_id), actor=self.actor, at=timezone.now())
        return self._answer(key)

    @extend_schema(request=SecretSerializer, responses=MadeSecretSerializer)
    @action(detail=True, methods=["post"], url_path="signing-secret")
    def signing_secret(self, request: Request, key: str) -> Response:
        """Set the secret with which Segment signs what it sends to a webhook, or have one made."""
        sources.find_source(key)
        secret = sources.set_signing_secret(
            key, **self.read(SecretSerializer), actor=self.actor, at=timezone.now()
        )
        return Response({"signing_secret": secret})

    @extend_schema(request=GraceSerializer, responses=MadeUserSecretSerializer)
    @action(detail=True, methods=["post"], url_path="user-secret")
    def user_secret(self, request: Request, key: str) -> Response:
        """Ask for signed users from now on: a new secret, with which your server signs them."""
        sources.find_source(key)
        grace = self.read(GraceSerializer)["grace"]
        secret = user_hashes.set_user_secret(key, actor=self.actor, at=timezone.now(), grace=grace)
        return Response({"user_secret": secret})

    @extend_schema(request=None, responses={204: None})
    @user_secret.mapping.delete
    def clear_user_secret(self, request: Request, key: str) -> Response:
        """Ask for signed users no more."""
        user_hashes.clear_user_secret(key, actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(
        responses=CountSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("days", int, description="How many days, until today; default 30.")
        ],
    )
    @action(detail=True, methods=["get"])
    def counts(self, request: Request, key: str) -> Response:
        """How many events came on each day (UTC), by what became of them, the newest day first."""
        source = sources.find_source(key)
        days = _days(request)
        course = daily_courses([source.pk], until=timezone.now(), days=days)[source.pk]
        nothing = [0] * days
        columns = [course.by_outcome.get(outcome, nothing) for outcome in Outcome.values]
        rows = [
            {"day": day, **dict(zip(Outcome.values, counts, strict=True))}
            for day, *counts in zip(course.days, *columns, strict=True)
        ]
        return Response(self.shapes(CountSerializer)(rows[::-1]))

    def _answer(self, key: str) -> Response:
        return Response(self.shape(SourceSerializer, sources.find_source(key)))

    def _with_key(self, source: Source, write_key: str) -> Any:
        context = {**self.get_serializer_context(), "write_key": write_key}
        return CreatedSourceSerializer(source, context=context).data


class ReceivedEventViewSet(ApiViewSet):
    """The log of a source: what came in during the last days, and what became of it."""

    queryset = ReceivedEvent.objects.all()
    filterset_class = ReceivedEventFilterSet
    orderings = NEWEST_FIRST
    permissions = {"list": "integrations.view_receivedevent"}

    @extend_schema(responses=ReceivedEventSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """What came in, the newest first."""
        rows = ReceivedEvent.objects.filter(source=sources.find_source(key))
        return self.page(self.filter_queryset(rows), self.shapes(ReceivedEventSerializer))


class HeldEventViewSet(ApiViewSet):
    """What of a source could not be used, until somebody deals with it."""

    queryset = HeldEvent.objects.all()
    filterset_class = HeldEventFilterSet
    orderings = NEWEST_FIRST
    permissions = {
        "list": "integrations.view_heldevent",
        "replay": held.PERMISSION,
        "dismiss": held.PERMISSION,
    }

    @extend_schema(responses=HeldEventSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """What is held, and what was dealt with lately, the newest first."""
        rows = self.filter_queryset(self._rows(key))
        return self.page(rows, self.shapes(HeldEventSerializer))

    @extend_schema(request=ReplaySerializer, responses=ReplayAnswerSerializer)
    def replay(self, request: Request, key: str) -> Response:
        """Use held events again, a single one corrected if need be; what became of each."""
        rows, given = self._rows(key), self.read(ReplaySerializer)
        ids = _of(rows, given["ids"])
        replayed = held.replay(
            ids, actor=self.actor, at=timezone.now(), changes=given.get("changes")
        )
        return Response(self.shape(ReplayAnswerSerializer, {"results": replayed}))

    @extend_schema(request=HeldIdsSerializer, responses=DismissedSerializer)
    def dismiss(self, request: Request, key: str) -> Response:
        """Deal with held events by leaving them unused."""
        rows, given = self._rows(key), self.read(HeldIdsSerializer)
        count = held.dismiss(_of(rows, given["ids"]), actor=self.actor, at=timezone.now())
        return Response({"dismissed": count})

    def _rows(self, key: str) -> "QuerySet[HeldEvent]":
        return HeldEvent.objects.filter(source=sources.find_source(key))


def _of(rows: "QuerySet[HeldEvent]", ids: "list[int]") -> set[int]:
    """The ids, of which each is one of the rows. Raises HeldEventUnknown."""
    wanted = set(ids)
    found = set(rows.filter(pk__in=wanted).values_list("pk", flat=True))
    if missing := wanted - found:
        message = _("There is no held event %(id)s of this source.")
        raise HeldEventUnknown(message % {"id": min(missing)})
    return wanted


def _days(request: Request) -> int:
    text = request.query_params.get("days", "30")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= DAYS_LIMIT:
        message = _("days is a number from 1 to %(limit)d.") % {"limit": DAYS_LIMIT}
        raise fault("days", "invalid", message)
    return int(text)
