"""Who is told that a vendor refuses credentials: its owner or the administrators by mail.

Everybody is on pages.
"""

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
from workspace.models import User

_VIEW = "integrations.view_vendorconnection"
logger = logging.getLogger(__name__)


def refused() -> "QuerySet[VendorConnection]":
    """The connections whose credentials a vendor refused, the newest first."""
    return VendorConnection.objects.filter(~Q(error=""), revoked_at=None).order_by("-error_at")


def mail_refused(*, at: datetime) -> int:
    """Mail those whom `told_of` names of connections that were stopped; how many mails went.

    What cannot be sent is tried again next time.
    """
    count = 0
    for connection in refused().filter(told_at=None).select_related("owner"):
        # A handful, each with its own letters.
        told = []
        people = told_of(connection)
        for person in people:
            if not _send(connection, person):
                break
            told.append(person.get_full_name() or person.get_username())
        count += len(told)
        if told and len(told) == len(people):
            # After each: what was sent is not sent again, whatever becomes of the next one.
            VendorConnection.objects.filter(pk=connection.pk).update(
                told_at=at, told_to=", ".join(told)[:300]
            )
    return count


def told_of(connection: VendorConnection) -> list[User]:
    """Who is told by mail when the vendor refuses its credentials.

    That is its owner; where there is none who has an address and may still look at connections, the
    administrators who have one.
    """
    owner = connection.owner
    if owner is not None and _can_be_told(owner):
        return [owner]
    administrators = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
    return list(administrators.exclude(email=""))


def told_in_words(connection: VendorConnection) -> str:
    """Who was told that it is refused, or would be."""
    if connection.error and connection.told_at is not None:
        return _("%(who)s, by mail") % {"who": connection.told_to}
    people = told_of(connection)
    if not people:
        return _("nobody: neither its owner nor an administrator has an e-mail address")
    names = ", ".join(one.get_full_name() or one.get_username() for one in people[:5])
    if people == [connection.owner]:
        return names
    return _("%(who)s, as administrators") % {"who": names}


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


def _can_be_told(person: User) -> bool:
    actor = access.actor_of_user(person)
    return person.is_active and bool(person.email) and actor.may(_VIEW)


def _send(connection: VendorConnection, person: User) -> bool:
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
        if person != connection.owner:
            end = _(
                "You get this as an administrator: the connection has no owner who could be told."
            )
    try:
        send_mail(
            " ".join(subject.split()),
            "\n\n".join([said, f"{stopped}\n{settings.BASE_URL}{room}", end]),
            None,
            [person.email],
        )
    except (SMTPException, OSError):
        logger.warning(
            "%s could not be told of connection %s.", person.pk, connection.pk, exc_info=True
        )
        return False
    return True
