"""Why a contact is in a segment or not, rule by rule."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.identities import find_contact_id
from contacts.models import Contact
from segments.explanation import explain_contact
from segments.models import Segment
from workspace.access import actor_of
from workspace.admin.pictures import badge
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps

_NAMESPACES = ("user_id", "email", "phone")


class ContactQuestion(forms.Form):
    """Who is meant: an external id, an e-mail address or a number."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("External id, e-mail or #number")}
        ),
    )


def explanation_context(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    """The question and, where one was asked, the answer."""
    asked = request.GET.get("contact", "").strip()
    form = ContactQuestion({"contact": asked} if asked else None)
    context: dict[str, Any] = {"form": form}
    if not asked:
        return context
    contact_id = _contact_id(asked)
    if contact_id is None:
        form.add_error("contact", _("There is no contact “%(name)s”.") % {"name": asked})
        return context
    try:
        found = explain_contact(segment, contact_id, as_of=timezone.now(), actor=actor_of(request))
    except DomainError as error:
        form.add_error(None, str(error))
        return context
    marks = {
        True: badge(_("holds"), "good", "check"),
        False: badge(_("does not hold"), "bad", "close"),
        None: badge(_("not for you to know"), "neutral", "visibility_off"),
    }
    context.update(
        contact=Contact.objects.get(pk=contact_id),
        explanation=found,
        verdict=badge(_("fits now"), "good", "check")
        if found.member
        else badge(_("does not fit now"), "bad", "close"),
        clauses=[
            (clause, marks[clause.holds], "" if clause.holds is None else _shown(clause.value))
            for clause in found.clauses
        ],
    )
    return context


def _contact_id(asked: str) -> int | None:
    for namespace in _NAMESPACES:
        if (found := find_contact_id(namespace, asked)) is not None:
            return found
    number = asked.removeprefix("#")
    if not number.isdecimal() or len(number) > 18:
        return None
    return Contact.objects.filter(pk=int(number)).values_list("pk", flat=True).first()


def _shown(value: Any) -> str:
    if value is None:
        return _("missing")
    if isinstance(value, list):
        return ", ".join(map(str, value)) or _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return value if isinstance(value, str) else exact_dumps(value)
