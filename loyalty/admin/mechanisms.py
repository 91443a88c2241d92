"""Mechanisms on the screen: the list, the form of each kind, how one goes, claims, trying."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from contacts.models import EventDefinition
from loyalty.admin.mechanism_badges import (
    ICONS,
    TEXTS,
    kind_mark,
    status_badge,
    warning_badges,
)
from loyalty.admin.mechanism_claims import ClaimPages
from loyalty.admin.mechanism_forms import MechanismForm
from loyalty.admin.mechanism_pages import (
    audience_context,
    overview_context,
    terms_of_form,
    try_context,
)
from loyalty.models import Mechanism
from loyalty.rewards import mechanisms
from loyalty.rewards.restrictions import left_of, with_restrictions
from workspace import access
from workspace.access import actor_of
from workspace.admin import EmptyState, object_action, page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError

Kind, Status = Mechanism.Kind, Mechanism.Status
_DRAFT = "_draft"
_LISTED = 500


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
        within = Mechanism.groups.through.objects.filter(group_id=self.value())
        return queryset.filter(pk__in=within.values("mechanism_id"))


@admin.register(Mechanism)
class MechanismAdmin(ClaimPages):
    """Rewards, offers, challenges, tiers and the like, with whom each is for."""

    list_display = ("name_and_key", "kind_shown", "standing", "claimed", "left", "updated_at")
    list_display_links = ("name_and_key",)
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        GroupFilter,
    )
    list_filter_submit = True
    list_filter_sheet = True
    search_fields = ("name", "key", "description")
    sortable_by = ("name_and_key", "claimed", "updated_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    first_page_label = gettext_lazy("Overview")
    add_label = gettext_lazy("New mechanism")
    thing_pages = (
        ("claims", gettext_lazy("Claims"), "claims_view"),
        ("try", gettext_lazy("Try it"), "try_view"),
        ("settings", gettext_lazy("Settings"), "settings_view"),
    )
    empty_state = EmptyState(
        gettext_lazy(
            "A mechanism is what members enjoy: a reward for points, an offer for a segment, a"
            " challenge with a goal, a tier. All share one block that says whom they are for."
        ),
        icon="redeem",
    )

    class Media:
        js = ("segments/segment_form.js", "loyalty/mechanism_form.js")
        css = {"all": ("segments/segment_form.css", "loyalty/mechanisms.css")}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Mechanism]":
        found: QuerySet[Mechanism] = super().get_queryset(request)
        return with_restrictions(access.visible(found, actor_of(request)))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.audience_view))
        return [path("audience/", view, name="loyalty_mechanism_audience"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Mechanisms are archived, never deleted.
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.status == Status.ARCHIVED:
            return False
        return bool(super().has_change_permission(request, obj))

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> Any:
        # Django's own pages go back to the first page with a message; nothing is there for others.
        raise Http404

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, mechanism: Mechanism) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            mechanism.name,
            mechanism.key,
        )

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_shown(self, mechanism: Mechanism) -> SafeString:
        return kind_mark(mechanism)

    @admin.display(description=gettext_lazy("state"))
    def standing(self, mechanism: Mechanism) -> SafeString:
        found = [status_badge(mechanism), *warning_badges(mechanism, at=timezone.now())]
        badges = format_html_join(" ", "{}", ((one,) for one in found))
        return format_html('<span class="rg-badges">{}</span>', badges)

    @admin.display(description=gettext_lazy("claimed"), ordering="claimed_count")
    def claimed(self, mechanism: Mechanism) -> str:
        return number(mechanism.claimed_count)

    @admin.display(description=gettext_lazy("left"))
    def left(self, mechanism: Mechanism) -> str:
        left = left_of(mechanism)
        return "–" if left is None else number(left)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new mechanism: first its kind, then the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = request.GET.get("kind", "")
        if kind not in Kind.values:
            context = page_context(self, request, title=_("New mechanism"))
            context.update(
                kinds=[(value, value.label, ICONS[value], TEXTS[value]) for value in Kind],
                events=_known_events(),
                media=self.media,
            )
            return TemplateResponse(request, "loyalty/mechanism_kinds.html", context)
        return self._form_view(request, kind, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How a mechanism goes: what is left, who may have it, its claims over time."""
        mechanism = self.visible_or_404(request, object_id)
        now, actor = timezone.now(), actor_of(request)
        context = self.thing_context(request, mechanism, page="", title=mechanism.name)
        context.update(
            overview_context(mechanism, actor, at=now),
            buttons=self.buttons(request, mechanism),
            badges=[status_badge(mechanism), *warning_badges(mechanism, at=now)],
            kind_mark=kind_mark(mechanism),
            media=self.media,
        )
        return TemplateResponse(request, "loyalty/mechanism.html", context)

    def settings_view(self, request: HttpRequest, mechanism: Mechanism) -> HttpResponse:
        """The form of a mechanism."""
        return self._form_view(request, mechanism.kind, mechanism)

    def try_view(self, request: HttpRequest, mechanism: Mechanism) -> HttpResponse:
        """Whether one contact may have it, and why not."""
        context = self.thing_context(request, mechanism, page="try", title=_("Try it"))
        context.update(try_context(request, mechanism, at=timezone.now()))
        return TemplateResponse(request, "loyalty/mechanism_try.html", context)

    def may_open(self, request: HttpRequest, slug: str) -> bool:
        return slug != "try" or actor_of(request).may("contacts.view_contact")

    def audience_view(self, request: HttpRequest) -> HttpResponse:
        """How many members may have what a form says, while it is being written."""
        actor, now = actor_of(request), timezone.now()
        if not (actor.may("loyalty.add_mechanism") or actor.may("loyalty.change_mechanism")):
            raise PermissionDenied
        number_ = request.POST.get("mechanism", "")
        known = self.get_queryset(request)
        saved = known.filter(pk=int(number_)).first() if number_.isdecimal() else None
        kind = saved.kind if saved else request.POST.get("kind", "")
        if kind not in Kind.values:
            raise PermissionDenied
        form = MechanismForm(request.POST, actor=actor, kind=kind, mechanism=saved)
        context = audience_context(terms_of_form(form, at=now), at=now)
        return TemplateResponse(request, "loyalty/mechanism_audience.html", context)

    def _form_view(
        self, request: HttpRequest, kind: str, mechanism: Mechanism | None
    ) -> HttpResponse:
        actor = actor_of(request)
        may_write = mechanism is None or self.has_change_permission(request, mechanism)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = MechanismForm(
            request.POST if is_post else None,
            actor=actor,
            kind=kind,
            mechanism=mechanism,
            event=request.GET.get("event", "")[:200],
        )
        if is_post and form.is_valid() and (saved := self._save(request, form)):
            return HttpResponseRedirect(self.page_of(request, saved))
        title = _("New mechanism") if mechanism is None else _("Settings")
        if mechanism is None:
            context = page_context(self, request, title=title)
        else:
            context = self.thing_context(request, mechanism, page="settings", title=title)
        if form.builder is not None:
            form.builder.is_read_only = not may_write
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            kind=kind,
            kind_label=Kind(kind).label,
            kind_icon=ICONS[Kind(kind)],
            kind_text=TEXTS[Kind(kind)],
            events=_known_events(),
        )
        return TemplateResponse(request, "loyalty/mechanism_form.html", context)

    def _save(self, request: HttpRequest, form: MechanismForm) -> Mechanism | None:
        """The mechanism as it is now saved; None where something was refused, which is shown."""
        given: dict[str, Any] = {
            **form.given(),
            "actor": actor_of(request),
            "at": timezone.now(),
        }
        try:
            if form.mechanism is None:
                saved = mechanisms.create_mechanism(
                    kind=form.kind, is_draft=_DRAFT in request.POST, **given
                )
            else:
                saved = mechanisms.update_mechanism(form.mechanism, **given)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": saved}, messages.SUCCESS)
        return saved

    @object_action(
        gettext_lazy("Set active"),
        permission="loyalty.change_mechanism",
        icon="play_circle",
        consequence=gettext_lazy("Members whom it is for can have it from now on."),
        is_offered=lambda one: one.status in {Status.DRAFT, Status.INACTIVE},
    )
    def set_active(self, request: HttpRequest, mechanism: Mechanism) -> str:
        mechanisms.activate(mechanism, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is active.") % {"name": mechanism}

    @object_action(
        gettext_lazy("Set inactive"),
        permission="loyalty.change_mechanism",
        icon="pause_circle",
        consequence=lambda mechanism: (
            _(
                "Nobody can have “%(name)s” until it is active again. What %(count)s claims gave"
                " stays with the members."
            )
            % {"name": mechanism, "count": number(mechanism.claimed_count)}
        ),
        is_offered=lambda one: one.status == Status.ACTIVE,
    )
    def set_inactive(self, request: HttpRequest, mechanism: Mechanism) -> str:
        mechanisms.inactivate(mechanism, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is inactive.") % {"name": mechanism}

    @object_action(
        gettext_lazy("Archive"),
        permission="loyalty.delete_mechanism",
        icon="inventory_2",
        variant="danger",
        consequence=gettext_lazy(
            "It can never be had again, nor be changed. Its claims stay. This cannot be undone."
        ),
        confirm=gettext_lazy("Archive for ever"),
        is_offered=lambda one: one.status in {Status.DRAFT, Status.INACTIVE},
    )
    def archive(self, request: HttpRequest, mechanism: Mechanism) -> str:
        mechanisms.archive(mechanism, actor=actor_of(request), at=timezone.now())
        return _("“%(name)s” is archived.") % {"name": mechanism}


def _known_events() -> list[str]:
    """The names of events that came, to suggest."""
    return list(EventDefinition.objects.order_by("name").values_list("name", flat=True)[:_LISTED])
