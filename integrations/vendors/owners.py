"""Who is told that a vendor refuses credentials: the owner by mail, everybody on pages."""

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models import VendorConnection
from integrations.vendors import registry
from workspace import access
from workspace.checkup import Finding

logger = logging.getLogger(__name__)


def refused() -> "QuerySet[VendorConnection]":
    """The connections whose credentials a vendor refused, the newest first."""
    return VendorConnection.objects.filter(~Q(error=""), revoked_at=None).order_by("-error_at")


def mail_refused(*, at: datetime) -> int:
    """Mail owners whose connections were stopped since they were told last; how many mails went.

    Only to owners who may still look at connections. What cannot be sent is tried again next time.
    """
    waiting = refused().filter(~Q(owner__email=""), told_at=None, owner__is_active=True)
    count = 0
    for connection in waiting.select_related("owner"):
        if connection.owner is None:
            continue
        if not access.actor_of_user(connection.owner).may("integrations.view_vendorconnection"):
            continue
        if not _send(connection, connection.owner.email):
            break
        # After each: what was sent is not sent again, whatever becomes of the next one.
        VendorConnection.objects.filter(pk=connection.pk).update(told_at=at)
        count += 1
    return count


def examine() -> Finding:
    """Whether vendors take our credentials."""
    stopped = list(refused().values_list("name", flat=True)[:100])
    if stopped:
        message = ngettext(
            "%(count)d external authorization is refused (%(name)s): renew its credentials.",
            "%(count)d external authorizations are refused (%(name)s …): renew their credentials.",
            len(stopped),
        )
        words = message % {"count": len(stopped), "name": stopped[0]}
        return Finding("authorizations", False, words)
    return Finding("authorizations", True, _("No vendor refuses our credentials."))


def _send(connection: VendorConnection, address: str) -> bool:
    vendor = registry.find_vendor(connection.kind)
    room = reverse("admin:integrations_vendorconnection_change", args=[connection.pk])
    with translation.override(settings.LANGUAGE_CODE):
        names = {
            "vendor": vendor.label if vendor else connection.get_kind_display(),
            "name": connection.name,
        }
        subject = _("%(vendor)s does not take the credentials of “%(name)s” any more") % names
        said = _("It said: %(error)s") % {"error": connection.error}
        stopped = _(
            "Nothing is sent and nothing is synchronized until somebody renews the credentials:"
        )
        end = _("You get this because you authorized it.")
    try:
        send_mail(
            " ".join(subject.split()),
            "\n\n".join([said, f"{stopped}\n{settings.BASE_URL}{room}", end]),
            None,
            [address],
        )
    except (SMTPException, OSError):
        logger.warning(
            "The owner of connection %s could not be told.", connection.pk, exc_info=True
        )
        return False
    return True
