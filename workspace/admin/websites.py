"""Websites on the screen: what orders and connections call them, and what needs them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workspace import websites
from workspace.access import actor_of
from workspace.admin.buttons import ObjectActionsAdmin, object_action
from workspace.admin.pages import EmptyState
from workspace.errors import DomainError, Problem
from workspace.models import Website


class WebsiteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A website; what the verb refused is shown beside the fields."""

    refusal: DomainError | None = None
    key = forms.SlugField(
        label=gettext_lazy("key"),
        max_length=63,
        required=False,
        help_text=gettext_lazy(
            "By it orders say on which website they were placed: as soon as there are several"
            " websites, one that names none belongs to none. Without a key it is made of the name;"
            " it never changes."
        ),
    )
    # Brought into its form by the verb, which takes whole addresses, too.
    domain = forms.CharField(
        label=gettext_lazy("domain"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "As www.example.com: events that name a page of it belong to the website."
        ),
    )

    class Meta:
        model = Website
        fields = ("name", "key", "domain")

    def _post_clean(self) -> None:
        # The rules are the verb's, and it tells all faults at once.
        if self.refusal is None:
            return
        for problem in self.refusal.problems or [Problem("", "", str(self.refusal))]:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


@admin.register(Website)
class WebsiteAdmin(ObjectActionsAdmin):
    """The websites and shops of the company."""

    form = WebsiteForm
    list_display = ("name_and_key", "domain_shown")
    search_fields = ("name", "key", "domain")
    ordering = ("name",)
    list_per_page = 50
    show_full_result_count = False
    actions = None
    empty_state = EmptyState(
        gettext_lazy(
            "A website is a place where your customers order. Figures such as the orders of the"
            " last 30 days are kept for each, and connections to other systems are for one or"
            " more of them."
        ),
        icon="language",
    )

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **options)
        return type(form.__name__, (form,), {"refusal": getattr(request, "refusal", None)})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Orders name it by its key.
        return () if obj is None else ("key",)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError as refusal:
            # Shown in the form that was sent, so that nothing has to be written again.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given, actor, now = form.cleaned_data, actor_of(request), timezone.now()
        if change:
            values = {name: given[name] for name in websites.CHANGEABLE}
            websites.change_website(obj.key, values=values, actor=actor, at=now)
            return
        made = websites.add_website(
            name=given["name"], key=given["key"], domain=given["domain"], actor=actor, at=now
        )
        obj.pk, obj.key = made.pk, made.key

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button with a verb behind it: what is used stays.
        return False

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, website: Website) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            website.name,
            website.key,
        )

    @admin.display(description=gettext_lazy("domain"), ordering="domain")
    def domain_shown(self, website: Website) -> SafeString | str:
        if website.domain:
            return website.domain
        return format_html('<span class="rg-faint">{}</span>', "–")

    @object_action(
        gettext_lazy("Delete"),
        permission=websites.DELETE,
        icon="delete",
        variant="danger",
        consequence=lambda website: (
            _(
                "“%(name)s” is deleted. That is refused while something, such as a connection to"
                " another system, needs it."
            )
            % {"name": website}
        ),
        confirm=gettext_lazy("Delete the website"),
    )
    def delete_unused(self, request: HttpRequest, website: Website) -> HttpResponse:
        websites.delete_website(website.key, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” is deleted.") % {"name": website})
        return HttpResponseRedirect(reverse("admin:workspace_website_changelist"))
