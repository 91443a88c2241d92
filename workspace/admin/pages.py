"""Pages of our own inside the admin: their addresses, their context, what empty lists teach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from workspace.access import actor_of


@dataclass(frozen=True, slots=True)
class EmptyState:
    """What a list says while it has no rows.

    `steps` are buttons: (label, name of the address, icon, permission that they need).
    """

    text: Any
    icon: str = "inbox"
    steps: tuple[tuple[Any, str, str, str], ...] = ()


def page_context(
    admin: ModelAdmin, request: HttpRequest, *, title: Any, thing: Model | None = None
) -> dict[str, Any]:
    """What the theme needs around a page: menu, title, the path to it."""
    request.current_app = admin.admin_site.name
    return {
        **admin.admin_site.each_context(request),
        "title": title,
        "content_title": title,
        "model_admin": admin,
        "object": thing,
    }


class PagesAdmin(ModelAdmin):
    """A screen whose things have pages of their own, shown as tabs.

    `thing_pages` are (slug, label, method); a method gets (request, thing) and answers.
    """

    thing_pages: tuple[tuple[str, Any, str], ...] = ()
    first_page_label: Any = ""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{slug}/",
                self.admin_site.admin_view(self._page(method)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{slug}",
            )
            for slug, _label, method in self.thing_pages
        ]
        return [*own, *super().get_urls()]

    def _page(self, method: str) -> Callable[..., HttpResponseBase]:
        def view(request: HttpRequest, object_id: str) -> HttpResponseBase:
            thing = self.visible_or_404(request, object_id)
            answer: HttpResponseBase = getattr(self, method)(request, thing)
            return answer

        return view

    def visible_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The thing, if this person may know of it and look at it."""
        thing = self.get_object(request, object_id)
        if thing is None:
            raise Http404
        if not self.has_view_permission(request, thing):
            raise PermissionDenied
        return thing

    def may_open(self, request: HttpRequest, slug: str) -> bool:
        """Whether this person may open a page of things that he may see."""
        return True

    def tabs_of(
        self, request: HttpRequest, thing: Model, current: str = ""
    ) -> list[dict[str, Any]]:
        """The pages of a thing that this person may open, for the template."""
        room = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}"
        first = {
            "title": self.first_page_label,
            "url": reverse(f"{room}_change", args=[thing.pk]),
            "is_current": not current,
        }
        return [
            first,
            *(
                {
                    "title": label,
                    "url": reverse(f"{room}_{slug}", args=[thing.pk]),
                    "is_current": slug == current,
                }
                for slug, label, _method in self.thing_pages
                if self.may_open(request, slug)
            ),
        ]

    def thing_context(
        self, request: HttpRequest, thing: Model, *, page: str, title: Any
    ) -> dict[str, Any]:
        """The context of one page of a thing."""
        return {
            **page_context(self, request, title=title, thing=thing),
            "thing": thing,
            "thing_tabs": self.tabs_of(request, thing, page),
            "actor": actor_of(request),
        }
