"""Test profiles on the screen: who they are, adding a contact or those of a segment, removing."""

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
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminSelectWidget

from journeys.models import TestProfile
from journeys.trying import profiles
from segments.lifecycle import find_segment, usable_segments
from workspace.access import actor_of
from workspace.admin import (
    CappedPaginator,
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    object_action,
    page_context,
)
from workspace.admin.pictures import number
from workspace.errors import DomainError

_CHOICES = 500


class FromSegmentForm(forms.Form):
    """The segment whose members become test profiles."""

    segment = forms.ChoiceField(
        label=gettext_lazy("Segment"),
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy("A small one, of colleagues. Who comes into it later is not added."),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = usable_segments(actor_of(request)).order_by("name")
        field: Any = self.fields["segment"]
        field.choices = [
            (key, f"{name} ({number(count)})")
            for key, name, count in offered.values_list("key", "name", "member_count")[:_CHOICES]
        ]


@admin.register(TestProfile)
class TestProfileAdmin(ReadOnlyAdmin, ObjectActionsAdmin):
    """The contacts with whom journeys are tested."""

    list_display = ("who", "added_at")
    list_display_links = ("who",)
    list_select_related = ("contact",)
    search_fields = ("contact__email", "contact__last_name__istartswith")
    search_help_text = gettext_lazy("E-mail or last name")
    sortable_by = ("added_at",)
    ordering = ("-added_at", "-pk")
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    change_list_template = "contacts/contact_list.html"
    empty_state = EmptyState(
        gettext_lazy(
            "Journeys are tested with contacts who know of it: yourself and colleagues. Open a"
            " contact and press “Make a test profile”, or add all of a small segment."
        ),
        icon="science",
        steps=(
            (
                gettext_lazy("Contacts"),
                "admin:contacts_contact_changelist",
                "group",
                "contacts.view_contact",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[TestProfile]":
        return profiles.known_profiles()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "from-segment/",
                wrap(self.from_segment_view),
                name="journeys_testprofile_from_segment",
            ),
            path(
                "mark/<int:contact_id>/",
                wrap(require_POST(self.mark_view)),
                name="journeys_testprofile_mark",
            ),
            path(
                "unmark/<int:contact_id>/",
                wrap(require_POST(self.unmark_view)),
                name="journeys_testprofile_unmark",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = [
            {
                "title": _("Add from a segment"),
                "icon": "group_add",
                "url": reverse("admin:journeys_testprofile_from_segment"),
            }
        ]
        may_add = actor_of(request).may(profiles.ADD)
        context = {**(extra_context or {}), "links": links if may_add else []}
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    @admin.display(description=gettext_lazy("contact"))
    def who(self, profile: TestProfile) -> SafeString:
        contact = profile.contact
        name = f"{contact.first_name} {contact.last_name}".strip() or contact.email
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<span class="rg-faint rg-small rg-break">{}</span></span>',
            name or f"#{contact.pk}",
            contact.email or f"#{contact.pk}",
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One test profile: since when, and the button that ends it."""
        profile = self.get_object(request, object_id)
        if profile is None:
            return HttpResponseRedirect(reverse("admin:journeys_testprofile_changelist"))
        if not self.has_view_permission(request, profile):
            raise PermissionDenied
        context = page_context(self, request, title=str(profile.contact), thing=profile)
        links = [
            {
                "title": _("Profile"),
                "url": reverse("admin:contacts_contact_change", args=[profile.pk]),
                "icon": "person",
            }
        ]
        may_see = actor_of(request).may("contacts.view_contact")
        context.update(
            profile=profile,
            buttons=self.buttons(request, profile),
            links=links if may_see else [],
        )
        return TemplateResponse(request, "journeys/test_profile.html", context)

    @object_action(
        gettext_lazy("No test profile any more"),
        permission=profiles.REMOVE,
        icon="remove_moderator",
        consequence=gettext_lazy(
            "No new test can take this contact. A test that runs goes on with it. The contact"
            " itself stays as it is."
        ),
        confirm=gettext_lazy("Remove the mark"),
    )
    def remove(self, request: HttpRequest, profile: TestProfile) -> HttpResponse:
        profiles.unmark([profile.pk], actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” is no test profile.") % {"name": profile.contact})
        return HttpResponseRedirect(reverse("admin:journeys_testprofile_changelist"))

    def from_segment_view(self, request: HttpRequest) -> HttpResponse:
        """Add all who are in a segment now."""
        actor = actor_of(request)
        if not actor.may(profiles.ADD):
            raise PermissionDenied
        form = FromSegmentForm(request.POST or None, request=request)
        if request.method == "POST" and form.is_valid():
            try:
                segment = find_segment(form.cleaned_data["segment"], actor=actor)
                count = len(profiles.mark_members(segment, actor=actor, at=timezone.now()))
            except DomainError as error:
                form.add_error("segment", str(error))
            else:
                message = ngettext(
                    "%(count)s contact is a test profile now who was none.",
                    "%(count)s contacts are test profiles now who were none.",
                    count,
                )
                messages.success(request, message % {"count": number(count)})
                return HttpResponseRedirect(reverse("admin:journeys_testprofile_changelist"))
        context = page_context(self, request, title=_("Add test profiles from a segment"))
        return TemplateResponse(
            request,
            "journeys/test_profiles_from_segment.html",
            {**context, "form": form, "limit": number(profiles.SEGMENT_LIMIT)},
        )

    def mark_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """Make one contact a test profile, and go back to its page."""
        return self._settle(request, contact_id, is_marked=True)

    def unmark_view(self, request: HttpRequest, contact_id: int) -> HttpResponse:
        """The other way round."""
        return self._settle(request, contact_id, is_marked=False)

    def _settle(self, request: HttpRequest, contact_id: int, *, is_marked: bool) -> HttpResponse:
        actor = actor_of(request)
        if not actor.may(profiles.ADD if is_marked else profiles.REMOVE):
            raise PermissionDenied
        verb = profiles.mark if is_marked else profiles.unmark
        try:
            verb([contact_id], actor=actor, at=timezone.now())
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:journeys_testprofile_changelist"))
        told = _("A test profile now.") if is_marked else _("No test profile any more.")
        messages.success(request, told)
        if actor.may("contacts.view_contact"):
            return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[contact_id]))
        return HttpResponseRedirect(reverse("admin:journeys_testprofile_changelist"))
