"""Findings by mail to the owner of a segment who wants them: each finding once."""

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from segments import health
from segments.health import Told
from segments.models import Finding, Segment
from workspace import access

logger = logging.getLogger(__name__)


def mail_findings(*, at: datetime) -> int:
    """Mail what no owner was told of yet; returns how many mails went out.

    Only to owners who may still see the segment. That one is missing in another system its owner
    is told in any case. What cannot be sent is tried again next time.
    """
    waiting = Finding.objects.filter(
        Q(segment__mail_findings=True, segment__status=Segment.Status.ACTIVE)
        | Q(kind=Finding.Kind.MISSING),
        ~Q(segment__owner__email=""),
        mailed_at__isnull=True,
        segment__owner__is_active=True,
    )
    count = 0
    for finding in waiting.select_related("segment__owner").order_by("pk"):
        told = _told(finding)
        if told is None:
            continue
        if not _send(finding.segment, told):
            break
        # After each: what was sent is not sent again, whatever becomes of the next one.
        Finding.objects.filter(pk=finding.pk).update(mailed_at=at)
        count += 1
    return count


def _told(finding: Finding) -> Told | None:
    """The finding as its owner may know it; None where he may not."""
    segment = finding.segment
    if segment.owner is None:
        return None
    actor = access.actor_of_user(segment.owner)
    if not actor.may("segments.view_segment") or not access.is_visible(segment, actor):
        return None
    kept = health.findings_by_segment([segment], actor=actor).get(segment.pk, [])
    if finding.pk not in {one.pk for one in kept}:
        return None
    known = health.known_others(kept, actor)
    with translation.override(settings.LANGUAGE_CODE):
        return health.tell(finding, segment, actor=actor, known=known)


def _send(segment: Segment, told: Told) -> bool:
    if segment.owner is None:
        return False
    url = f"{settings.BASE_URL}{reverse('admin:segments_segment_change', args=[segment.pk])}"
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("Segment “%(name)s”: %(what)s") % {
            "name": segment.name,
            "what": told.kind.label,
        }
        end = _("You get this because the segment is yours and mails what is found wrong with it.")
        if told.kind == Finding.Kind.MISSING:
            end = _("You get this because the segment is yours.")
    try:
        send_mail(
            " ".join(subject.split()),
            "\n\n".join([told.message, told.advice, url, end]),
            None,
            [segment.owner.email],
        )
    except (SMTPException, OSError):
        logger.warning("A finding on segment %s could not be mailed.", segment.key, exc_info=True)
        return False
    return True
