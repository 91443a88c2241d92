"""Actions of a segment on the screen: what is planned, what came of it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from segments.models import Segment, SegmentAction

_PAGE = 50


def actions_page(admin: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """The actions of a segment, planned and executed."""
    context = admin.thing_context(request, segment, page="actions", title=_("Actions"))
    context.update(rows=SegmentAction.objects.filter(segment=segment)[:_PAGE])
    return TemplateResponse(request, "segments/actions.html", context)
