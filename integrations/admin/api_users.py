"""Which API user sends as a source: chosen, or made with the scopes that it needs."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminSelectWidget

from integrations import sources
from integrations.models import Source
from workspace import keys
from workspace.access import Actor, actor_of
from workspace.admin import PagesAdmin, page_context
from workspace.errors import DomainError
from workspace.models import ApiUser

SCOPES = ("contacts:read", "contacts:write")
_CHANGE, _VIEW, _ADD = (
    "integrations.change_source",
    "workspace.view_apiuser",
    "workspace.add_apiuser",
)


class ApiUserForm(forms.Form):
    """The API users that no other source has."""

    api_user: Any = forms.ModelChoiceField(
        label=gettext_lazy("Who sends as this source"),
        queryset=ApiUser.objects.none(),
        required=False,
        empty_label=gettext_lazy("none"),
        widget=UnfoldAdminSelectWidget(),
        help_text=gettext_lazy("What programs send with its key belongs to this source."),
    )

    def __init__(self, data: Any = None, *, source: Source) -> None:
        super().__init__(data, initial={"api_user": source.api_user_id})
        free = Q(sources=None) | Q(sources=source)
        self.fields["api_user"].queryset = ApiUser.objects.filter(free).order_by("name")  # type: ignore[attr-defined]


class ApiUserPages(PagesAdmin):
    """The part of the page "Set up" about the API user of a source."""

    def get_urls(self) -> list[URLPattern]:
        choose = self.admin_site.admin_view(require_POST(self.choose_api_user_view))
        make = self.admin_site.admin_view(require_POST(self.make_api_user_view))
        place = "<int:object_id>/setup/api-user"
        return [
            path(f"{place}/", choose, name="integrations_source_api_user"),
            path(f"{place}/new/", make, name="integrations_source_new_api_user"),
            *super().get_urls(),
        ]

    def api_user_context(self, source: Source, actor: Actor) -> dict[str, Any]:
        """What the template of the page needs."""
        api_user = source.api_user
        may_see = actor.may(_VIEW)
        may_change = may_see and actor.may(_CHANGE)
        return {
            "api_user": api_user,
            "api_user_url": (
                reverse("admin:workspace_apiuser_change", args=[api_user.pk])
                if api_user is not None and may_see
                else ""
            ),
            "missing_scopes": [one for one in SCOPES if api_user and one not in api_user.scopes],
            "api_user_form": ApiUserForm(source=source) if may_change else None,
            "choose_url": reverse("admin:integrations_source_api_user", args=[source.pk]),
            "make_url": (
                reverse("admin:integrations_source_new_api_user", args=[source.pk])
                if may_change and actor.may(_ADD) and api_user is None
                else ""
            ),
        }

    def choose_api_user_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Have another API user send as the source, or none."""
        source, actor = self._compatible(request, object_id, _VIEW)
        form = ApiUserForm(request.POST, source=source)
        if form.is_valid():
            chosen = form.cleaned_data["api_user"]
            try:
                sources.change_source(
                    source.key,
                    values={"api_user": chosen and chosen.pk},
                    actor=actor,
                    at=timezone.now(),
                )
            except DomainError as error:
                self.message_user(request, str(error), "error")
            else:
                self.message_user(request, _("The API user is saved."))
        else:
            text = _("This API user is gone, or sends as another source. Choose another one.")
            self.message_user(request, text, "error")
        return HttpResponseRedirect(_setup(source))

    def make_api_user_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Make an API user of the source's name, connect it, and show its key once."""
        source, actor = self._compatible(request, object_id, _ADD)
        now = timezone.now()
        try:
            with transaction.atomic():
                api_user, key = keys.create_api_user(
                    name=source.name,
                    description=_("Sends as the source “%(name)s”.") % {"name": source.name},
                    scopes=SCOPES,
                    actor=actor,
                    at=now,
                )
                sources.change_source(
                    source.key, values={"api_user": api_user.pk}, actor=actor, at=now
                )
        except keys.ApiUserExists:
            text = _("There is an API user “%(name)s” already: choose it here, or another one.")
            self.message_user(request, text % {"name": source.name}, "error")
            return HttpResponseRedirect(_setup(source))
        except DomainError as error:
            self.message_user(request, str(error), "error")
            return HttpResponseRedirect(_setup(source))
        answer = TemplateResponse(
            request,
            "workspace/secret.html",
            {
                **page_context(self, request, title=_("Key"), thing=source),
                "thing": api_user,
                "secret": key,
                "back": _setup(source),
                "base_url": settings.BASE_URL,
            },
        )
        # A key is for the person who looks now, not for caches or the browser's history.
        answer["Cache-Control"] = "no-store"
        return answer

    def _compatible(
        self, request: HttpRequest, object_id: int, permission: str
    ) -> tuple[Source, Actor]:
        source = self.visible_or_404(request, str(object_id))
        actor = actor_of(request)
        if not (actor.may(_CHANGE) and actor.may(_VIEW) and actor.may(permission)):
            raise PermissionDenied
        if source.kind != Source.Kind.VOUCHERIFY:
            raise Http404
        return source, actor


def _setup(source: Source) -> str:
    return reverse("admin:integrations_source_setup", args=[source.pk])
