"""Cards in the API: validated, redeemed, rolled back, given money, switched on and off."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.errors import ContactUnknown
from contacts.identities import USER_ID, find_contact_id
from contacts.profiles import get_contact
from loyalty.api import card_serializers as shapes
from loyalty.errors import RedemptionRefused, VoucherUnknown
from loyalty.filtersets import RedemptionFilterSet
from loyalty.gift_cards import balances, card_transactions
from loyalty.guarding import lockouts, suspicions
from loyalty.models import Redemption, Voucher
from loyalty.redeeming import redemptions, rollbacks, sessions, validations
from loyalty.redeeming.applicability import known_vouchers
from workspace.access import Actor
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet

CODE = r"[^/]{1,200}"
_VIEW, _CHANGE = "loyalty.view_voucher", "loyalty.change_voucher"
_REDEEM, _SEE = "loyalty.add_redemption", "loyalty.view_redemption"


class VoucherViewSet(ApiViewSet):
    """One card, by its code. Outside one's user groups it does not exist."""

    queryset = Voucher.objects.all()
    lookup_field = "code"
    lookup_value_regex = CODE
    orderings = NEWEST_FIRST
    action_orderings = {"transactions": NEWEST_FIRST}
    permissions = {
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "enable": _CHANGE,
        "disable": _CHANGE,
        "balance": "loyalty.change_balance_voucher",
        "transactions": _VIEW,
        "release": _REDEEM,
    }

    def get_queryset(self) -> "QuerySet[Voucher]":
        return known_vouchers(self.actor)

    def voucher(self, code: str) -> Voucher:
        """The card of the address. Raises VoucherUnknown; who asks for many is locked out."""
        subjects = suspicions.subjects_of(self.actor)
        now = timezone.now()
        lockouts.require_unlocked(subjects, at=now)
        try:
            return balances.find_voucher(code, actor=self.actor)
        except VoucherUnknown:
            suspicions.note_unknown_code(subjects, at=now)
            raise

    @extend_schema(responses=shapes.VoucherSerializer)
    def retrieve(self, request: Request, code: str) -> Response:
        """One card: what is left of it, until when, whose it is."""
        return self._answer(self.voucher(code))

    @extend_schema(request=shapes.VoucherChangeSerializer, responses=shapes.VoucherSerializer)
    def partial_update(self, request: Request, code: str) -> Response:
        """Change what the body names. More time gives an expired card its money back."""
        voucher, given = self.voucher(code), self.read(shapes.VoucherChangeSerializer)
        now, reason = timezone.now(), given.pop("reason", "")
        names = {"start_date": "starts_at", "expiration_date": "expires_at"}
        is_active = given.pop("active", None)
        changes = {names.get(name, name): value for name, value in given.items()}
        if changes:
            voucher = balances.update_voucher(
                voucher, changes=changes, reason=reason, actor=self.actor, at=now
            )
        if is_active is not None:
            switch = balances.enable if is_active else balances.disable
            voucher = switch(voucher, reason=reason, actor=self.actor, at=now)
        return self._answer(voucher)

    @extend_schema(request=shapes.ReasonSerializer, responses=shapes.VoucherSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, code: str) -> Response:
        """Let a card pay again."""
        return self._switch(code, balances.enable)

    @extend_schema(request=shapes.ReasonSerializer, responses=shapes.VoucherSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, code: str) -> Response:
        """Let a card pay no more, until it is enabled."""
        return self._switch(code, balances.disable)

    @extend_schema(request=shapes.BalanceRequestSerializer, responses=shapes.BalanceSerializer)
    @action(detail=True, methods=["post"])
    def balance(self, request: Request, code: str) -> Response:
        """Give a card money or, with a negative amount, take some; once for each `source_id`."""
        voucher, given = self.voucher(code), self.read(shapes.BalanceRequestSerializer)
        moved = balances.add_balance(
            voucher,
            given["amount"],
            source_id=given.get("source_id", ""),
            reason=given.get("reason", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(
            {
                "object": "balance",
                "type": "gift_voucher",
                "amount": moved.amount_minor,
                "total": balances.totals_of(moved.voucher).income_minor,
                "balance": moved.voucher.balance_minor,
                "currency": moved.voucher.campaign.currency,
                "related_object": {"type": "voucher", "id": voucher.pk, "code": voucher.code},
            }
        )

    @extend_schema(responses=shapes.TransactionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def transactions(self, request: Request, code: str) -> Response:
        """Every movement on a card, newest first."""
        rows = card_transactions.postings(self.voucher(code))
        return self.page(
            rows,
            lambda found: [
                card_transactions.as_json(card_transactions.describe(one)) for one in found
            ],
        )

    @extend_schema(request=shapes.ReleaseSerializer, responses={204: None})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, code: str) -> Response:
        """Let go what a session holds of this card."""
        voucher, given = self.voucher(code), self.read(shapes.ReleaseSerializer)
        key = given["session"]["key"]
        sessions.release(key, voucher=voucher, actor=self.actor, at=timezone.now())
        return Response(status=204)

    def _switch(self, code: str, verb: Callable[..., Voucher]) -> Response:
        voucher, given = self.voucher(code), self.read(shapes.ReasonSerializer)
        reason = given.get("reason", "")
        return self._answer(verb(voucher, reason=reason, actor=self.actor, at=timezone.now()))

    def _answer(self, voucher: Voucher) -> Response:
        totals = balances.totals_of(voucher)
        return Response(shapes.describe_voucher(voucher, timezone.now(), totals))


class ValidationViewSet(ApiViewSet):
    """Whether cards can pay an order, and how much."""

    queryset = Voucher.objects.all()
    permissions = {"create": _VIEW, "release": _REDEEM}

    @extend_schema(
        request=shapes.ValidationRequestSerializer, responses=shapes.ValidationSerializer
    )
    def create(self, request: Request) -> Response:
        """Say of each card whether it pays and how much; with a session, hold what can pay."""
        given = self.read(shapes.ValidationRequestSerializer)
        now, contact_id = timezone.now(), contact_of(given)
        subjects = trusted(self.actor, contact_id)
        answer = validations.validate(
            redeemables=shapes.wishes_of(given["redeemables"]),
            order=shapes.order_of(given),
            contact_id=contact_id,
            session=shapes.session_of(given),
            actor=self.actor,
            at=now,
        )
        unknown = sum(part.voucher is None for part in answer.parts)
        if unknown:
            suspicions.note_unknown_code(subjects, at=now, count=unknown)
        return Response(shapes.describe_validation(answer, given.get("tracking_id", "")))

    @extend_schema(request=shapes.ReleaseSerializer, responses={204: None})
    @action(detail=False, methods=["post"])
    def release(self, request: Request) -> Response:
        """Let go all that a session holds."""
        key = self.read(shapes.ReleaseSerializer)["session"]["key"]
        sessions.release(key, actor=self.actor, at=timezone.now())
        return Response(status=204)


class RedemptionViewSet(ApiViewSet):
    """Uses of cards, also those that were refused, and their undoing."""

    queryset = Redemption.objects.all()
    filterset_class = RedemptionFilterSet
    lookup_value_regex = r"\d{1,18}"
    orderings = NEWEST_FIRST
    permissions = {
        "list": _SEE,
        "create": _REDEEM,
        "retrieve": _SEE,
        "rollback": "loyalty.rollback_redemption",
    }
    query_names = {"rollback": ("reason", "tracking_id")}

    def get_queryset(self) -> "QuerySet[Redemption]":
        return redemptions.known_redemptions(self.actor).select_related("voucher__campaign")

    @extend_schema(responses=shapes.RedemptionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Redemptions that one may see, newest first."""
        now = timezone.now()

        def describe(rows: Sequence[Any]) -> Sequence[Any]:
            return [shapes.describe_redemption(row, now) for row in rows]

        return self.page(self.filter_queryset(self.get_queryset()), describe)

    @extend_schema(
        request=shapes.RedemptionRequestSerializer, responses={201: shapes.RedeemedSerializer}
    )
    def create(self, request: Request) -> Response:
        """Let cards pay an order, all of them or none; a refusal is recorded, too."""
        given = self.read(shapes.RedemptionRequestSerializer)
        now, contact_id = timezone.now(), contact_of(given)
        subjects = trusted(self.actor, contact_id)
        try:
            done = redemptions.redeem(
                redeemables=shapes.wishes_of(given["redeemables"]),
                order=shapes.order_of(given),
                contact_id=contact_id,
                session_key=given.get("session", {}).get("key", ""),
                tracking_id=given.get("tracking_id", ""),
                metadata=given.get("metadata", {}),
                actor=self.actor,
                at=now,
            )
        except RedemptionRefused as refused:
            if unknown := len(refused.context.get("unknown_codes", ())):
                suspicions.note_unknown_code(subjects, at=now, count=unknown)
            raise
        return Response(shapes.describe_redeemed(done, now), status=201)

    @extend_schema(responses=shapes.RedemptionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One redemption."""
        found = redemptions.find_redemption(int(pk), actor=self.actor)
        return Response(shapes.describe_redemption(found, timezone.now()))

    @extend_schema(
        request=shapes.RollbackRequestSerializer,
        responses=shapes.RolledBackSerializer,
        parameters=[
            OpenApiParameter("reason", str, description="As in the body."),
            OpenApiParameter("tracking_id", str, description="As in the body."),
        ],
    )
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """Undo a redemption: the cards have their money and their use again, once."""
        given = self.read(shapes.RollbackRequestSerializer)
        said = {**request.query_params.dict(), **given}
        done = rollbacks.roll_back(
            int(pk),
            reason=said.get("reason", ""),
            tracking_id=said.get("tracking_id", ""),
            actor=self.actor,
            at=timezone.now(),
        )
        order = dict(done.redemption.order) | {"status": "CANCELED"}
        first = done.parent or done.parts[0]
        told = shapes.describe_rollback(first) | {"order": order}
        told["rollbacks"] = [shapes.describe_rollback(part) for part in done.parts]
        return Response(told)


def contact_of(given: dict[str, Any]) -> int | None:
    """The contact that a body names. Raises ContactUnknown."""
    customer = given.get("customer") or {}
    if "id" in customer:
        return get_contact(customer["id"]).pk
    if "source_id" not in customer:
        return None
    contact_id = find_contact_id(USER_ID, customer["source_id"])
    if contact_id is None:
        words = {"id": customer["source_id"]}
        message = _("There is no contact with the external id “%(id)s”.") % words
        raise ContactUnknown(message)
    return get_contact(contact_id).pk


def trusted(actor: Actor, contact_id: int | None) -> list[str]:
    """Who asks, if he is neither blocked nor locked out. Raises Blocked or LockedOut."""
    subjects = suspicions.subjects_of(actor, contact_id=contact_id)
    now = timezone.now()
    lockouts.require_unlocked(subjects, at=now)
    suspicions.require_unblocked(subjects, at=now)
    return subjects
