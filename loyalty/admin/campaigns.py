"""Gift-card campaigns on the screen: the list, the form, how one goes, its codes, who got one."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from contacts.admin import uploads
from contacts.admin.finding import found_ids
from contacts.admin.uploads import UploadForm
from contacts.models import Contact
from loyalty.admin.campaign_badges import (
    creation_badge,
    publication_badge,
    share_bar,
    state_badge,
    status_badge,
)
from loyalty.admin.campaign_forms import CampaignForm, code_config
from loyalty.admin.campaign_panels import panels_of
from loyalty.api.campaign_views import csv_answer
from loyalty.gift_cards import (
    campaign_uses,
    campaigns,
    code_exports,
    code_imports,
    codes,
    publications,
    states,
)
from loyalty.gift_cards.code_patterns import read_pattern
from loyalty.models import Campaign, Publication, Voucher
from loyalty.money import money
from loyalty.reports.figures import CampaignFigures, figures_of
from loyalty.validation_rules import rules
from workspace import access
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.admin.jobs import job_context
from workspace.admin.pictures import number
from workspace.errors import DomainError, InputInvalid

_PAGE = 50
_EXAMPLES = 4
_GENERATE, _PUBLISH = "loyalty.generate_codes_campaign", "loyalty.publish_campaign"
_EXPORT, _SEE_CODES = "loyalty.export_campaign", "loyalty.view_voucher"


class GroupFilter(DropdownFilter):
    """By user group, of those that one belongs to."""

    title = gettext_lazy("user group")
    parameter_name = "group"

    def has_output(self) -> bool:
        # Also without choices: else what stands in the address would be passed over.
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        groups = access.choosable_groups(actor_of(request))
        found = [(str(group.pk), group.name) for group in groups]
        return [*found, ("none", _("no user group"))] if found else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if not self.value():
            return queryset
        if self.value() not in dict(self.lookup_choices):
            return queryset.none()
        if self.value() == "none":
            return queryset.filter(groups__isnull=True)
        within = Campaign.groups.through.objects.filter(group_id=self.value())
        return queryset.filter(pk__in=within.values("campaign_id"))


class GiveForm(forms.Form):
    """Who shall get a card."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("E-mail, external id or #number")}
        ),
    )


class CountForm(forms.Form):
    """How many codes shall be made."""

    count = forms.IntegerField(
        label=gettext_lazy("Number of codes"),
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget(),
    )


@admin.register(Campaign)
class CampaignAdmin(PagesAdmin, ObjectActionsAdmin):
    """Gift-card campaigns, their codes and who got one."""

    list_display = ("name_and_key", "standing", "value", "updated_at")
    list_display_links = ("name_and_key",)
    list_filter = (("status", ChoicesDropdownFilter), GroupFilter)
    list_filter_submit = True
    list_filter_sheet = True
    list_select_related = ("job",)
    search_fields = ("name", "key", "description")
    sortable_by = ("name_and_key", "value", "updated_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("New campaign")
    thing_pages = (
        ("codes", gettext_lazy("Codes"), "codes_view"),
        ("publications", gettext_lazy("Who got one"), "publications_view"),
        ("fill", gettext_lazy("Add codes"), "fill_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    empty_state = EmptyState(
        gettext_lazy(
            "A campaign is a pile of gift cards with the same terms: say what a card is worth and"
            " how its codes look, have them made, and give them to contacts by hand, from your"
            " shop, or by a distribution as soon as somebody enters a segment."
        ),
        icon="card_giftcard",
    )

    class Media:
        js = ("segments/segment_form.js", "loyalty/campaign_form.js")
        css = {"all": ("segments/segment_form.css", "loyalty/reports.css", "loyalty/campaigns.css")}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Campaign]":
        found: QuerySet[Campaign] = super().get_queryset(request)
        return access.visible(found, actor_of(request)).select_related("job")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "example/", wrap(require_POST(self.example_view)), name="loyalty_campaign_example"
            ),
            path(
                "give/<int:contact_id>/",
                wrap(require_POST(self.give_to_view)),
                name="loyalty_campaign_give_to",
            ),
            path(
                "<path:object_id>/export/",
                wrap(self._page("export_view")),
                name="loyalty_campaign_export",
            ),
            *super().get_urls(),
        ]

    def get_list_display(self, request: HttpRequest) -> Any:
        # The numbers of all rows at once, when the first is shown.
        known: dict[int, CampaignFigures] = {}

        def of(campaign: Campaign) -> CampaignFigures:
            if not known:
                ids = list(self.get_queryset(request).order_by().values_list("pk", flat=True))
                known.update(figures_of(ids, at=timezone.now()))
            return known[campaign.pk]

        @admin.display(description=gettext_lazy("published and left"))
        def share(campaign: Campaign) -> SafeString:
            return share_bar(of(campaign))

        @admin.display(description=gettext_lazy("outstanding"))
        def outstanding(campaign: Campaign) -> str:
            return money(of(campaign).outstanding_minor, campaign.currency)

        name, standing, value, *others = self.list_display
        return (name, standing, value, share, outstanding, *others)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it destroys.
        return False

    def may_open(self, request: HttpRequest, slug: str) -> bool:
        needed = {
            "codes": _SEE_CODES,
            "publications": "loyalty.view_publication",
            "fill": _GENERATE,
        }
        return slug not in needed or actor_of(request).may(needed[slug])

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, campaign: Campaign) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            campaign.name,
            campaign.key,
        )

    @admin.display(description=gettext_lazy("state"))
    def standing(self, campaign: Campaign) -> SafeString:
        return format_html(
            '<span class="rg-badges">{} {}</span>',
            status_badge(campaign, at=timezone.now()),
            creation_badge(campaign),
        )

    @admin.display(description=gettext_lazy("value"), ordering="amount_minor")
    def value(self, campaign: Campaign) -> str:
        return money(campaign.amount_minor, campaign.currency)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new campaign."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_view(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How a campaign goes: its codes, its money, what was given last."""
        campaign = self.visible_or_404(request, object_id)
        now = timezone.now()
        figures = figures_of([campaign.pk], at=now)[campaign.pk]
        pattern = codes.pattern_of(campaign)
        job = campaign.job
        context = self.thing_context(request, campaign, page="", title=campaign.name)
        context.update(
            buttons=self.buttons(request, campaign),
            badges=[status_badge(campaign, at=now), creation_badge(campaign)],
            running=job_context(job) if job is not None and not job.is_finished else None,
            figures=_shown(figures, campaign),
            bar=share_bar(figures),
            value=money(campaign.amount_minor, campaign.currency),
            pattern=pattern.pattern,
            room=number(codes.room_left(campaign)),
            rules=rules.rules_for(campaign=campaign),
            closed=publications.why_closed(campaign, now),
            panels=panels_of(request, campaign),
            links=self._links(request, campaign),
            media=self.media,
        )
        return TemplateResponse(request, "loyalty/campaign.html", context)

    def settings_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """The form of a campaign."""
        return self._form_view(request, campaign)

    def codes_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """The codes of a campaign, found by how they begin."""
        if not self.may_open(request, "codes"):
            raise PermissionDenied
        term, which = request.GET.get("q", "").strip(), request.GET.get("which", "all")
        found = Voucher.objects.filter(campaign=campaign).select_related("campaign")
        if term:
            found = found.filter(code__startswith=codes.normal_code(term.replace("\0", "")))
        if which in ("unpublished", "published"):
            found = found.filter(published_at__isnull=which == "unpublished")
        rows, following = _portion(found, request)
        now, people = timezone.now(), _people(request, [row.holder_id for row in rows])
        context = self.thing_context(request, campaign, page="codes", title=_("Codes"))
        context.update(
            rows=[
                {
                    "voucher": row,
                    "badge": state_badge(states.state_of(row, at=now)),
                    "balance": money(row.balance_minor, campaign.currency),
                    "value": money(row.initial_minor, campaign.currency),
                    "until": states.expires_at(row),
                    "holder": people.get(row.holder_id or 0),
                }
                for row in rows
            ],
            next=following,
            term=term,
            which=which,
            choices=[
                ("all", _("all")),
                ("unpublished", _("in the pool")),
                ("published", _("given away")),
            ],
            media=self.media,
        )
        return TemplateResponse(request, "loyalty/campaign_codes.html", context)

    def publications_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Who got a code, and who got none, the newest first."""
        if not self.may_open(request, "publications"):
            raise PermissionDenied
        state = request.GET.get("state", "")
        found = Publication.objects.filter(campaign=campaign)
        found = found.select_related("voucher", "distribution")
        if state in Publication.State.values:
            found = found.filter(state=state)
        rows, following = _portion(found, request)
        people = _people(request, [row.contact_id for row in rows])
        may_see = actor_of(request).may(_SEE_CODES)
        context = self.thing_context(request, campaign, page="publications", title=_("Who got one"))
        context.update(
            rows=[
                {
                    "publication": row,
                    "badge": publication_badge(row),
                    "contact": people.get(row.contact_id),
                    "code": row.voucher.code if may_see and row.voucher else "",
                }
                for row in rows
            ],
            next=following,
            state=state,
            states=[("", _("all")), *Publication.State.choices],
            media=self.media,
        )
        return TemplateResponse(request, "loyalty/campaign_publications.html", context)

    def fill_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Have codes made, or read from a file."""
        if not self.may_open(request, "fill"):
            raise PermissionDenied
        is_file = request.method == "POST" and "file" in request.FILES
        is_count = request.method == "POST" and "count" in request.POST
        count_form = CountForm(request.POST if is_count else None, initial={"count": 1000})
        file_form = UploadForm(request.POST if is_file else None, request.FILES or None)
        if request.method == "POST":
            begin: Callable[[], None] | None = None
            if is_count and count_form.is_valid():
                begin = lambda: self._generate(request, campaign, count_form)  # noqa: E731
            elif is_file and file_form.is_valid():
                begin = lambda: self._import(request, campaign, file_form)  # noqa: E731
            elif not is_count:
                self.message_user(request, _("Choose a file first."), messages.ERROR)
            if begin is not None:
                try:
                    begin()
                except DomainError as error:
                    self.message_user(request, str(error), messages.ERROR)
                else:
                    return HttpResponseRedirect(self.page_of(request, campaign))
        job = campaign.job
        context = self.thing_context(request, campaign, page="fill", title=_("Add codes"))
        context.update(
            count_form=count_form,
            file_form=file_form,
            running=job_context(job) if job is not None and not job.is_finished else None,
            last=job_context(job) if job is not None and job.is_finished else None,
            room=number(codes.room_left(campaign)),
            pattern=codes.pattern_of(campaign).pattern,
            is_closed=campaign.is_static and campaign.voucher_count > 0,
            media=self.media,
        )
        return TemplateResponse(request, "loyalty/campaign_fill.html", context)

    def export_view(self, request: HttpRequest, campaign: Campaign) -> StreamingHttpResponse:
        """The codes as CSV."""
        actor, now = actor_of(request), timezone.now()
        if not actor.may(_EXPORT):
            raise PermissionDenied
        which = request.GET.get("which", "all")
        try:
            pieces = code_exports.export_codes(campaign, which=which, actor=actor, at=now)
        except InputInvalid as error:
            raise PermissionDenied(str(error)) from error
        return csv_answer(pieces, code_exports.file_name(campaign, now))

    def example_view(self, request: HttpRequest) -> JsonResponse:
        """How codes of a pattern would look, while it is being written; answers JSON."""
        actor = actor_of(request)
        if not (actor.may("loyalty.add_campaign") or actor.may("loyalty.change_campaign")):
            raise PermissionDenied
        pattern, problems = read_pattern(code_config(request.POST))
        if problems:
            return JsonResponse({"problem": problems[0].message, "examples": []})
        return JsonResponse(
            {
                "examples": pattern.make(_EXAMPLES),
                "text": _("%(combinations)s combinations, enough for %(codes)s codes")
                % {
                    "combinations": number(pattern.combinations),
                    "codes": number(pattern.code_limit),
                },
                "problem": "" if pattern.code_limit else _("Draw more characters."),
            }
        )

    def give_to_view(self, request: HttpRequest, contact_id: int) -> HttpResponseBase:
        """Give a contact a card of the campaign that was chosen, from the contact's profile."""
        if not actor_of(request).may(_PUBLISH):
            raise PermissionDenied
        contact = get_object_or_404(Contact, pk=contact_id, erased_at=None)
        chosen = request.POST.get("campaign", "")
        campaign = get_object_or_404(
            self.get_queryset(request), pk=int(chosen) if chosen.isdecimal() else 0
        )
        self._give(request, campaign, contact.pk)
        return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[contact.pk]))

    @object_action(
        gettext_lazy("Give a card"),
        permission=lambda actor, _campaign: (
            actor.may(_PUBLISH) and actor.may("contacts.view_contact")
        ),
        icon="card_giftcard",
        variant="primary",
        consequence=gettext_lazy(
            "The contact gets the next code of the pool; it is his for good, and the time for which"
            " it is valid begins."
        ),
        is_offered=lambda campaign: campaign.status == Campaign.Status.ACTIVE,
        form_class=GiveForm,
    )
    def give(self, request: HttpRequest, campaign: Campaign, form: GiveForm) -> HttpResponse:
        self._give(request, campaign, _one_contact(form.cleaned_data["contact"]))
        return HttpResponseRedirect(self.page_of(request, campaign))

    @object_action(
        gettext_lazy("Activate"),
        permission="loyalty.change_campaign",
        icon="play_arrow",
        consequence=gettext_lazy("The campaign gives codes, and its cards pay."),
        is_offered=lambda campaign: campaign.status != Campaign.Status.ACTIVE,
    )
    def activate(self, request: HttpRequest, campaign: Campaign) -> str:
        campaigns.activate_campaign(campaign, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is active.") % {"name": campaign}

    @object_action(
        gettext_lazy("Disable"),
        permission="loyalty.change_campaign",
        icon="pause",
        consequence=campaign_uses.consequence_of_disabling,
        is_offered=lambda campaign: campaign.status == Campaign.Status.ACTIVE,
    )
    def disable(self, request: HttpRequest, campaign: Campaign) -> str:
        campaigns.disable_campaign(campaign, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is disabled.") % {"name": campaign}

    @object_action(
        gettext_lazy("Delete"),
        permission="loyalty.delete_campaign",
        icon="delete",
        variant="danger",
        consequence=campaigns.consequence_of_deletion,
        is_offered=lambda campaign: not campaigns.is_used(campaign),
    )
    def delete_campaign(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        campaigns.delete_campaign(campaign, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": campaign})
        return HttpResponseRedirect(reverse("admin:loyalty_campaign_changelist"))

    def _give(self, request: HttpRequest, campaign: Campaign, contact_id: int) -> None:
        now = timezone.now()
        try:
            given = publications.publish(
                campaign=campaign,
                contact_id=contact_id,
                channel="hand",
                actor=actor_of(request),
                at=now,
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        code = given.voucher.code if given.voucher else ""
        if given.at == now:
            text = _("The contact got the code %(code)s.") % {"code": code}
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = _("The contact has the code %(code)s already, and may have only one.")
            self.message_user(request, text % {"code": code}, messages.WARNING)

    def _generate(self, request: HttpRequest, campaign: Campaign, form: CountForm) -> None:
        codes.generate_codes(
            campaign, form.cleaned_data["count"], actor=actor_of(request), at=timezone.now()
        )

    def _import(self, request: HttpRequest, campaign: Campaign, form: UploadForm) -> None:
        token = uploads.keep(request, form.cleaned_data["file"])
        kept, name = uploads.kept(request, token)
        try:
            code_imports.request_import(
                campaign,
                kept,
                file_name=name,
                actor=actor_of(request),
                at=timezone.now(),
            )
        except DomainError:
            uploads.forget(request, token, kept)
            raise
        uploads.forget(request, token)

    def _form_view(self, request: HttpRequest, campaign: Campaign | None) -> HttpResponse:
        actor = actor_of(request)
        may_write = campaign is None or self.has_change_permission(request, campaign)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = CampaignForm(request.POST if is_post else None, actor=actor, campaign=campaign)
        if is_post and form.is_valid() and (saved := self._save(request, form, campaign)):
            return HttpResponseRedirect(self.page_of(request, saved))
        if campaign is None:
            context = page_context(self, request, title=_("New campaign"))
        else:
            context = self.thing_context(request, campaign, page="settings", title=_("Settings"))
        context.update(
            form=form, may_write=may_write, thing=campaign, media=self.media + form.media
        )
        return TemplateResponse(request, "loyalty/campaign_form.html", context)

    def _save(
        self, request: HttpRequest, form: CampaignForm, campaign: Campaign | None
    ) -> Campaign | None:
        actor, now = actor_of(request), timezone.now()
        given = form.settings()
        try:
            if campaign is None:
                status = Campaign.Status.DRAFT if "_draft" in request.POST else "active"
                saved = campaigns.create_campaign(actor=actor, at=now, status=status, **given)
            else:
                saved = campaigns.update_campaign(campaign, actor=actor, at=now, **given)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": saved}, messages.SUCCESS)
        return saved

    def _links(self, request: HttpRequest, campaign: Campaign) -> list[dict[str, Any]]:
        if not actor_of(request).may(_EXPORT):
            return []
        url = reverse("admin:loyalty_campaign_export", args=[campaign.pk])
        return [{"title": _("Codes as CSV"), "url": url, "icon": "download"}]


def _portion(found: "QuerySet[Any]", request: HttpRequest) -> tuple[list[Any], int | None]:
    """The rows of one page, the newest first, and where the next one begins."""
    after = request.GET.get("after", "")
    if after.isdecimal() and len(after) < 19:
        found = found.filter(pk__lt=int(after))
    rows = list(found.order_by("-pk")[: _PAGE + 1])
    return rows[:_PAGE], rows[_PAGE - 1].pk if len(rows) > _PAGE else None


def _people(request: HttpRequest, ids: list[int | None]) -> dict[int, Contact]:
    """The contacts of these ids, for who may see contacts."""
    if not actor_of(request).may("contacts.view_contact"):
        return {}
    return Contact.objects.in_bulk([one for one in ids if one is not None])


def _one_contact(term: str) -> int:
    """The contact that a person means. Raises InputInvalid where that is none, or several."""
    found = found_ids(term.replace("\0", ""))
    if len(found) != 1:
        message = (
            _("“%(term)s” is nobody.") if not found else _("“%(term)s” may be several people.")
        )
        raise InputInvalid(message % {"term": term[:100]})
    return found.pop()


def _shown(figures: CampaignFigures, campaign: Campaign) -> list[tuple[Any, str, str]]:
    """The numbers of the page: what, how many, and a note."""

    def of(amount: int) -> str:
        return money(amount, campaign.currency)

    return [
        (_("Codes"), number(figures.codes), _("%(count)s disabled") % {"count": figures.disabled}),
        (_("Given away"), number(figures.published), of(figures.published_minor)),
        (_("Left in the pool"), number(figures.unpublished), ""),
        (_("Redeemed"), of(figures.redeemed_minor), f"{figures.redeemed_share:.0%}"),
        (_("Outstanding"), of(figures.outstanding_minor), ""),
        (_("Set aside"), number(figures.held_out), "")
        if campaign.holdout_percent
        else (_("Expired"), of(figures.expired_minor), ""),
    ]
