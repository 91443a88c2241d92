"""External authorizations in the API."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import delivery_counts
from integrations.api.connection_serializers import (
    AttachedWebsitesSerializer,
    ConnectionChangeSerializer,
    ConnectionCreationSerializer,
    ConnectionSerializer,
    ConnectionWebsiteSerializer,
    DeliveryDaySerializer,
    NewCredentialsSerializer,
    TriedSerializer,
    VendorCallSerializer,
    VendorKindSerializer,
    VendorSyncSerializer,
    WantedSyncsSerializer,
)
from integrations.api.webhook_serializers import DeliverySerializer
from integrations.filtersets import VendorConnectionFilterSet
from integrations.models import ConnectionWebsite, Delivery, VendorCall, VendorConnection
from integrations.vendors import (
    calls,
    connections,
    credentials,
    leaving,
    registry,
    revoking,
    syncing,
    trials,
)
from workspace import websites
from workspace.api.pages import NEWEST_FIRST, fault
from workspace.api.serializers import JobLinkSerializer
from workspace.api.views import ApiViewSet

_ENDS = (Delivery.State.DELIVERED, Delivery.State.FAILED, Delivery.State.CANCELLED)
_VIEW, _CHANGE = "integrations.view_vendorconnection", connections.CHANGE


def _flag(name: str, words: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.BOOL, description=words, default=False)


class ConnectionViewSet(ApiViewSet):
    """Accounts at vendors' systems. What they authorize with is never shown again."""

    queryset = VendorConnection.objects.all()
    filterset_class = VendorConnectionFilterSet
    lookup_value_regex = r"\d{1,9}"
    # The vendor is asked before anything is written, and may take its time.
    committing = frozenset({"create", "partial_update", "credentials", "test"})
    action_orderings = {"calls": NEWEST_FIRST, "syncs": NEWEST_FIRST}
    query_names = {"destroy": ("delete_data", "forget")}
    permissions = {
        "list": _VIEW,
        "create": connections.ADD,
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "destroy": revoking.DELETE,
        "kinds": _VIEW,
        "credentials": _CHANGE,
        "test": _CHANGE,
        "test_event": _CHANGE,
        "counts": _VIEW,
        "pause": _CHANGE,
        "resume": _CHANGE,
        "sync": "integrations.sync_vendorconnection",
        "websites": _VIEW,
        "attach": _CHANGE,
        "leave": _CHANGE,
        "retry_leaving": _CHANGE,
        "calls": _VIEW,
        "syncs": _VIEW,
    }

    @extend_schema(responses=ConnectionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Connections, the oldest first; revoked ones, too."""
        return self.page(self.filter_queryset(_connections()), self.shapes(ConnectionSerializer))

    @extend_schema(request=ConnectionCreationSerializer, responses={201: ConnectionSerializer})
    def create(self, request: Request) -> Response:
        """Connect to an account, once the vendor has taken the credentials.

        Where it refuses them, or does not answer, the answer is 400 with its words, and nothing
        is kept.
        """
        given = self.read(ConnectionCreationSerializer)
        given["websites"] = websites.find_websites(given.get("websites", []))
        made = connections.authorize_connection(**given, actor=self.actor, at=timezone.now())
        return self._answer(made.pk, status=201)

    @extend_schema(responses=ConnectionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One connection."""
        return self._answer(int(pk))

    @extend_schema(request=ConnectionChangeSerializer, responses=ConnectionSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what the body names; of the settings those that it names."""
        found = connections.find_connection(int(pk))
        given = self.read(ConnectionChangeSerializer)
        connections.change_connection(found.pk, values=given, actor=self.actor, at=timezone.now())
        return self._answer(found.pk)

    @extend_schema(
        parameters=[
            _flag("delete_data", "First delete at the vendor what was uploaded, by a job."),
            _flag("forget", "Take a connection that is revoked off the list, with its log."),
        ],
        responses={200: ConnectionSerializer, 202: ConnectionSerializer},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Revoke access: everything stops, the credentials are deleted.

        With `delete_data` the answer is 202, and its state `revoking` until the data at the vendor
        are gone. With `forget` a revoked connection is gone after, and the answer is its last.
        """
        self.read_nothing()
        at, actor = timezone.now(), self.actor
        delete_data, forget = self._said("delete_data"), self._said("forget")
        if forget:
            answer = self._answer(int(pk))
            revoking.delete_connection(int(pk), actor=actor, at=at)
            return answer
        found = revoking.revoke_access(int(pk), actor=actor, at=at, delete_data=delete_data)
        return self._answer(found.pk, status=202 if delete_data else 200)

    @extend_schema(responses=VendorKindSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"])
    def kinds(self, request: Request) -> Response:
        """The systems that one can connect to, with what they ask for and where one finds it."""
        return Response(self.shapes(VendorKindSerializer)(registry.vendors()))

    @extend_schema(request=NewCredentialsSerializer, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def credentials(self, request: Request, pk: str) -> Response:
        """Renew the credentials, once the vendor has taken them; what was in error goes on.

        A revoked connection is authorized again, with its settings as they were.
        """
        found = connections.find_connection(int(pk))
        given = self.read(NewCredentialsSerializer)
        by: dict[str, Any] = {"actor": self.actor, "at": timezone.now()}
        if found.revoked_at is None:
            if "websites" in given:
                raise fault("websites", "read_only", "Websites are changed by websites/.")
            credentials.renew_credentials(found.pk, credentials=given["credentials"], **by)
        else:
            keys = given.get("websites")
            credentials.authorize_again(
                found.pk,
                credentials=given["credentials"],
                websites=None if keys is None else websites.find_websites(keys),
                **by,
            )
        return self._answer(found.pk)

    @extend_schema(request=None, responses=TriedSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Ask the vendor whether it takes the credentials. Refused ones stop the connection."""
        self.read_nothing()
        tried = credentials.test_connection(int(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(TriedSerializer, tried))

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path="test-event")
    def test_event(self, request: Request, pk: str) -> Response:
        """Send an event `connection.test` of nobody; its delivery says what came of it."""
        self.read_nothing()
        sent = trials.send_test_event(int(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(DeliverySerializer, sent), status=202)

    @extend_schema(responses=DeliveryDaySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def counts(self, request: Request, pk: str) -> Response:
        """How many deliveries ended how on each of the last 14 days, the oldest first."""
        found = connections.find_connection(int(pk))
        course = delivery_counts.course_of(found.pk, until=timezone.now())
        rows = [
            {"day": day, **{name: course.on(place, name) for name in _ENDS}}
            for place, day in enumerate(course.days)
        ]
        return Response(self.shapes(DeliveryDaySerializer)(rows))

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Send and synchronize nothing until it is resumed; what waits goes on waiting."""
        self.read_nothing()
        connections.pause_connection(int(pk), actor=self.actor, at=timezone.now())
        return self._answer(int(pk))

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on after a pause, at once."""
        self.read_nothing()
        connections.resume_connection(int(pk), actor=self.actor, at=timezone.now())
        return self._answer(int(pk))

    @extend_schema(request=WantedSyncsSerializer, responses={202: JobLinkSerializer})
    @action(detail=True, methods=["post"])
    def sync(self, request: Request, pk: str) -> Response:
        """Synchronize now what is named, or all that is periodic; the answer is the job."""
        found = connections.find_connection(int(pk))
        names = self.read(WantedSyncsSerializer).get("names")
        job = syncing.request_sync(found.pk, actor=self.actor, at=timezone.now(), names=names)
        return self.started(job)

    @extend_schema(responses=ConnectionWebsiteSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def websites(self, request: Request, pk: str) -> Response:
        """The websites that it is for, or was, and what became of their data at the vendor."""
        found = connections.find_connection(int(pk))
        rows = found.connection_websites.select_related("website")
        return Response(self.shapes(ConnectionWebsiteSerializer)(list(rows)))

    @extend_schema(
        request=AttachedWebsitesSerializer, responses=ConnectionWebsiteSerializer(many=True)
    )
    @websites.mapping.post
    def attach(self, request: Request, pk: str) -> Response:
        """Have it be for these websites, too."""
        found = connections.find_connection(int(pk))
        keys = self.read(AttachedWebsitesSerializer)["websites"]
        chosen = websites.find_websites(keys)
        leaving.attach_websites(found.pk, websites=chosen, actor=self.actor, at=timezone.now())
        return self._rows(found)

    @extend_schema(
        parameters=[OpenApiParameter("key", str, OpenApiParameter.PATH)],
        responses={202: ConnectionWebsiteSerializer(many=True)},
    )
    @action(detail=True, methods=["delete"], url_path=r"websites/(?P<key>[A-Za-z0-9_-]{1,63})")
    def leave(self, request: Request, pk: str, key: str) -> Response:
        """Delete the data of a website at the vendor, by a job, and be for it no more."""
        self.read_nothing()
        found = connections.find_connection(int(pk))
        site = websites.find_website(key)
        leaving.remove_websites(found.pk, websites=[site], actor=self.actor, at=timezone.now())
        return self._rows(found, status=202)

    @extend_schema(request=None, responses={202: JobLinkSerializer})
    @action(detail=True, methods=["post"], url_path="retry-leaving")
    def retry_leaving(self, request: Request, pk: str) -> Response:
        """Go on with deleting data at the vendor, where that failed or was cancelled."""
        self.read_nothing()
        job = leaving.retry_leaving(int(pk), actor=self.actor, at=timezone.now())
        return self.started(job)

    @extend_schema(responses=VendorCallSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def calls(self, request: Request, pk: str) -> Response:
        """Requests to the vendor with its answers, the newest first, secrets blanked."""
        found = connections.find_connection(int(pk))
        is_whole = calls.may_read(self.actor)

        def shapes(rows: Sequence[VendorCall]) -> Sequence[Any]:
            told = [calls.told(row, is_whole=is_whole) for row in rows]
            return self.shapes(VendorCallSerializer)(told)

        return self.page(found.calls.all(), shapes)

    @extend_schema(responses=VendorSyncSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def syncs(self, request: Request, pk: str) -> Response:
        """Synchronizations, the newest first."""
        found = connections.find_connection(int(pk))
        return self.page(found.syncs.all(), self.shapes(VendorSyncSerializer))

    def _answer(self, connection_id: int, *, status: int = 200) -> Response:
        connections.find_connection(connection_id)
        found = _connections().get(pk=connection_id)
        return Response(self.shape(ConnectionSerializer, found), status=status)

    def _rows(self, connection: VendorConnection, *, status: int = 200) -> Response:
        rows = connection.connection_websites.select_related("website")
        return Response(self.shapes(ConnectionWebsiteSerializer)(list(rows)), status=status)

    def _said(self, name: str) -> bool:
        """A flag of the query. Raises ValidationError for what is neither true nor false."""
        text = self.request.query_params.get(name, "false")
        if text not in {"true", "false"}:
            raise fault(name, "invalid", f"{name} is true or false.")
        return text == "true"


def _connections() -> "QuerySet[VendorConnection]":
    """Connections with what their shape needs."""
    rows = ConnectionWebsite.objects.select_related("website")
    prefetch = Prefetch("connection_websites", queryset=rows)
    return VendorConnection.objects.select_related("owner").prefetch_related(prefetch)
