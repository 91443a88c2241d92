"""Telling people that their file is ready: by mail where they want it, else on their next page."""

import logging
from collections.abc import Sequence
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from segments.models import Export
from workspace.access import actor_of_user, is_visible
from workspace.models import User

logger = logging.getLogger(__name__)


def mail_ready(export: Export) -> bool:
    """Write to whoever asked for an export that its file is there; False where nobody was told.

    The mail has no rows and no way past the login.
    """
    if export.user is None or not export.user.is_active or not export.user.email:
        return False
    if export.segment is not None and not is_visible(export.segment, actor_of_user(export.user)):
        # He has left its user group meanwhile.
        return False
    path = reverse("admin:segments_export_change", args=[export.pk])
    text = _(
        "%(name)s: %(rows)s rows.\n\nDownload it, after logging in, until %(until)s:\n%(url)s\n"
    ) % {
        "name": export.subject_name,
        "rows": number_format(export.rows or 0, force_grouping=True),
        "until": date_format(localtime(export.expires_at), "DATETIME_FORMAT"),
        "url": f"{settings.BASE_URL.rstrip('/')}{path}",
    }
    subject = _("Your export “%(name)s” is ready") % {"name": export.subject_name}
    try:
        sent = send_mail(subject.replace("\n", " "), text, None, [export.user.email])
    except (OSError, SMTPException) as error:
        # The file is there all the same.
        logger.warning("Nobody was mailed that export %s is ready: %s", export.pk, error)
        return False
    return bool(sent)


def unannounced(user: User, *, at: datetime) -> Sequence[Export]:
    """The exports of a person that ended since his last page; each is told of once."""
    over = Export.objects.filter(
        user=user,
        announced_at__isnull=True,
        state__in=[Export.State.READY, Export.State.FAILED],
    )
    found = list(over.select_related("segment").prefetch_related("segment__groups")[:20])
    if found:
        ids = [export.pk for export in found]
        Export.objects.filter(pk__in=ids).update(announced_at=at)
    return found
