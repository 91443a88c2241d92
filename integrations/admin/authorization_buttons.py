"""What one can do with a connection: synchronize, test, pause, revoke; each says what it does."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations import dead_letters, deliveries, webhook_uses
from integrations.admin.authorization_forms import RevokeForm
from integrations.admin.authorization_pictures import records_in_words
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import connections, credentials, leaving, registry, revoking, syncing
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.pictures import number

State = VendorConnection.State
SYNC = "integrations.sync_vendorconnection"
# So many of what uses a connection are named.
_NAMED = 5
_GONE = {State.REVOKED, State.REVOKING}


def _may_sync(connection: VendorConnection) -> bool:
    return connection.is_enabled and bool(registry.syncs_of(connection.kind))


def _is_leaving_still(connection: VendorConnection) -> bool:
    """Whether data are to be deleted, and nobody is at it."""
    waiting = connection.connection_websites.filter(state=ConnectionWebsite.State.LEAVING)
    return waiting.exists() and not _is_running(connection)


def _is_running(connection: VendorConnection) -> bool:
    return leaving.running_job(connection) is not None


def _before_revoking(connection: VendorConnection) -> str:
    """What stops, what remains at the vendor, and what can be deleted there."""
    vendor = registry.find_vendor(connection.kind)
    waiting = deliveries.queued(connection).count()
    parts = [
        _("Everything stops at once, and the credentials are deleted here."),
        ngettext(
            "%(n)s delivery that waits is cancelled.",
            "%(n)s deliveries that wait are cancelled.",
            waiting,
        )
        % {"n": number(waiting)}
        if waiting
        else "",
        str(vendor.remains) if vendor else "",
    ]
    if uses := webhook_uses.uses_of(connection):
        words = _("What sends over it stands still then: %(uses)s.")
        parts.append(words % {"uses": ", ".join(uses[:_NAMED])})
    if leaving.may_delete_data(connection):
        sites = [one.website for one in credentials.attached_to(connection)]
        said = [
            f"{loss.website.name} ({records_in_words(loss.records)})"
            for loss in leaving.losses(connection, sites)
        ]
        words = _("What was uploaded can be deleted there first: %(what)s.")
        parts.append(words % {"what": ", ".join(said)})
    else:
        parts.append(_("Nothing that we uploaded can be deleted there by us."))
    return " ".join(part for part in parts if part)


class AuthorizationButtons(PagesAdmin, ObjectActionsAdmin):
    """The buttons on the page of a connection; Revoke Access is the last, and red."""

    @object_action(
        gettext_lazy("Synchronize now"),
        permission=SYNC,
        icon="sync",
        consequence=gettext_lazy(
            "What is synchronized with this account is synchronized at once, by a job that can be"
            " watched and cancelled."
        ),
        is_offered=_may_sync,
    )
    def synchronize(self, request: HttpRequest, connection: VendorConnection) -> str:
        syncing.request_sync(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("It is being synchronized.")

    @object_action(
        gettext_lazy("Test connection"),
        permission=connections.CHANGE,
        icon="network_check",
        consequence=gettext_lazy(
            "The vendor is asked whether it takes the credentials. If it refuses them everything"
            " stops until they are renewed; if it takes them again everything goes on."
        ),
        is_offered=lambda connection: bool(connection.sealed_secret),
    )
    def test_it(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        tried = credentials.test_connection(
            connection.pk, actor=actor_of(request), at=timezone.now()
        )
        level = messages.SUCCESS if tried.is_well else messages.ERROR
        self.message_user(request, tried.message, level)
        return HttpResponseRedirect(self.page_of(request, connection))

    @object_action(
        gettext_lazy("Pause"),
        permission=connections.CHANGE,
        icon="pause",
        consequence=gettext_lazy(
            "Nothing is sent and nothing is synchronized until it is resumed. What waits goes on"
            " waiting. Data of websites that were removed go on being deleted."
        ),
        is_offered=lambda connection: (
            connection.paused_at is None and connection.state not in _GONE
        ),
    )
    def pause(self, request: HttpRequest, connection: VendorConnection) -> str:
        connections.pause_connection(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("It is paused.")

    @object_action(
        gettext_lazy("Resume"),
        permission=connections.CHANGE,
        icon="play_arrow",
        consequence=gettext_lazy("What waits is sent, and it is synchronized at once."),
        is_offered=lambda connection: (
            connection.paused_at is not None and connection.state not in _GONE
        ),
    )
    def resume(self, request: HttpRequest, connection: VendorConnection) -> str:
        connections.resume_connection(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("It goes on.")

    @object_action(
        gettext_lazy("Go on deleting"),
        permission=connections.CHANGE,
        icon="delete_sweep",
        consequence=gettext_lazy(
            "The data of websites that were removed are deleted at the vendor, from where it"
            " stopped."
        ),
        is_offered=_is_leaving_still,
    )
    def go_on_deleting(self, request: HttpRequest, connection: VendorConnection) -> str:
        leaving.retry_leaving(connection.pk, actor=actor_of(request), at=timezone.now())
        return _("The data are being deleted.")

    @object_action(
        gettext_lazy("Send failed again"),
        permission=deliveries.RETRY,
        icon="replay",
        consequence=gettext_lazy(
            "All that failed is sent again, under the same ids, with all attempts before it."
        ),
        is_offered=lambda connection: (
            connection.is_enabled and connection.deliveries.filter(state="failed").exists()
        ),
    )
    def retry_failed(self, request: HttpRequest, connection: VendorConnection) -> str:
        count = dead_letters.retry_dead_letters(
            actor=actor_of(request), at=timezone.now(), connection_id=connection.pk
        )
        text = ngettext("%(n)s is sent again.", "%(n)s are sent again.", count)
        return text % {"n": number(count)}

    @object_action(
        gettext_lazy("Revoke Access"),
        permission=revoking.DELETE,
        icon="link_off",
        variant="danger",
        consequence=_before_revoking,
        confirm=gettext_lazy("Revoke Access"),
        is_offered=lambda connection: connection.revoked_at is None,
        form_class=RevokeForm,
    )
    def revoke(self, request: HttpRequest, connection: VendorConnection, form: RevokeForm) -> str:
        revoked = revoking.revoke_access(
            connection.pk,
            delete_data=form.cleaned_data["delete_data"],
            actor=actor_of(request),
            at=timezone.now(),
        )
        if revoked.revoked_at is None:
            return _("The data at the vendor are being deleted; then access is revoked.")
        return _("Access is revoked, and the credentials are deleted.")

    @object_action(
        gettext_lazy("Delete"),
        permission=revoking.DELETE,
        icon="delete",
        variant="danger",
        consequence=gettext_lazy(
            "It goes off the list, with its calls, synchronizations and deliveries. The audit trail"
            " keeps that it was there. This cannot be undone."
        ),
        confirm=gettext_lazy("Delete the connection"),
        is_offered=lambda connection: connection.revoked_at is not None,
    )
    def delete_it(self, request: HttpRequest, connection: VendorConnection) -> HttpResponse:
        revoking.delete_connection(connection.pk, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” is deleted.") % {"name": connection.name})
        return HttpResponseRedirect(reverse("admin:integrations_vendorconnection_changelist"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By its button, after access was revoked.
        return False
