"""Adding a source: the catalog of kinds, then its name."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from integrations import sources
from integrations.admin.badges import KIND_ICONS
from integrations.models import Source
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.errors import DomainError

Kind = Source.Kind


@dataclass(frozen=True, slots=True)
class Card:
    """A kind of source in the catalog: what it is for, and what one needs for it."""

    kind: str
    title: Any
    text: Any
    needs: Any
    proposal: Any


CATALOG = (
    Card(
        Kind.SERVER,
        gettext_lazy("Server"),
        gettext_lazy("Your shop, till or back end tells us what customers did, as it happens."),
        gettext_lazy("Segment's libraries for Python, Node and others, or plain HTTP"),
        gettext_lazy("Shop server"),
    ),
    Card(
        Kind.WEB,
        gettext_lazy("Website or app"),
        gettext_lazy("Visits and clicks from browsers and phones, of people known and unknown."),
        gettext_lazy("Segment's analytics.js or its mobile libraries"),
        gettext_lazy("Website"),
    ),
    Card(
        Kind.WEBHOOK,
        gettext_lazy("Webhook from Segment"),
        gettext_lazy("You have Twilio Segment already: it forwards what it receives, signed."),
        gettext_lazy("A webhook destination in your Segment workspace"),
        gettext_lazy("Twilio Segment"),
    ),
    Card(
        Kind.VOUCHERIFY,
        gettext_lazy("Voucherify-compatible"),
        gettext_lazy("Your programs talk to Voucherify: have them send customers and events here."),
        gettext_lazy("An API user; Voucherify's own libraries with our address"),
        gettext_lazy("Voucherify clients"),
    ),
    Card(
        Kind.CSV,
        gettext_lazy("File"),
        gettext_lazy("Bring the past at once: purchases or visits from a CSV or XLSX file."),
        gettext_lazy("A file with one event in each row; no key"),
        "",
    ),
)


class NewSourceForm(forms.Form):
    """The name of a source; everything else can wait."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("As people call the website or system, for example Shop server."),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=gettext_lazy("What it sends, and whom to ask about it."),
    )

    def add_refusal(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        if not error.problems:
            self.add_error("name", str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


class CatalogPages(ModelAdmin):
    """The page on which a source is added."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The catalog; with a kind chosen, the form, and then the page that says how to send."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        card = _chosen(request)
        context = page_context(self, request, title=_("Add source"))
        if card is None:
            context["cards"] = [_shown(one) for one in CATALOG if _is_offered(one, request)]
            return TemplateResponse(request, "integrations/catalog.html", context)
        form = NewSourceForm(
            request.POST if request.method == "POST" else None,
            initial={"name": _free_name(str(card.proposal))},
        )
        if form.is_bound and form.is_valid():
            try:
                source, _write_key = sources.create_source(
                    name=form.cleaned_data["name"],
                    description=form.cleaned_data["description"],
                    kind=card.kind,
                    actor=actor_of(request),
                    at=timezone.now(),
                )
            except DomainError as error:
                form.add_refusal(error)
            else:
                address = reverse("admin:integrations_source_setup", args=[source.pk])
                return HttpResponseRedirect(address)
        context |= {"card": _shown(card), "form": form}
        return TemplateResponse(request, "integrations/new_source.html", context)


def _chosen(request: HttpRequest) -> Card | None:
    kind = request.GET.get("kind", "")
    return next((one for one in CATALOG if one.kind == kind and kind != Kind.CSV), None)


def _is_offered(card: Card, request: HttpRequest) -> bool:
    return card.kind != Kind.CSV or actor_of(request).may("contacts.add_event")


def _shown(card: Card) -> dict[str, Any]:
    is_file = card.kind == Kind.CSV
    return {
        "title": card.title,
        "text": card.text,
        "needs": card.needs,
        "icon": KIND_ICONS[Kind(card.kind)],
        "url": reverse("admin:contacts_event_import") if is_file else f"?kind={card.kind}",
    }


def _free_name(proposal: str) -> str:
    """A name to begin with; nothing where a source is called so already."""
    return "" if Source.objects.filter(name__iexact=proposal).exists() else proposal
