"""Websites of a connection: the trash can, then Update Websites, which confirms (AT-15, AT-16)."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from integrations.admin.authorization_buttons import AuthorizationButtons
from integrations.admin.authorization_pictures import records_in_words
from integrations.models import VendorConnection
from integrations.vendors import connections, credentials, leaving, registry
from workspace.access import actor_of
from workspace.errors import DomainError
from workspace.models import Website


class WebsitesOfConnection(AuthorizationButtons):
    """The form of the lower section of a connection's page."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self._page("websites_view")))
        name = "integrations_vendorconnection_websites"
        return [path("<path:object_id>/websites/", view, name=name), *super().get_urls()]

    def websites_view(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        """Say what will be destroyed; once that is confirmed, do it. Additions need no question."""
        if not actor_of(request).may(connections.CHANGE):
            raise PermissionDenied
        marked = _chosen(request, "remove")
        added = _chosen(request, "add")
        attached = {one.website_id for one in credentials.attached_to(connection)}
        stays = attached - {one.pk for one in marked}
        if marked and (stays or added) and "confirmed" not in request.POST:
            return self._ask(request, connection, marked, added)
        back = HttpResponseRedirect(self.page_of(request, connection))
        if not marked and not added:
            words = _("Nothing was marked: press the trash can beside a website first.")
            self.message_user(request, words, messages.WARNING)
            return back
        actor, now = actor_of(request), timezone.now()
        try:
            if added:
                leaving.attach_websites(connection.pk, websites=added, actor=actor, at=now)
            if marked:
                leaving.remove_websites(connection.pk, websites=marked, actor=actor, at=now)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return back
        if marked:
            words = _("The data are being deleted at the vendor. Below it says when that is done.")
            self.message_user(request, words)
        else:
            self.message_user(request, _("The websites are updated."), messages.SUCCESS)
        return back

    def _ask(
        self,
        request: HttpRequest,
        connection: VendorConnection,
        marked: list[Website],
        added: list[Website],
    ) -> HttpResponse:
        context = self.thing_context(request, connection, page="", title=_("Update Websites"))
        context |= {
            "vendor": registry.find_vendor(connection.kind),
            "is_deleted": registry.deleter_of(connection.kind) is not None,
            "losses": [
                {"website": loss.website, "records": records_in_words(loss.records)}
                for loss in leaving.losses(connection, marked)
            ],
            "added": added,
            "back": self.page_of(request, connection),
        }
        return TemplateResponse(request, "integrations/authorization_leaving.html", context)


def _chosen(request: HttpRequest, name: str) -> list[Website]:
    ids = [text for text in request.POST.getlist(name) if text.isascii() and text.isdigit()]
    return list(Website.objects.filter(pk__in=[text[:9] for text in ids]))
