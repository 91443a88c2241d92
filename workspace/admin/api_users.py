"""Programs that use the HTTP interface: their keys are shown once, then only their hash is kept."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from workspace import access, keys
from workspace.access import SCOPES, Actor, actor_of
from workspace.admin.audited import AuditedAdmin
from workspace.admin.buttons import ObjectActionsAdmin, object_action
from workspace.admin.pages import EmptyState, page_context
from workspace.admin.pictures import badge, chips, number
from workspace.errors import DomainError
from workspace.models import ApiUser


class ApiUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a program may do, and how often."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=[(scope, scope) for scope in SCOPES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("What it may read and write. Give as little as it needs."),
    )
    groups: Any = forms.ModelMultipleChoiceField(
        label=gettext_lazy("User groups"),
        queryset=None,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=gettext_lazy("It sees the segments and exports of these groups."),
    )

    class Meta:
        model = ApiUser
        fields = ("name", "description", "scopes", "groups", "requests_per_minute", "enabled")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}
        help_texts = {
            "requests_per_minute": gettext_lazy("Above it answers are 429 until a minute is over."),
            "description": gettext_lazy("Which program it is, and whom to ask about it."),
            "enabled": gettext_lazy("A disabled API user is refused at once."),
        }

    actor: Actor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One gives what is one's own to give; what is there already stays.
        mine = Q(pk__in=access.choosable_groups(self.actor).values("pk"))
        if self.instance.pk:
            mine |= Q(api_users=self.instance)
        groups: Any = self.fields["groups"]
        groups.queryset = Group.objects.filter(mine).distinct().order_by("name")


@admin.register(ApiUser)
class ApiUserAdmin(ObjectActionsAdmin, AuditedAdmin):
    """API users with their scopes, limits and last use."""

    form = ApiUserForm
    list_display = ("name_and_prefix", "state", "scope_chips", "limit", "last_used")
    list_filter = ("enabled",)
    search_fields = ("name", "description", "prefix")
    ordering = ("name",)
    actions = None
    empty_state = EmptyState(
        gettext_lazy(
            "A program that sends events or reads segments needs a key of its own, with as few"
            " scopes as it can work with."
        ),
        icon="key",
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("name", "description", "scopes", "groups", "requests_per_minute", "enabled")
        return fields if obj is None else (*fields, "id", "prefix", "created_at", "last_used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("id", "prefix", "created_at", "last_used_at")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **options)
        return type(form.__name__, (form,), {"actor": actor_of(request)})

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_prefix(self, api_user: ApiUser) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<span class="rg-faint rg-small">regulars_{}_…</span></span>',
            api_user.name,
            api_user.prefix,
        )

    @admin.display(description=gettext_lazy("state"))
    def state(self, api_user: ApiUser) -> SafeString:
        return badge(_("enabled"), "good") if api_user.enabled else badge(_("disabled"), "bad")

    @admin.display(description=gettext_lazy("scopes"))
    def scope_chips(self, api_user: ApiUser) -> SafeString | str:
        if len(api_user.scopes) == len(SCOPES):
            return chips([_("every scope")])
        return chips(api_user.scopes, _("none"))

    @admin.display(description=gettext_lazy("requests a minute"), ordering="requests_per_minute")
    def limit(self, api_user: ApiUser) -> str:
        return number(api_user.requests_per_minute)

    @admin.display(description=gettext_lazy("last used"), ordering="last_used_at")
    def last_used(self, api_user: ApiUser) -> Any:
        return api_user.last_used_at or _("never")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; then the key, once."""
        if request.method != "POST":
            page: HttpResponse = super().add_view(request, form_url, extra_context)
            return page
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        if form.is_valid():
            given = form.cleaned_data
            try:
                api_user, key = keys.create_api_user(
                    name=given["name"],
                    description=given["description"],
                    scopes=given["scopes"],
                    groups=given["groups"],
                    requests_per_minute=given["requests_per_minute"],
                    actor=actor_of(request),
                    at=timezone.now(),
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                # From there back to the list, as saving does (behaviour AT-13).
                back = reverse("admin:workspace_apiuser_changelist")
                return self._show_key(request, api_user, key, back=back)
        answer: HttpResponse = super().add_view(request, form_url, extra_context)
        return answer

    @object_action(
        gettext_lazy("New key"),
        permission="workspace.change_apiuser",
        icon="autorenew",
        variant="danger",
        consequence=gettext_lazy(
            "The present key stops working at once, and a new one is shown once. Programs that"
            " use the old key are refused until they have the new one."
        ),
        confirm=gettext_lazy("Replace the key"),
    )
    def new_key(self, request: HttpRequest, api_user: ApiUser) -> HttpResponse:
        key = keys.renew_key(api_user, actor=actor_of(request), at=timezone.now())
        back = reverse("admin:workspace_apiuser_change", args=[api_user.pk])
        return self._show_key(request, api_user, key, back=back)

    def _show_key(
        self, request: HttpRequest, api_user: ApiUser, key: str, *, back: str
    ) -> HttpResponse:
        answer = TemplateResponse(
            request,
            "workspace/secret.html",
            {
                **page_context(self, request, title=_("Key"), thing=api_user),
                "thing": api_user,
                "secret": key,
                "back": back,
                "base_url": settings.BASE_URL,
            },
        )
        # A key is for the person who looks now, not for caches or the browser's history.
        answer["Cache-Control"] = "no-store"
        return answer
