"""What the loyalty programme adds to the profile of a contact."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from loyalty.models import Member
from workspace.access import actor_of
from workspace.admin.pictures import number


def _loyalty_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    if not actor_of(request).may("loyalty.view_member"):
        return None
    member = Member.objects.filter(contact_id=contact.pk).first()
    return {"member": member, "points": number(member.points) if member else ""}


register_panel(Panel("loyalty", _("Loyalty"), "loyalty/contact_panel.html", _loyalty_panel, 20))
