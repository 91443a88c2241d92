"""Contacts in the API: translation only; what may be written is said in `contacts.changes`."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import profiles
from contacts.api.event_views import BY_TIME
from contacts.api.serializers import (
    ContactChangeSerializer,
    ContactSerializer,
    ErasureSerializer,
    ImportSerializer,
    MergeRequestSerializer,
    MergeSerializer,
)
from contacts.api.timeline import (
    TIMELINE_NAMES,
    TIMELINE_PARAMETERS,
    TimelineItemSerializer,
    timeline_page,
)
from contacts.erasure import erase_contact
from contacts.filtersets import ContactFilterSet
from contacts.jobs import request_import
from contacts.merging import merge_contacts
from contacts.models import Contact
from workspace.api.pages import BY_ID, Ordering
from workspace.api.parsing import UploadOnDisk
from workspace.api.serializers import JobLinkSerializer
from workspace.api.views import ApiViewSet

ID = r"\d{1,18}"
_VIEW, _CHANGE = "contacts.view_contact", "contacts.change_contact"


class ContactViewSet(ApiViewSet):
    """People we know."""

    queryset = Contact.objects.all()
    filterset_class = ContactFilterSet
    lookup_value_regex = ID
    orderings = {
        **BY_ID,
        "created_at": Ordering(("created_at", "id")),
        "-created_at": Ordering(("created_at", "id"), is_descending=True),
    }
    action_orderings = {"timeline": BY_TIME}
    query_names = {"timeline": TIMELINE_NAMES}
    uploads = frozenset({"import_file"})
    permissions = {
        "list": _VIEW,
        "create": "contacts.add_contact",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "destroy": "contacts.delete_contact",
        "import_file": _CHANGE,
        "by_external_id": _CHANGE,
        "timeline": _VIEW,
        "merges": _VIEW,
        "merge": "contacts.merge_contact",
    }

    def get_queryset(self) -> "QuerySet[Contact]":
        return Contact.objects.filter(erased_at=None)

    @extend_schema(responses=ContactSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Contacts, by id."""
        rows = self.filter_queryset(self.get_queryset()).only("pk", "created_at")
        return self.page(rows, _describe)

    @extend_schema(request=ContactChangeSerializer, responses={201: ContactSerializer})
    def create(self, request: Request) -> Response:
        """Make a contact. Its identities must be nobody's yet."""
        contact = profiles.create_contact(
            changes=self.read_object(), actor=self.actor, at=timezone.now()
        )
        return Response(_describe_one(contact.pk), status=201)

    @extend_schema(responses=ContactSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One contact."""
        return Response(_describe_one(int(pk)))

    @extend_schema(request=ContactChangeSerializer, responses=ContactSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what the body names."""
        self._update(pk, self.read_object())
        return Response(_describe_one(int(pk)))

    @extend_schema(responses={200: ErasureSerializer})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget the person everywhere. The answer is the proof: what was deleted, and where."""
        contact = profiles.get_contact(int(pk))
        proof = erase_contact(contact.pk, actor=self.actor, at=timezone.now())
        return Response(proof.as_json())

    @extend_schema(
        request={"multipart/form-data": ImportSerializer}, responses={202: JobLinkSerializer}
    )
    @action(detail=False, methods=["post"], url_path="import")
    def import_file(self, request: Request) -> Response:
        """Import contacts from a CSV or XLSX of up to 2 GB, as a job."""
        given = self.read(ImportSerializer)
        file: UploadOnDisk = given["file"]
        job = request_import(
            file.keep(),
            name=file.name or "",
            columns=given.get("columns"),
            update=given["update"],
            actor=self.actor,
        )
        return self.started(job)

    @extend_schema(
        request=ContactChangeSerializer,
        responses={200: ContactSerializer, 201: ContactSerializer},
        parameters=[OpenApiParameter("external_id", str, OpenApiParameter.PATH)],
    )
    @action(detail=False, methods=["put"], url_path="by-external-id/(?P<external_id>.+)")
    def by_external_id(self, request: Request, external_id: str) -> Response:
        """Change the contact of this external id, or make one."""
        contact, is_new = profiles.save_by_external_id(
            external_id, changes=self.read_object(), actor=self.actor, at=timezone.now()
        )
        return Response(_describe_one(contact.pk), status=201 if is_new else 200)

    @extend_schema(
        responses=TimelineItemSerializer(many=True), filters=False, parameters=TIMELINE_PARAMETERS
    )
    @action(detail=True, methods=["get"])
    def timeline(self, request: Request, pk: str) -> Response:
        """All that is known to have happened, of every kind, the newest first."""
        contact = profiles.get_contact(int(pk))
        return timeline_page(self, contact_id=contact.pk, actor=self.actor)

    @extend_schema(responses=MergeSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def merges(self, request: Request, pk: str) -> Response:
        """Which contacts became one with this one, and why, the latest first; all on one page."""
        contact = profiles.get_contact(int(pk))
        found = self.shapes(MergeSerializer)(list(contact.merges.all()))
        return Response({"next": None, "previous": None, "results": found})

    @extend_schema(request=MergeRequestSerializer, responses={200: MergeSerializer})
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Make one contact of two: all that this one has goes to the contact `into`.

        From then on its number answers that contact. It cannot be undone.
        """
        given = self.read(MergeRequestSerializer)
        merge = merge_contacts(
            given["into"],
            int(pk),
            actor=self.actor,
            at=timezone.now(),
            cause="api",
            evidence=given["evidence"],
        )
        return Response(self.shape(MergeSerializer, merge))

    def _update(self, pk: str, changes: dict[str, Any]) -> None:
        profiles.update_contact(int(pk), changes=changes, actor=self.actor, at=timezone.now())


def _describe(contacts: Sequence[Contact]) -> Sequence[Any]:
    return profiles.describe_contacts([contact.pk for contact in contacts])


def _describe_one(contact_id: int) -> dict[str, Any]:
    """The contact. Raises ContactUnknown."""
    contact = profiles.get_contact(contact_id)
    (described,) = profiles.describe_contacts([contact.pk])
    return described
