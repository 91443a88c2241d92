"""Cards on the screen: the list, and one card with its money, its holder and all that moved it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from loyalty.admin.card_badges import amount_of, balance_bar, redemption_badge, state_badge
from loyalty.errors import BalanceInvalid
from loyalty.gift_cards import balances, card_transactions, states
from loyalty.models import Campaign, Redemption, Voucher, VoucherLock
from loyalty.money import money, to_minor
from loyalty.redeeming.applicability import known_vouchers
from workspace import access
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.lists import CappedPaginator, ReadOnlyAdmin

_LINES = 50


class StateFilter(DropdownFilter):
    """By what a card is now."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(key, str(label).capitalize()) for key, label in states.STATES.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.value() not in states.STATES:
            return queryset
        named = queryset.annotate(found_state=states.state_expression(timezone.now()))
        found: QuerySet[Any] = named.filter(found_state=self.value())
        return found


class CampaignFilter(DropdownFilter):
    """By campaign, of those that one may know of."""

    title = gettext_lazy("campaign")
    parameter_name = "campaign"
    path = "campaign_id"

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        known = access.visible(Campaign.objects.order_by("name"), actor_of(request))
        return [(str(pk), name) for pk, name in known.values_list("pk", "name")[:500]]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if not self.value():
            return queryset
        if self.value() not in dict(self.lookup_choices):
            return queryset.none()
        return queryset.filter(**{self.path: self.value()})


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(),
    )


class AmountForm(ReasonForm):
    """How much money, in whole units, and why."""

    amount = forms.DecimalField(
        label=gettext_lazy("Amount"),
        min_value=Decimal("0.0001"),
        max_digits=16,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text=gettext_lazy("As 10 or 12.50, in the currency of the card."),
    )
    field_order = ("amount", "reason")

    def minor(self, voucher: Voucher) -> int:
        """The amount in minor units. Raises BalanceInvalid for digits that the currency lacks."""
        currency = voucher.campaign.currency
        try:
            return to_minor(self.cleaned_data["amount"], currency)
        except ValueError as error:
            words = {"currency": currency}
            raise BalanceInvalid(_("%(currency)s has no such small units.") % words) from error


class ExtendForm(ReasonForm):
    """Until when a card shall be valid, and why."""

    expires_at = forms.DateTimeField(
        label=gettext_lazy("Valid until"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Empty: as long as the campaign lasts."),
    )
    field_order = ("expires_at", "reason")


@admin.register(Voucher)
class VoucherAdmin(PagesAdmin, ObjectActionsAdmin, ReadOnlyAdmin):
    """Every card, by its code; money is moved by buttons only."""

    list_display = ("code_shown", "state_shown", "balance_shown", "holder_shown", "campaign_shown")
    list_display_links = ("code_shown",)
    list_filter = (StateFilter, CampaignFilter)
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("code",)
    search_help_text = gettext_lazy("The beginning of a code")
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    first_page_label = gettext_lazy("Card")
    empty_state = EmptyState(
        gettext_lazy(
            "A card is a code worth money. Make a campaign and have its codes generated: each of"
            " them is then shown here with what is left of it, whose it is, and all that moved it."
        ),
        icon="card_giftcard",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Voucher]":
        return known_vouchers(actor_of(request)).select_related("holder", "campaign")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        term = search_term.strip().upper().replace("\0", "")
        return (queryset.filter(code__startswith=term) if term else queryset), False

    @admin.display(description=gettext_lazy("code"))
    def code_shown(self, voucher: Voucher) -> SafeString:
        return format_html('<code class="rg-strong rg-nowrap">{}</code>', voucher.code)

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, voucher: Voucher) -> SafeString:
        return state_badge(states.state_of(voucher, at=timezone.now()))

    @admin.display(description=gettext_lazy("left"))
    def balance_shown(self, voucher: Voucher) -> SafeString:
        return balance_bar(voucher)

    @admin.display(description=gettext_lazy("holder"))
    def holder_shown(self, voucher: Voucher) -> str:
        return "–" if voucher.holder is None else str(voucher.holder)

    @admin.display(description=gettext_lazy("campaign"))
    def campaign_shown(self, voucher: Voucher) -> str:
        return voucher.campaign.name

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One card: what is left, whose it is, what sessions hold, its statement of account."""
        voucher = self.visible_or_404(request, object_id)
        now, actor = timezone.now(), actor_of(request)
        totals, currency = balances.totals_of(voucher), voucher.campaign.currency
        before = request.GET.get("after", "")
        postings = card_transactions.postings(voucher)
        if before.isdecimal() and len(before) < 19:
            postings = postings.filter(pk__lt=int(before))
        found = [card_transactions.describe(one) for one in postings[: _LINES + 1]]
        uses = Redemption.objects.filter(voucher=voucher).select_related("contact")
        held = VoucherLock.objects.filter(voucher=voucher, expires_at__gt=now).order_by("pk")
        limit = states.limit_of(voucher)
        context = self.thing_context(request, voucher, page="", title=voucher.code)
        context.update(
            buttons=self.buttons(request, voucher),
            badge=state_badge(states.state_of(voucher, at=now)),
            balance=money(voucher.balance_minor, currency),
            share=min(100, round(100 * voucher.balance_minor / max(totals.income_minor, 1))),
            income=money(totals.income_minor, currency),
            redeemed=money(voucher.redeemed_minor, currency),
            uses=voucher.redeemed_count,
            limit=limit,
            ends_at=states.expires_at(voucher),
            lines=[(one, amount_of(one), money(one.balance_minor, currency)) for one in found],
            value=money(voucher.initial_minor, currency),
            next=found[_LINES - 1].id if len(found) > _LINES else None,
            locks=[(one, money(one.amount_minor, currency)) for one in held],
            redemptions=[
                (one, redemption_badge(one), money(one.amount_minor, currency))
                for one in uses.order_by("-pk")[:20]
            ],
            may_see_contacts=actor.may("contacts.view_contact"),
            may_see_redemptions=actor.may("loyalty.view_redemption"),
        )
        context["lines"] = context["lines"][:_LINES]
        return TemplateResponse(request, "loyalty/voucher.html", context)

    @object_action(
        gettext_lazy("Add money"),
        permission="loyalty.change_balance_voucher",
        icon="add_card",
        consequence=gettext_lazy(
            "The card is worth more from now on. The ledger keeps it: to correct it, take it away."
        ),
        form_class=AmountForm,
    )
    def add_money(self, request: HttpRequest, voucher: Voucher, form: AmountForm) -> str:
        return self._move(request, voucher, form.minor(voucher), form)

    @object_action(
        gettext_lazy("Take money away"),
        permission="loyalty.change_balance_voucher",
        icon="money_off",
        consequence=lambda voucher: (
            _("Card %(code)s has %(balance)s; what is taken away cannot be spent any more.")
            % {
                "code": voucher.code,
                "balance": money(voucher.balance_minor, voucher.campaign.currency),
            }
        ),
        is_offered=lambda voucher: voucher.balance_minor > 0,
        form_class=AmountForm,
    )
    def take_money(self, request: HttpRequest, voucher: Voucher, form: AmountForm) -> str:
        return self._move(request, voucher, -form.minor(voucher), form)

    @object_action(
        gettext_lazy("Change validity"),
        permission="loyalty.change_voucher",
        icon="event",
        consequence=gettext_lazy(
            "The card is valid until then. One that had expired gets back what was left of it."
        ),
        form_class=ExtendForm,
    )
    def extend(self, request: HttpRequest, voucher: Voucher, form: ExtendForm) -> str:
        changes = {"expires_at": form.cleaned_data["expires_at"]}
        balances.update_voucher(
            voucher,
            changes=changes,
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        return _("The validity of %(code)s was changed.") % {"code": voucher.code}

    @object_action(
        gettext_lazy("Disable"),
        permission="loyalty.change_voucher",
        icon="block",
        variant="danger",
        consequence=gettext_lazy("The card pays no more until it is enabled. Its money stays."),
        is_offered=lambda voucher: voucher.is_enabled,
        form_class=ReasonForm,
    )
    def disable(self, request: HttpRequest, voucher: Voucher, form: ReasonForm) -> str:
        reason = form.cleaned_data["reason"]
        balances.disable(voucher, reason=reason, actor=actor_of(request), at=timezone.now())
        return _("%(code)s is disabled.") % {"code": voucher.code}

    @object_action(
        gettext_lazy("Enable"),
        permission="loyalty.change_voucher",
        icon="check_circle",
        consequence=gettext_lazy("The card pays again."),
        is_offered=lambda voucher: not voucher.is_enabled,
        form_class=ReasonForm,
    )
    def enable(self, request: HttpRequest, voucher: Voucher, form: ReasonForm) -> str:
        reason = form.cleaned_data["reason"]
        balances.enable(voucher, reason=reason, actor=actor_of(request), at=timezone.now())
        return _("%(code)s is enabled.") % {"code": voucher.code}

    def _move(self, request: HttpRequest, voucher: Model, minor: int, form: AmountForm) -> str:
        assert isinstance(voucher, Voucher)
        moved = balances.add_balance(
            voucher,
            minor,
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        words = {
            "code": voucher.code,
            "balance": money(moved.voucher.balance_minor, voucher.campaign.currency),
        }
        return _("%(code)s has %(balance)s now.") % words
