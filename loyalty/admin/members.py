"""Members on the screen: the list, the page of each with what he has, and the buttons."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import RangeDateTimeFilter, RangeNumericFilter
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextInputWidget,
)

from loyalty import members
from loyalty.admin import points_pages, programme_page
from loyalty.admin.member_standing import standing_context, tier_badge, tier_names
from loyalty.models import Member
from loyalty.programme import points
from workspace.access import actor_of
from workspace.admin import (
    CappedPaginator,
    EmptyState,
    ObjectActionsAdmin,
    PagesAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_LINES = 10


class AdjustForm(forms.Form):
    """How many points, and why."""

    points = forms.IntegerField(
        label=gettext_lazy("Points"),
        min_value=-points.POINTS_LIMIT,
        max_value=points.POINTS_LIMIT,
        help_text=gettext_lazy("Above 0 he gets them, below 0 they are taken."),
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=300, widget=UnfoldAdminTextInputWidget()
    )
    expires_on = forms.DateField(
        label=gettext_lazy("Expire on"),
        required=False,
        help_text=gettext_lazy("Empty: never."),
        widget=UnfoldAdminSingleDateWidget(),
    )


class MemberForm(forms.Form):
    """What can be changed of a membership; what is left empty stays."""

    card_number = forms.CharField(
        label=gettext_lazy("Card number"),
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Empty: stays."),
    )
    tier = forms.CharField(
        label=gettext_lazy("Tier"),
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy(
            "Empty: stays. The key of a tier is recalculated every night; any other name is kept."
        ),
    )


class LeftFilter(admin.SimpleListFilter):
    """Members, and who was one."""

    title = gettext_lazy("membership")
    parameter_name = "membership"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("present", _("member")), ("left", _("left"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Member]") -> "QuerySet[Member]":
        if self.value() in ("present", "left"):
            return queryset.filter(left_at__isnull=self.value() == "present")
        return queryset


class TierFilter(admin.SimpleListFilter):
    """By tier, of those that members have or could have."""

    title = gettext_lazy("tier")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, name) for key, name in sorted(tier_names().items())] + [("-", _("none"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Member]") -> "QuerySet[Member]":
        if self.value() is None:
            return queryset
        return queryset.filter(tier="" if self.value() == "-" else self.value())


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin, PagesAdmin, ObjectActionsAdmin):
    """Who belongs to the loyalty programme, and what each has."""

    list_display = ("who", "points_now", "card", "joined_at", "state")
    list_display_links = ("who",)
    list_select_related = ("contact",)
    list_filter = (
        LeftFilter,
        TierFilter,
        ("points", RangeNumericFilter),
        ("joined_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("card_number", "contact__email", "contact__last_name__istartswith")
    search_help_text = gettext_lazy("Card number, e-mail or last name")
    sortable_by = ("points_now", "joined_at")
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    rows_name = gettext_lazy("members")
    empty_state = EmptyState(
        gettext_lazy(
            "Members collect points, reach tiers and take rewards. A contact joins by the button"
            " on the contact's page, or through the API."
        ),
        icon="loyalty",
        steps=(
            (
                gettext_lazy("Contacts"),
                "admin:contacts_contact_changelist",
                "group",
                "contacts.view_contact",
            ),
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        own = [
            path("points/", site.admin_view(points_pages.ledger_view(self)), name="loyalty_points"),
            path(
                "points/<int:posting_id>/reverse/",
                site.admin_view(require_POST(points_pages.reverse_view)),
                name="loyalty_points_reverse",
            ),
            path(
                "programme/",
                site.admin_view(programme_page.programme_view(self)),
                name="loyalty_programme",
            ),
            path(
                "join/<int:contact_id>/",
                site.admin_view(require_POST(self.join_view)),
                name="loyalty_member_join",
            ),
        ]
        return [*own, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> Any:
        # The names of all tiers once, not for each row.
        names = tier_names()

        @admin.display(description=gettext_lazy("tier"))
        def tier_name(member: Member) -> SafeString | str:
            return tier_badge(member.tier, names)

        first, *others = self.list_display
        return (first, tier_name, *others)

    @admin.display(description=gettext_lazy("member"))
    def who(self, member: Member) -> SafeString:
        contact = member.contact
        name = f"{contact.first_name} {contact.last_name}".strip() or contact.email
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<span class="rg-faint rg-small rg-break">{}</span></span>',
            name or f"#{contact.pk}",
            contact.email or f"#{contact.pk}",
        )

    @admin.display(description=gettext_lazy("points"), ordering="points")
    def points_now(self, member: Member) -> SafeString:
        return format_html('<span class="rg-num">{}</span>', number(member.points))

    @admin.display(description=gettext_lazy("card number"))
    def card(self, member: Member) -> SafeString | str:
        return format_html("<code>{}</code>", member.card_number) if member.card_number else "–"

    @admin.display(description=gettext_lazy("membership"))
    def state(self, member: Member) -> SafeString:
        return member_badge(member)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What a member has, how it came, and what can be done."""
        member: Member = self.visible_or_404(request, object_id)
        actor = actor_of(request)
        context = page_context(self, request, title=str(self._name(member)), thing=member)
        links = [
            {
                "title": _("Profile"),
                "url": reverse("admin:contacts_contact_change", args=[member.pk]),
                "icon": "person",
            }
        ]
        sees_lines = actor.may("loyalty.view_pointsposting")
        if sees_lines:
            ledger = reverse("admin:loyalty_points")
            links.append(
                {
                    "title": _("Ledger"),
                    "url": f"{ledger}?contact={member.pk}",
                    "icon": "receipt_long",
                }
            )
        context.update(
            member=member,
            state=member_badge(member),
            media=self.media,
            buttons=self.buttons(request, member),
            links=links if actor.may("contacts.view_contact") else links[1:],
            lines=points_pages.rows_of(member.pk, _LINES) if sees_lines else [],
            sees_lines=sees_lines,
            data=standing_context(member, at=timezone.now()),
        )
        return TemplateResponse(request, "loyalty/member.html", context)

    def join_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """Have a contact join, and go to the page of the member."""
        actor = actor_of(request)
        if not actor.may("loyalty.change_member"):
            raise PermissionDenied
        try:
            member = members.save_member(contact_id, changes={}, actor=actor, at=timezone.now())
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:loyalty_member_changelist"))
        messages.success(
            request, _("Joined, with the card %(card)s.") % {"card": member.card_number}
        )
        if actor.may("loyalty.view_member"):
            return HttpResponseRedirect(self.page_of(request, member))
        return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[member.pk]))

    @object_action(
        gettext_lazy("Adjust points"),
        permission=points.PERMISSION,
        consequence=gettext_lazy(
            "A line is written to the ledger, with your name and the reason. It does not count for"
            " tiers, and can be reversed."
        ),
        icon="tune",
        confirm=gettext_lazy("Adjust"),
        is_offered=lambda member: member.left_at is None,
        form_class=AdjustForm,
    )
    def adjust(self, request: HttpRequest, member: Member, form: AdjustForm) -> str:
        day = form.cleaned_data["expires_on"]
        posting = points.adjust_points(
            contact_id=member.pk,
            points=form.cleaned_data["points"],
            reason=form.cleaned_data["reason"],
            expires_at=points_pages.end_of(day) if day else None,
            actor=actor_of(request),
            at=timezone.now(),
        )
        words = {"step": f"{posting.step:+d}", "points": number(points.balance(member.pk))}
        return _("Adjusted by %(step)s: %(points)s points now.") % words

    @object_action(
        gettext_lazy("Change"),
        permission="loyalty.change_member",
        consequence=gettext_lazy("Another card number, or another tier."),
        icon="edit",
        confirm=gettext_lazy("Save"),
        is_offered=lambda member: member.left_at is None,
        form_class=MemberForm,
    )
    def edit(self, request: HttpRequest, member: Member, form: MemberForm) -> str:
        changes = {name: value for name, value in form.cleaned_data.items() if value}
        members.save_member(member.pk, changes=changes, actor=actor_of(request), at=timezone.now())
        return _("Saved.")

    @object_action(
        gettext_lazy("Leave"),
        permission="loyalty.change_member",
        consequence=gettext_lazy(
            "He leaves the programme: no points are earned or spent any more, and segments of"
            " members lose him. His points and their history stay, should he come back."
        ),
        icon="logout",
        variant="danger",
        confirm=gettext_lazy("Have him leave"),
        is_offered=lambda member: member.left_at is None,
    )
    def leave(self, request: HttpRequest, member: Member) -> str:
        members.leave(member.pk, actor=actor_of(request), at=timezone.now())
        return _("He left the programme.")

    @object_action(
        gettext_lazy("Join again"),
        permission="loyalty.change_member",
        consequence=gettext_lazy("He is a member from now on, with the points that he had."),
        icon="login",
        variant="primary",
        is_offered=lambda member: member.left_at is not None,
    )
    def join_again(self, request: HttpRequest, member: Member) -> str:
        members.save_member(member.pk, changes={}, actor=actor_of(request), at=timezone.now())
        return _("He is a member again.")

    @staticmethod
    def _name(member: Member) -> str:
        contact = member.contact
        name = f"{contact.first_name} {contact.last_name}".strip()
        return name or contact.email or f"#{contact.pk}"


def member_badge(member: Member) -> SafeString:
    """Whether somebody is a member still."""
    if member.left_at is None:
        return badge(_("member"), "good", "loyalty")
    return badge(_("left"), "neutral", "logout")
