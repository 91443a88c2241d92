"""Tells people on their next page that a file is ready, once."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from segments.admin.exporting import file_address
from segments.export_notices import unannounced
from segments.models import Export
from workspace import access
from workspace.access import actor_of
from workspace.models import User


class FinishedExports:
    """Middleware: before a page of the back office is drawn, what ended since the last one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        """Add a message for each export of this person that ended; one query where none did."""
        user: Any = getattr(request, "user", None)
        is_staff = isinstance(user, User) and user.is_active and user.is_staff
        if is_staff and request.method == "GET":
            for export in unannounced(user, at=timezone.now()):
                _announce(request, export)
        return response


def _announce(request: HttpRequest, export: Export) -> None:
    if export.segment is not None and not access.is_visible(export.segment, actor_of(request)):
        return
    if export.state == Export.State.READY:
        text, address = _("is ready"), file_address(export)
        messages.success(request, _sentence(export, text, address, _("Download")))
    else:
        address = reverse("admin:segments_export_change", args=[export.pk])
        messages.error(request, _sentence(export, _("failed"), address, _("See why")))


def _sentence(export: Export, text: str, address: str, link: str) -> str:
    return format_html(
        '{} {}. <a style="text-decoration: underline" href="{}">{}</a>',
        _("The export “%(name)s”") % {"name": export.subject_name},
        text,
        address,
        link,
    )
