"""Which segments something new may begin to use: those in use, by people who may know of them.

`segments.lifecycle` gives the two verbs to the floors above; they stand here so that rooms which
the lifecycle itself needs can ask, too.
"""

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from segments.errors import SegmentArchived, SegmentInactive, SegmentUnknown
from segments.models import Segment
from workspace import access
from workspace.access import Actor


def usable_segments(actor: Actor) -> "QuerySet[Segment]":
    """What a field that asks for a segment offers: active ones that the actor may know of."""
    return access.visible(Segment.objects.filter(status=Segment.Status.ACTIVE), actor)


def require_usable(segment: Segment, *, actor: Actor) -> Segment:
    """The segment as it is now, for something that begins to use it: a journey, a mechanism.

    Locked until the transaction ends where there is one, so that nobody takes it out of use in
    the same moment. What uses it already goes on, and need not ask again. Raises SegmentUnknown,
    also where the actor may not know of it, SegmentInactive or SegmentArchived.
    """
    rows = Segment.objects.all()
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update(no_key=True)
    held = rows.filter(pk=segment.pk).first()
    if held is None or not access.is_visible(held, actor):
        raise SegmentUnknown(segment.key)
    words = {"name": held.name}
    if held.status == Segment.Status.ARCHIVED:
        message = _("Segment “%(name)s” is archived, and stays so: nothing can use it any more.")
        raise SegmentArchived(message % words, key=held.key)
    if held.status == Segment.Status.INACTIVE:
        message = _("Segment “%(name)s” is inactive: nothing new can use it. Set it active first.")
        raise SegmentInactive(message % words, key=held.key)
    return held
