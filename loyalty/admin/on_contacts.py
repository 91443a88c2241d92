"""What the loyalty programme adds to the profile of a contact."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from loyalty.admin.member_standing import standing_context
from loyalty.admin.members import member_badge
from loyalty.models import Member
from workspace.access import actor_of


def _loyalty_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor = actor_of(request)
    if not actor.may("loyalty.view_member"):
        return None
    member = Member.objects.filter(contact_id=contact.pk).first()
    found = {"member": member, "may_join": actor.may("loyalty.change_member")}
    if member is None:
        return found
    return {
        **found,
        "state": member_badge(member),
        "sees_lines": actor.may("loyalty.view_pointsposting"),
        **standing_context(member, at=timezone.now()),
    }


register_panel(Panel("loyalty", _("Loyalty"), "loyalty/contact_panel.html", _loyalty_panel, 20))
