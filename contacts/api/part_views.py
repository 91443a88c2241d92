"""Parts of one contact in the API: tags, categories, consents, metrics."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import consents, labels, metrics, profiles
from contacts.api.serializers import (
    ConsentLineSerializer,
    ConsentRecordSerializer,
    ConsentsSerializer,
    KeysSerializer,
    LabelSerializer,
)
from contacts.labels import Kind
from contacts.models import Contact, ContactCategory, ContactTag
from workspace.api.views import ApiViewSet

_VIEW, _CHANGE = "contacts.view_contact", "contacts.change_contact"
_VALUES = {"type": "object", "additionalProperties": {"type": ["number", "string", "null"]}}
_PLURAL: dict[Kind, str] = {"tag": "tags", "category": "categories"}


class ContactLabelViewSet(ApiViewSet):
    """The tags, or the categories, of a contact."""

    queryset = Contact.objects.all()
    kind: Kind = "tag"
    permissions = {"list": _VIEW, "replace": _CHANGE, "add": _CHANGE, "remove": _CHANGE}

    @extend_schema(responses=LabelSerializer(many=True), filters=False)
    def list(self, request: Request, contact_id: str) -> Response:
        """What the contact has, by key; all on one page."""
        return self._answer(profiles.get_contact(int(contact_id)).pk)

    @extend_schema(request=KeysSerializer, responses=LabelSerializer(many=True), filters=False)
    def replace(self, request: Request, contact_id: str) -> Response:
        """Give the contact exactly these."""
        return self._save(profiles.get_contact(int(contact_id)).pk, self._given())

    @extend_schema(request=KeysSerializer, responses=LabelSerializer(many=True), filters=False)
    @transaction.atomic
    def add(self, request: Request, contact_id: str) -> Response:
        """Give the contact these besides those that it has."""
        given, contact = self._given(), profiles.lock_contact(int(contact_id))
        return self._save(contact.pk, [*self._present(contact.pk), *given])

    @extend_schema(responses={200: LabelSerializer(many=True)}, filters=False)
    @transaction.atomic
    def remove(self, request: Request, contact_id: str, key: str) -> Response:
        """Take one from the contact."""
        contact = profiles.lock_contact(int(contact_id))
        labels.definition_id(self.kind, key)
        return self._save(contact.pk, [one for one in self._present(contact.pk) if one != key])

    def _given(self) -> Sequence[str]:
        keys: Sequence[str] = self.read(KeysSerializer)["keys"]
        return keys

    def _save(self, contact_id: int, keys: Sequence[str]) -> Response:
        profiles.update_contact(
            contact_id,
            changes={_PLURAL[self.kind]: list(dict.fromkeys(keys))},
            actor=self.actor,
            at=timezone.now(),
        )
        return self._answer(contact_id)

    def _present(self, contact_id: int) -> Sequence[str]:
        return [row["key"] for row in _labels_of(contact_id, self.kind)]

    def _answer(self, contact_id: int) -> Response:
        found = _labels_of(contact_id, self.kind)
        return Response({"next": None, "previous": None, "results": found})


class ContactConsentViewSet(ApiViewSet):
    """What a contact allows."""

    queryset = Contact.objects.all()
    permissions = {"list": _VIEW, "create": _CHANGE}

    @extend_schema(responses={200: ConsentsSerializer}, filters=False)
    def list(self, request: Request, contact_id: str) -> Response:
        """What the contact allows now, and the whole ledger, the latest line first."""
        return self._answer(profiles.get_contact(int(contact_id)).pk)

    @extend_schema(request=ConsentRecordSerializer, responses={201: ConsentsSerializer})
    def create(self, request: Request, contact_id: str) -> Response:
        """Write that the contact granted or withdrew a consent."""
        contact, given = profiles.get_contact(int(contact_id)), self.read(ConsentRecordSerializer)
        consents.record(
            contact_id=contact.pk,
            key=given["consent"],
            state=given["state"],
            at=given.get("at") or timezone.now(),
            source=given["source"],
            reason=given["reason"],
            actor=self.actor,
        )
        return self._answer(contact.pk, status=201)

    def _answer(self, contact_id: int, status: int = 200) -> Response:
        lines = consents.history(contact_id)
        body = {
            "next": None,
            "previous": None,
            "results": self.shapes(ConsentLineSerializer)(lines),
            "states": consents.states_of([contact_id])[contact_id],
        }
        return Response(body, status=status)


class ContactMetricViewSet(ApiViewSet):
    """The metrics of a contact that others compute."""

    queryset = Contact.objects.all()
    permissions = {"list": _VIEW, "replace": _CHANGE}

    @extend_schema(
        operation_id="contacts_metrics_retrieve", responses={200: _VALUES}, filters=False
    )
    def list(self, request: Request, contact_id: str) -> Response:
        """The values that the contact has, by key."""
        return Response(metrics.values_of(profiles.get_contact(int(contact_id)).pk))

    @extend_schema(request={"application/json": _VALUES}, responses={200: _VALUES})
    @transaction.atomic
    def replace(self, request: Request, contact_id: str) -> Response:
        """Set the metrics that the body names, by key; null takes a value away."""
        given, contact = self.read_object(), profiles.lock_contact(int(contact_id))
        metrics.set_values(contact.pk, given, at=timezone.now())
        return Response(metrics.values_of(contact.pk))


def _labels_of(contact_id: int, kind: Kind) -> list[dict[str, Any]]:
    model = ContactTag if kind == "tag" else ContactCategory
    found = model._default_manager.filter(contact_id=contact_id).order_by(f"{kind}__key")
    return [
        {"key": key, "label": label, "added_at": added_at}
        for key, label, added_at in found.values_list(f"{kind}__key", f"{kind}__label", "added_at")
    ]
