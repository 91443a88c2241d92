"""The demo workspace on the first page: what it is, and one button that takes it away."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.demo.removal import find_demo_data, remove_demo_data
from contacts.models import Contact
from segments.models import Segment
from workspace.access import Actor, actor_of
from workspace.admin.pictures import number
from workspace.errors import DomainError


def demo_note(actor: Actor) -> dict[str, Any] | None:
    """What the first page says of demo data, to administrators; None where there are none."""
    is_there = (
        Contact.objects.filter(is_demo=True).exists()
        or Segment.objects.filter(is_demo=True).exists()
    )
    if not actor.is_admin or not is_there:
        return None
    found = find_demo_data()
    return {
        "contacts": number(found.contact_count),
        "events": number(found.event_count),
        "segments": number(found.segment_count),
        "logins": ", ".join(found.logins),
    }


def remove_view(request: HttpRequest) -> HttpResponse:
    """Take the demo workspace away."""
    try:
        done = remove_demo_data(actor=actor_of(request), at=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
    else:
        words = {"contacts": number(done.removed.contact_count)}
        messages.success(
            request, _("The demo data were removed: %(contacts)s contacts and all else.") % words
        )
    return HttpResponseRedirect(reverse("admin:index"))
