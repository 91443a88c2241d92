"""The loyalty programme as a whole on the screen: its settings, and how many it has."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from loyalty.models import Member
from loyalty.programme import programmes, tiers
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError


class ProgrammeForm(forms.Form):
    """The settings of the programme."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=120,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("As members know it."),
    )
    tier_window_days = forms.IntegerField(
        label=gettext_lazy("Tiers count the points of the last days"),
        min_value=1,
        max_value=36_500,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy(
            "What a member earned in these days decides on the tier. Tiers follow the next night."
        ),
    )
    card_prefix = forms.CharField(
        label=gettext_lazy("Card numbers begin with"),
        required=False,
        max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy(
            "Up to 6 digits. Numbers have 16 digits, the last of which is a check digit. Cards that"
            " members have stay as they are."
        ),
    )


def programme_view(screen: ModelAdmin) -> Callable[[HttpRequest], HttpResponse]:
    """The page."""

    def view(request: HttpRequest) -> HttpResponse:
        actor = actor_of(request)
        if not actor.may("loyalty.view_programme"):
            raise PermissionDenied
        may_write = actor.may("loyalty.change_programme")
        if request.method == "POST" and not may_write:
            raise PermissionDenied
        programme = programmes.programme()
        initial: dict[str, Any] = {name: getattr(programme, name) for name in programmes.CHANGEABLE}
        form = ProgrammeForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                programmes.change_programme(
                    changes=form.cleaned_data, actor=actor, at=timezone.now()
                )
            except DomainError as error:
                for problem in error.problems:
                    form.add_error(problem.path, problem.message)
            else:
                messages.success(request, _("Saved."))
                return HttpResponseRedirect(reverse("admin:loyalty_programme"))
        if not may_write:
            for field in form.fields.values():
                field.disabled = True
        counted = Member.objects.aggregate(
            members=Count("pk", filter=Q(left_at=None)), points=Sum("points")
        )
        tallies = Member.objects.filter(left_at=None).order_by("tier")
        by_tier = dict(tallies.values("tier").annotate(n=Count("pk")).values_list("tier", "n"))
        context = page_context(screen, request, title=_("Loyalty programme"))
        context.update(
            media=screen.media + form.media,
            form=form,
            may_write=may_write,
            member_count=number(counted["members"]),
            points=number(counted["points"] or 0),
            levels=[(level, number(by_tier.get(level.key, 0))) for level in tiers.levels()],
            may_see_tiers=actor.may("loyalty.view_mechanism"),
        )
        return TemplateResponse(request, "loyalty/programme.html", context)

    return view
