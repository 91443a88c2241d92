"""The claims of a mechanism on the screen: who has it, giving it, using it, taking it back."""

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.admin.finding import found_ids
from contacts.models import Contact
from loyalty.admin.mechanism_badges import claim_badge
from loyalty.models import Claim, Mechanism
from loyalty.rewards import claims
from workspace.access import actor_of
from workspace.admin import ObjectActionsAdmin, PagesAdmin, object_action
from workspace.admin.pictures import number
from workspace.errors import DomainError, InputInvalid

_PAGE = 50


class GiveForm(forms.Form):
    """To whom something is given, and until when he may use it."""

    contact = forms.CharField(
        label=gettext_lazy("Contact"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("E-mail, external id or #number")}
        ),
    )
    expires_at = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Empty: as the mechanism says."),
    )


class RevokeForm(forms.Form):
    """Why something is taken back."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=claims.REASON_LIMIT,
        widget=UnfoldAdminTextInputWidget(),
    )


class ClaimPages(PagesAdmin, ObjectActionsAdmin):
    """The page of claims, and the button that gives something to a member."""

    def claims_view(self, request: HttpRequest, mechanism: Mechanism) -> HttpResponse:
        """Who claimed it, newest first, each with what one may do about it."""
        actor = actor_of(request)
        if request.method == "POST":
            return self._act_on_claim(request, mechanism)
        state, after = request.GET.get("state", ""), request.GET.get("after", "")
        found = claims.known_claims(actor).filter(mechanism=mechanism).order_by("-pk")
        if state in Claim.State.values:
            found = found.filter(state=state)
        if after.isdecimal() and len(after) < 19:
            found = found.filter(pk__lt=int(after))
        shown = list(found[: _PAGE + 1])
        may_see = actor.may("contacts.view_contact")
        people = Contact.objects.in_bulk([c.contact_id for c in shown]) if may_see else {}
        context = self.thing_context(request, mechanism, page="claims", title=_("Claims"))
        context.update(
            rows=[
                (claim, people.get(claim.contact_id), claim_badge(claim)) for claim in shown[:_PAGE]
            ],
            next=shown[_PAGE - 1].pk if len(shown) > _PAGE else None,
            state=state,
            states=[("", _("All")), *Claim.State.choices],
            revoke_form=RevokeForm(),
            may_act=actor.may("loyalty.claim_mechanism"),
        )
        return TemplateResponse(request, "loyalty/mechanism_claims.html", context)

    def _act_on_claim(self, request: HttpRequest, mechanism: Mechanism) -> HttpResponse:
        actor, now = actor_of(request), timezone.now()
        if not actor.may("loyalty.claim_mechanism"):
            raise PermissionDenied
        back = reverse("admin:loyalty_mechanism_claims", args=[mechanism.pk])
        form = RevokeForm(request.POST)
        number_ = request.POST.get("claim", "")
        try:
            if not number_.isdecimal() or len(number_) > 18 or not form.is_valid():
                raise InputInvalid(_("Say which claim, and why in a few words."))
            found = claims.find_claim(int(number_), actor=actor)
            if "use" in request.POST:
                claims.use(found, actor=actor, at=now)
                self.message_user(request, _("It is noted as used."), messages.SUCCESS)
            else:
                reason = form.cleaned_data["reason"]
                claims.revoke(found, reason=reason, actor=actor, at=now)
                self.message_user(request, _("It was taken back."), messages.SUCCESS)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(back)

    @object_action(
        gettext_lazy("Give it to a member"),
        permission="loyalty.claim_mechanism",
        icon="redeem",
        consequence=lambda mechanism: (
            _("The member gets “%(name)s” as if he had claimed it. It costs him %(points)s points.")
            % {"name": mechanism, "points": number(mechanism.cost_points)}
        ),
        is_offered=lambda one: (
            one.status == Mechanism.Status.ACTIVE and one.kind not in claims.NOT_CLAIMABLE
        ),
        form_class=GiveForm,
    )
    def give(self, request: HttpRequest, mechanism: Mechanism, form: GiveForm) -> str:
        asked = form.cleaned_data["contact"].strip()
        people = list(Contact.objects.filter(pk__in=found_ids(asked), erased_at=None)[:2])
        if len(people) != 1:
            message = _("“%(name)s” names no contact, or several: give an id or the whole address.")
            raise InputInvalid(message % {"name": asked})
        now = timezone.now()
        actor = actor_of(request)
        claims.claim(
            mechanism,
            contact_id=people[0].pk,
            cause=f"{actor.name}:{now.isoformat()}",
            expires_at=form.cleaned_data["expires_at"],
            actor=actor,
            at=now,
        )
        return _("“%(contact)s” has “%(name)s” now.") % {"contact": people[0], "name": mechanism}
