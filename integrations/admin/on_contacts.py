"""What this room adds to the profile of a contact: which sources told of the person lately."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from integrations.contact_sources import sources_of_contact
from integrations.event_log import LOG_KEPT
from workspace.access import actor_of
from workspace.admin.pictures import number


def _sources_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    if not actor_of(request).may("integrations.view_source"):
        return None
    found = sources_of_contact(contact.pk)
    return {
        "rows": [
            (one, f"{number(one.count)}+" if one.is_more else number(one.count)) for one in found
        ],
        "days": LOG_KEPT.days,
    }


register_panel(
    Panel("sources", _("Sources"), "integrations/contact_panel.html", _sources_panel, 30)
)
