"""The pages of one validation rule besides its form: where it holds, and trying it out."""

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from contacts.identities import find_contact_id
from contacts.models import Contact
from loyalty.models import RuleAssignment, ValidationRule, Voucher
from loyalty.validation_rules import rules
from loyalty.validation_rules.rules import Purpose
from segments.admin.forms import read_document
from workspace import access
from workspace.access import Actor, actor_of
from workspace.admin.pictures import badge
from workspace.errors import DomainError

_NAMESPACES = ("user_id", "email", "phone")
_SAMPLE = """{
  "amount": 5500,
  "items": [{"product_id": "mug", "quantity": 2, "price": 2000}],
  "metadata": {"channel": "web"}
}"""


@dataclass(frozen=True)
class TriedOrder:
    """An order that somebody wrote to try a rule out."""

    amount_minor: int | None = None
    items: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, written: Any) -> "TriedOrder":
        """Of JSON as Voucherify's clients send it. Raises ValueError where it is none."""
        if not isinstance(written, dict):
            raise ValueError(_("An order is an object, with amount, items and metadata."))
        amount, items = written.get("amount"), written.get("items", [])
        metadata = written.get("metadata", {})
        if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool)):
            raise ValueError(_("The amount is a whole number, in minor units."))
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise ValueError(_("The items are a list of objects."))
        if not isinstance(metadata, dict):
            raise ValueError(_("The metadata are an object."))
        return cls(amount, tuple(items), metadata)


class AssignForm(forms.Form):
    """What the rule is to hold for: a campaign or distribution by name, a card by its code."""

    thing = forms.ChoiceField(
        label=gettext_lazy("Campaign or distribution"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    code = forms.CharField(
        label=gettext_lazy("or the code of a card"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
    )

    def __init__(self, data: Any = None, *, actor: Actor) -> None:
        super().__init__(data)
        self.actor = actor
        known = rules.known_things(actor)
        self.things = {f"{kind}:{one.pk}": one for kind, ones in known.items() for one in ones}
        labels = {"campaign": _("Campaigns"), "distribution": _("Distributions")}
        chosen: list[Any] = [("", "–")]
        for kind, label in labels.items():
            named = [(key, str(one)) for key, one in self.things.items() if key.startswith(kind)]
            chosen += [(label, named)] if named else []
        self.fields["thing"].choices = chosen  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        thing, code = given.get("thing", ""), given.get("code", "").strip().upper()
        if bool(thing) == bool(code):
            raise forms.ValidationError(_("Choose a campaign or distribution, or write a code."))
        if thing:
            return {thing.partition(":")[0]: self.things[thing]}
        voucher = find_voucher(code, self.actor)
        if voucher is None:
            self.add_error("code", _("There is no card “%(code)s”.") % {"code": code})
            return {}
        return {"voucher": voucher}


class TryForm(forms.Form):
    """A case to try a rule with."""

    purpose = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[
            (Purpose.VALIDATION, gettext_lazy("a card is to pay")),
            (Purpose.PUBLICATION, gettext_lazy("a card is given")),
        ],
        widget=UnfoldAdminSelectWidget(),
    )
    contact = forms.CharField(
        label=gettext_lazy("Customer"),
        required=False,
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("E-mail, external id or #number")}
        ),
    )
    code = forms.CharField(
        label=gettext_lazy("Code of the card"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
    )
    amount = forms.IntegerField(
        label=gettext_lazy("It is to pay, in minor units"),
        required=False,
        min_value=0,
        max_value=2**53,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    order = forms.CharField(
        label=gettext_lazy("Order, as JSON"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 7, "placeholder": _SAMPLE}),
        help_text=gettext_lazy("As it is sent to validations: amount, items, metadata."),
    )

    def __init__(self, data: Any = None, *, actor: Actor) -> None:
        super().__init__(data)
        self.actor = actor

    def clean_contact(self) -> Contact | None:
        asked = self.cleaned_data["contact"].strip()
        if not asked:
            return None
        found = _find_contact(asked)
        if found is None:
            raise forms.ValidationError(_("There is no contact “%(name)s”.") % {"name": asked})
        return found

    def clean_code(self) -> Voucher | None:
        code = self.cleaned_data["code"].strip().upper()
        if not code:
            return None
        voucher = find_voucher(code, self.actor)
        if voucher is None:
            raise forms.ValidationError(_("There is no card “%(code)s”.") % {"code": code})
        return voucher

    def clean_order(self) -> TriedOrder | None:
        text = self.cleaned_data["order"].strip()
        if not text:
            return None
        written, problem = read_document(text)
        if problem is not None:
            raise forms.ValidationError(problem.message)
        try:
            return TriedOrder.of(written)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class RulePages:
    """The pages themselves, for the screen of rules."""

    def assignments_page(self: Any, request: HttpRequest, rule: ValidationRule) -> HttpResponse:
        """What the rule holds for; one with the permission adds and takes away."""
        actor = actor_of(request)
        may_write = self.has_change_permission(request, rule)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        is_adding = is_post and "assignment" not in request.POST
        form = AssignForm(request.POST if is_adding else None, actor=actor)
        if is_post:
            try:
                if not is_adding:
                    _take_away(rule, request.POST["assignment"], actor)
                elif form.is_valid():
                    rules.assign_rule(rule, **form.cleaned_data, actor=actor, at=timezone.now())
                if not is_adding or form.is_valid():
                    return HttpResponseRedirect(request.path)
            except DomainError as error:
                if is_adding:
                    form.add_error(None, str(error))
                else:
                    self.message_user(request, str(error), messages.ERROR)
        title = _("Where “%(name)s” holds") % {"name": rule}
        context = self.thing_context(request, rule, page="assignments", title=title)
        rows = rules.assigned_to(rule, actor=actor)
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            rows=[(row, _KINDS[row.kind], _page_of(row)) for row in rows if row.thing],
            hidden_count=sum(row.thing is None for row in rows),
        )
        return TemplateResponse(request, "loyalty/rule_assignments.html", context)

    def try_page(self: Any, request: HttpRequest, rule: ValidationRule) -> HttpResponse:
        """Whether the rule would let a customer through, with an order and a card."""
        actor = actor_of(request)
        form = TryForm(request.GET if "purpose" in request.GET else None, actor=actor)
        title = _("Try “%(name)s” out") % {"name": rule}
        context = self.thing_context(request, rule, page="try", title=title)
        context.update(form=form, media=self.media + form.media)
        if form.is_bound and form.is_valid():
            given = form.cleaned_data
            refusal = rules.judge(
                [rule],
                contact_id=given["contact"].pk if given["contact"] else None,
                order=given["order"],
                voucher=given["code"],
                at=timezone.now(),
                purpose=given["purpose"],
                amount_minor=given["amount"] or 0,
            )
            verdict = badge(_("lets through"), "good", "check")
            if refusal is not None:
                verdict = badge(_("refuses"), "bad", "close")
            context.update(tried=True, refusal=refusal, verdict=verdict, contact=given["contact"])
        return TemplateResponse(request, "loyalty/rule_try.html", context)


_KINDS = {
    "campaign": gettext_lazy("Campaign"),
    "voucher": gettext_lazy("Card"),
    "distribution": gettext_lazy("Distribution"),
}


def find_voucher(code: str, actor: Actor) -> Voucher | None:
    """The card of a code, if the actor may know of its campaign."""
    voucher = Voucher.objects.select_related("campaign").filter(code=code).first()
    return voucher if voucher and access.is_visible(voucher.campaign, actor) else None


def _find_contact(asked: str) -> Contact | None:
    for namespace in _NAMESPACES:
        if (found := find_contact_id(namespace, asked)) is not None:
            return Contact.objects.get(pk=found)
    number = asked.removeprefix("#")
    if not number.isdecimal() or len(number) > 18:
        return None
    return Contact.objects.filter(pk=int(number), erased_at__isnull=True).first()


def _take_away(rule: ValidationRule, number: str, actor: Actor) -> None:
    asked = int(number) if number.isdecimal() and len(number) < 19 else 0
    rules.unassign_rule(RuleAssignment(pk=asked, rule=rule), actor=actor, at=timezone.now())


def _page_of(row: rules.Assigned) -> str:
    """The address of the page of what a rule holds for, where there is one."""
    thing: Any = row.thing
    if not admin.site.is_registered(type(thing)):
        return ""
    return reverse(f"admin:loyalty_{row.kind}_change", args=[thing.pk])
