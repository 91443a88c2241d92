"""Publishable keys on the screen: what they may do, from where, and what one copies into a page."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from loyalty.guarding import client_keys
from loyalty.models import ClientKey
from workspace.access import Actor, actor_of
from workspace.admin.buttons import ObjectActionsAdmin
from workspace.admin.pages import EmptyState
from workspace.admin.pictures import badge, chips

_FIELDS = ("name", "api_user", "origins", *client_keys.SCOPES, "is_enabled")
_SHOWN = ("application_id", "token", "snippet", "created_at", "last_used_at")


class ClientKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key, with an origin on each line."""

    origins = forms.CharField(
        label=gettext_lazy("Allowed origins"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "https://shop.example"}),
        help_text=gettext_lazy(
            "One on each line, as https://shop.example: scheme, host and port, without a path."
            " Browsers of other pages are refused."
        ),
    )

    class Meta:
        model = ClientKey
        fields = _FIELDS
        help_texts = {
            "api_user": gettext_lazy(
                "For whom the key acts: it sees the campaigns that this API user sees."
            ),
            "may_validate": gettext_lazy("Say whether a card pays, and how much."),
            "may_redeem": gettext_lazy(
                "Let cards pay. Whoever has a code can use it from the page then."
            ),
            "may_send_events": gettext_lazy(
                "Record events of customers. Anybody can call the page, so trust them little."
            ),
            "is_enabled": gettext_lazy("A disabled key is refused at once."),
        }

    actor: Actor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["origins"] = "\n".join(self.instance.origins or [])
        choice: Any = self.fields["api_user"]
        choice.queryset = client_keys.choosable_api_users(self.actor)
        if self.instance.pk:
            # Whose key it is never changes: pages use it.
            choice.disabled = True

    def clean_origins(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["origins"].splitlines() if line.strip()]

    def _post_clean(self) -> None:
        # The rules are the room's, and it tells all faults at once.
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for problem in client_keys.settle(self.instance, actor=self.actor):
            name = problem.path.partition("[")[0]
            self.add_error(name if name in self.fields else None, problem.message)


@admin.register(ClientKey)
class ClientKeyAdmin(ObjectActionsAdmin):
    """Publishable keys."""

    form = ClientKeyForm
    list_display = ("name_and_id", "api_user", "state", "may", "from_where", "last_used")
    list_display_links = ("name_and_id",)
    list_filter = ("is_enabled",)
    list_select_related = ("api_user",)
    search_fields = ("name", "application_id")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    add_label = gettext_lazy("New publishable key")
    empty_state = EmptyState(
        gettext_lazy(
            "A publishable key lets the checkout page itself ask whether a gift card pays, and use"
            " it. Everybody may read it in the page, so it works from your own pages only, a few"
            " times a second, and does no more than you tick."
        ),
        icon="public",
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ClientKey]":
        return client_keys.known_keys(actor_of(request))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **options)
        return type(form.__name__, (form,), {"actor": actor_of(request)})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return _FIELDS if obj is None else (*_FIELDS, *_SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else _SHOWN

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor, now = actor_of(request), timezone.now()
        values = {name: getattr(obj, name) for name in client_keys.CHANGEABLE}
        if change:
            client_keys.update_key(obj, changes=values, actor=actor, at=now)
            return
        made = client_keys.create_key(api_user_id=obj.api_user_id, actor=actor, at=now, **values)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        client_keys.delete_key(obj, actor=actor_of(request), at=timezone.now())

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_id(self, key: ClientKey) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<span class="rg-faint rg-small">{}</span></span>',
            key.name,
            key.application_id,
        )

    @admin.display(description=gettext_lazy("state"), ordering="is_enabled")
    def state(self, key: ClientKey) -> SafeString:
        return badge(_("enabled"), "good") if key.is_enabled else badge(_("disabled"), "bad")

    @admin.display(description=gettext_lazy("may"))
    def may(self, key: ClientKey) -> SafeString:
        words = {
            "may_validate": _("validate"),
            "may_redeem": _("redeem"),
            "may_send_events": _("send events"),
        }
        return chips([words[name] for name in words if getattr(key, name)], _("nothing"))

    @admin.display(description=gettext_lazy("from"))
    def from_where(self, key: ClientKey) -> SafeString:
        return chips(key.origins)

    @admin.display(description=gettext_lazy("last used"), ordering="last_used_at")
    def last_used(self, key: ClientKey) -> Any:
        return key.last_used_at or _("never")

    @admin.display(description=gettext_lazy("for your page"))
    def snippet(self, key: ClientKey) -> SafeString:
        return render_to_string(
            "loyalty/client_key_snippet.html", {"key": key, "base_url": settings.BASE_URL}
        )
