"""Trying templates out on the screen: a mail to oneself, a push message to one's browser."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.admin.finding import found_ids
from contacts.models import Contact
from integrations import template_tests
from integrations.errors import TemplateInvalid
from integrations.models import Template
from integrations.push import trial
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.errors import DomainError


class TestForm(forms.Form):
    """Whose gaps a test is filled with, and in which language."""

    __test__ = False

    contact = forms.CharField(
        label=gettext_lazy("As for contact"),
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("E-mail address or number. Empty: examples in all gaps."),
    )
    language = forms.CharField(
        label=gettext_lazy("Language"),
        required=False,
        max_length=35,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("As a code. Empty: that of the contact."),
    )

    def __init__(self, data: Any = None) -> None:
        # Its dialog stands on the page of another form with such a field.
        super().__init__(data, auto_id="test_%s")


class TemplateTrials(PagesAdmin):
    """What the browser of whoever looks at a push message's template asks for."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.trial_view))
        own = path("<path:object_id>/trial/", view, name="integrations_template_trial")
        return [own, *super().get_urls()]

    def trial_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Send a push message's template to the browser that asks; what came of it as JSON."""
        template: Template = self.visible_or_404(request, object_id)
        if template.channel != Template.Channel.PUSH:
            raise Http404
        actor, term = actor_of(request), request.POST.get("contact", "").strip()
        try:
            template_tests.send_push_test(
                template,
                subscription=trial.read_subscription(request.POST.get("subscription", "")),
                actor=actor,
                at=timezone.now(),
                contact_id=meant(term) if term and actor.may("contacts.view_contact") else None,
                language=request.POST.get("language", ""),
            )
        except DomainError as error:
            told = [problem.message for problem in error.problems] or [str(error)]
            return JsonResponse({"message": " ".join(told)}, status=error.status)
        return JsonResponse({"message": _("The push service took it: it appears in a moment.")})


def meant(term: str) -> int:
    """The one contact that is meant. Raises TemplateInvalid for nobody, or several."""
    known = Contact.objects.filter(pk__in=found_ids(term), erased_at=None, merged_into__isnull=True)
    ids = list(known.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        words = (
            _("“%(term)s” is nobody's.") if not ids else _("“%(term)s” may be several contacts.")
        )
        raise TemplateInvalid(words % {"term": term[:100]})
    return ids[0]
