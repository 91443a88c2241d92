"""Redemptions and the ledger of cards on the screen: looked at, rolled back, exported."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from loyalty.admin.card_badges import redemption_badge
from loyalty.admin.vouchers import CampaignFilter, ReasonForm
from loyalty.gift_cards import ledger
from loyalty.models import Campaign, CardPosting, Redemption
from loyalty.money import money
from loyalty.redeeming import redemptions, rollbacks
from workspace import access
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.lists import CappedPaginator, ReadOnlyAdmin

_COLUMNS = (
    *("id", "at", "kind", "from", "to", "amount_minor", "currency", "card", "balance_minor"),
    *("campaign", "redemption", "reverses", "source_id", "reason", "by"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _CampaignOfVoucherFilter(CampaignFilter):
    path = "voucher__campaign_id"


@admin.register(Redemption)
class RedemptionAdmin(PagesAdmin, ObjectActionsAdmin, ReadOnlyAdmin):
    """What cards paid, and why some did not."""

    list_display = ("at", "code_shown", "amount_shown", "state_shown", "contact_shown", "order")
    list_display_links = ("at", "code_shown")
    list_filter = (("state", ChoicesDropdownFilter), _CampaignOfVoucherFilter)
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("order_reference",)
    search_help_text = gettext_lazy("The code of a card, or the number of an order")
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    first_page_label = gettext_lazy("Redemption")
    empty_state = EmptyState(
        gettext_lazy(
            "As soon as a till lets a card pay, over the interface or with Voucherify's libraries,"
            " it is shown here: what was paid, for whom, and what was refused and why."
        ),
        icon="point_of_sale",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Redemption]":
        known = redemptions.known_redemptions(actor_of(request))
        return known.select_related("voucher__campaign", "contact")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        of_card = queryset.filter(voucher__code=term.upper())
        return (of_card if of_card.exists() else queryset.filter(order_reference=term)), False

    @admin.display(description=gettext_lazy("card"))
    def code_shown(self, redemption: Redemption) -> SafeString:
        if redemption.voucher is None:
            return format_html('<span class="rg-faint">{}</span>', _("several cards"))
        return format_html('<code class="rg-nowrap">{}</code>', redemption.voucher.code)

    @admin.display(description=gettext_lazy("paid"))
    def amount_shown(self, redemption: Redemption) -> str:
        return money(redemption.amount_minor, redemption.currency) if redemption.voucher else "–"

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, redemption: Redemption) -> SafeString:
        return redemption_badge(redemption)

    @admin.display(description=gettext_lazy("contact"))
    def contact_shown(self, redemption: Redemption) -> str:
        return "–" if redemption.contact is None else str(redemption.contact)

    @admin.display(description=gettext_lazy("order"))
    def order(self, redemption: Redemption) -> str:
        return redemption.order_reference or "–"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One redemption, its cards, and whether it was undone."""
        redemption = self.visible_or_404(request, object_id)
        actor = actor_of(request)
        parts = list(
            Redemption.objects.filter(parent=redemption).select_related("voucher").order_by("pk")
        ) or [redemption]
        title = _("Redemption %(id)s") % {"id": redemption.pk}
        context = self.thing_context(request, redemption, page="", title=title)
        context.update(
            buttons=self.buttons(request, redemption),
            badge=redemption_badge(redemption),
            parts=[
                (part, money(part.amount_minor, part.currency)) for part in parts if part.voucher
            ],
            total=money(sum(part.amount_minor for part in parts), redemption.currency),
            order_total=None
            if redemption.order_minor is None
            else money(redemption.order_minor, redemption.currency),
            rollbacks=redemption.rollbacks.order_by("pk"),
            may_see_contacts=actor.may("contacts.view_contact"),
            may_see_vouchers=actor.may("loyalty.view_voucher"),
        )
        return TemplateResponse(request, "loyalty/redemption.html", context)

    @object_action(
        gettext_lazy("Roll back"),
        permission="loyalty.rollback_redemption",
        icon="undo",
        variant="danger",
        consequence=lambda redemption: (
            _(
                "The cards of redemption %(id)s have their money and their use again. What the"
                " customer bought is not touched. This cannot be undone."
            )
            % {"id": redemption.pk}
        ),
        is_offered=lambda redemption: (
            redemption.state == Redemption.State.SUCCEEDED and redemption.parent_id is None
        ),
        form_class=ReasonForm,
    )
    def roll_back(self, request: HttpRequest, redemption: Redemption, form: ReasonForm) -> str:
        done = rollbacks.roll_back(
            redemption.pk,
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        words = {"amount": money(done.amount_minor, redemption.currency)}
        return _("It was rolled back: the cards have %(amount)s again.") % words


@admin.register(CardPosting)
class CardPostingAdmin(ReadOnlyAdmin):
    """Every movement of money on cards; nothing is changed here, corrections are reversals."""

    list_display = ("at", "kind", "card", "way", "amount_shown", "balance_shown", "said")
    list_display_links = None
    list_filter = (("kind", ChoicesDropdownFilter), CampaignFilter)
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("source_id",)
    search_help_text = gettext_lazy("The code of a card, or a source id")
    sortable_by = ()
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    list_before_template = "loyalty/ledger_sums.html"
    empty_state = EmptyState(
        gettext_lazy(
            "Each movement of money stands here once, from one account to another, and is never"
            " changed: codes that are made, what cards pay, what is undone, added, taken, expired."
        ),
        icon="account_balance",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CardPosting]":
        known = access.visible(Campaign.objects.all(), actor_of(request))
        found = CardPosting.objects.filter(campaign__in=known.order_by().values("pk"))
        return found.select_related("campaign", "voucher", "batch")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super().has_view_permission(request, obj))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="loyalty_cardposting_export"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        of_card = queryset.filter(voucher__code=term.upper())
        return (of_card if of_card.exists() else queryset.filter(source_id=term)), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The postings, under what all of them add up to."""
        known = access.visible(Campaign.objects.all(), actor_of(request)).order_by()
        by_currency: dict[str, list[int]] = {}
        for pk, currency in known.values_list("pk", "currency").distinct():
            by_currency.setdefault(currency, []).append(pk)
        sums = []
        for currency, ids in sorted(by_currency.items()):
            # One statement for each currency: there are few.
            found = ledger.account_sums(campaign_ids=ids)
            accounts = [
                (label, money(found[account], currency))
                for account, label in CardPosting.Account.choices
            ]
            sums.append((currency, accounts, money(sum(found.values()), currency)))
        context = {"sums": sums, **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[no-any-return]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """All postings that one may see, as CSV, the oldest first."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        rows = self.get_queryset(request).order_by("pk")
        response = StreamingHttpResponse(_csv(rows), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="ledger-of-cards.csv"'
        return response

    @admin.display(description=gettext_lazy("card"))
    def card(self, posting: CardPosting) -> SafeString:
        if posting.voucher is not None:
            return format_html('<code class="rg-nowrap">{}</code>', posting.voucher.code)
        words = {"campaign": posting.campaign.name, "batch": posting.batch_id}
        return format_html(
            '<span class="rg-faint">{}</span>', _("%(campaign)s, batch %(batch)s") % words
        )

    @admin.display(description=gettext_lazy("way"))
    def way(self, posting: CardPosting) -> str:
        return f"{posting.get_debit_display()} → {posting.get_credit_display()}"

    @admin.display(description=gettext_lazy("amount"))
    def amount_shown(self, posting: CardPosting) -> str:
        return money(posting.amount_minor, posting.currency)

    @admin.display(description=gettext_lazy("balance of the card"))
    def balance_shown(self, posting: CardPosting) -> str:
        balance = posting.balance_minor
        return "–" if balance is None else money(balance, posting.currency)

    @admin.display(description=gettext_lazy("reason"))
    def said(self, posting: CardPosting) -> SafeString:
        text = posting.reason or posting.source_id or "–"
        return format_html('<span class="rg-break">{}</span>', text)


class _Echo:
    """What a writer of CSV writes to: hands each line on."""

    def write(self, line: str) -> str:
        return line


def _csv(rows: "QuerySet[CardPosting]") -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(_COLUMNS)
    for one in rows.iterator(chunk_size=2000):
        yield writer.writerow(
            _safe(value)
            for value in (
                one.pk,
                one.at.isoformat(),
                one.kind,
                one.debit,
                one.credit,
                one.amount_minor,
                one.currency,
                one.voucher.code if one.voucher else "",
                one.balance_minor,
                one.campaign.key,
                one.redemption_id,
                one.reverses_id,
                one.source_id,
                one.reason,
                one.actor_label,
            )
        )


def _safe(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
