"""Earn rules on the screen: the list, and the form that says in words what a rule does."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from contacts.orders import seen_amounts, seen_events
from loyalty.models import EarnRule
from loyalty.programme import earn_rules
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_TRY = "_try"


class _MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


def _moment(label: Any) -> forms.DateTimeField:
    return forms.DateTimeField(label=label, required=False, widget=_MomentInput())


def _count(label: Any, text: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=10**6,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=text,
    )


class EarnRuleForm(forms.Form):
    """What may be written of a rule."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, widget=UnfoldAdminTextInputWidget()
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For programs. Empty: made of the name. It stays."),
    )
    event_name = forms.CharField(
        label=gettext_lazy("Event"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "rule-events", "autocomplete": "off"}),
        help_text=gettext_lazy("It need not have come yet."),
    )
    points_per_event = forms.IntegerField(
        label=gettext_lazy("Points for each event"),
        required=False,
        min_value=0,
        max_value=10**6,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    points_per_unit = forms.DecimalField(
        label=gettext_lazy("Points for each whole unit of an amount"),
        required=False,
        min_value=0,
        max_value=10**6,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=gettext_lazy("0.1 is a point for every ten units. Parts of a point are cut off."),
    )
    amount_property = forms.CharField(
        label=gettext_lazy("Property with the amount"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "rule-properties"}),
        help_text=gettext_lazy("“amount”, or “total.gross” for one inside another."),
    )
    daily_limit = _count(
        gettext_lazy("At most so many points a day"), gettext_lazy("For each member. Empty: none.")
    )
    expires_after_days = _count(
        gettext_lazy("Points expire after, in days"), gettext_lazy("Empty: never.")
    )
    starts_at = _moment(gettext_lazy("From"))
    ends_at = _moment(gettext_lazy("Until"))
    is_enabled = forms.BooleanField(
        label=gettext_lazy("In force"),
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy("Events that come while it is off are not made up for."),
    )

    def __init__(self, data: Any = None, *, rule: EarnRule | None = None) -> None:
        initial = {} if rule is None else {name: _shown(rule, name) for name in self.base_fields}
        super().__init__(data, initial=initial)
        if rule is not None:
            del self.fields["key"]

    def values(self) -> dict[str, Any]:
        """What was written, as the verbs take it."""
        given = dict(self.cleaned_data)
        for name in ("points_per_event", "points_per_unit"):
            given[name] = given[name] or 0
        if "key" in self.fields:
            given["key"] = given["key"] or slugify(given["name"])[:63]
        return given

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


@admin.register(EarnRule)
class EarnRuleAdmin(PagesAdmin, ObjectActionsAdmin):
    """What members earn by what they do."""

    list_display = ("name_and_key", "sentence", "period", "state")
    list_display_links = ("name_and_key",)
    list_filter = ("is_enabled",)
    search_fields = ("name", "key", "event_name")
    sortable_by = ("name_and_key",)
    list_per_page = 50
    show_full_result_count = False
    actions = None
    add_label = gettext_lazy("New earn rule")
    empty_state = EmptyState(
        gettext_lazy(
            "By an earn rule members get points for what they do: so many for each review, or one"
            " for each whole unit of what they buy. Each event counts once, as soon as it comes."
        ),
        icon="add_circle",
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    @admin.display(description=gettext_lazy("rule"), ordering="name")
    def name_and_key(self, rule: EarnRule) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            rule.name,
            rule.key,
        )

    @admin.display(description=gettext_lazy("in words"))
    def sentence(self, rule: EarnRule) -> SafeString:
        return format_html('<span class="rg-break">{}</span>', earn_rules.in_words(rule))

    @admin.display(description=gettext_lazy("period"))
    def period(self, rule: EarnRule) -> str:
        ends = [rule.starts_at, rule.ends_at]
        days = [timezone.localtime(end).date().isoformat() if end else "…" for end in ends]
        return "–" if ends == [None, None] else f"{days[0]} – {days[1]}"

    @admin.display(description=gettext_lazy("state"), ordering="is_enabled")
    def state(self, rule: EarnRule) -> SafeString:
        return _state(rule)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new rule."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._form_view(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A rule, to change it or to look at it."""
        return self._form_view(request, self.visible_or_404(request, object_id))

    def _form_view(self, request: HttpRequest, rule: EarnRule | None) -> HttpResponse:
        may_write = rule is None or self.has_change_permission(request, rule)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = EarnRuleForm(request.POST if is_post else None, rule=rule)
        tried = rule
        if is_post and form.is_valid():
            if _TRY in request.POST:
                tried = _unsaved(form, rule)
            elif kept := self._save(request, form, rule):
                return HttpResponseRedirect(self.page_of(request, kept))
        elif is_post:
            tried = None
        title = rule.name if rule else _("New earn rule")
        context = page_context(self, request, title=title, thing=rule)
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            thing=rule,
            events=seen_events(),
            properties=seen_amounts(tried.event_name) if tried else [],
            buttons=self.buttons(request, rule) if rule else [],
            state=_state(rule) if rule else "",
            days=earn_rules.PREVIEW_DAYS,
            **(_tried(tried) if tried else {}),
        )
        return TemplateResponse(request, "loyalty/earn_rule_form.html", context)

    def _save(
        self, request: HttpRequest, form: EarnRuleForm, rule: EarnRule | None
    ) -> EarnRule | None:
        actor, at = actor_of(request), timezone.now()
        try:
            if rule is None:
                kept = earn_rules.create_rule(values=form.values(), actor=actor, at=at)
            else:
                kept = earn_rules.change_rule(rule, values=form.values(), actor=actor, at=at)
        except DomainError as error:
            form.add_problems(error)
            return None
        messages.success(request, _("Saved."))
        return kept

    @object_action(
        gettext_lazy("Delete"),
        permission="loyalty.delete_earnrule",
        consequence=gettext_lazy(
            "The rule is deleted, which only a rule can be by which nobody earned anything."
        ),
        icon="delete",
        variant="danger",
    )
    def delete_rule(self, request: HttpRequest, rule: EarnRule) -> HttpResponse:
        earn_rules.delete_rule(rule, actor=actor_of(request), at=timezone.now())
        messages.success(request, _("Deleted: “%(name)s”.") % {"name": rule.name})
        return HttpResponseRedirect(reverse("admin:loyalty_earnrule_changelist"))


def _shown(rule: EarnRule, name: str) -> Any:
    value = getattr(rule, name)
    if name in ("starts_at", "ends_at") and value is not None:
        return timezone.localtime(value).strftime("%Y-%m-%dT%H:%M")
    return value.normalize() if name == "points_per_unit" else value


def _unsaved(form: EarnRuleForm, rule: EarnRule | None) -> EarnRule:
    return EarnRule(**{**form.values(), "key": rule.key if rule else "tried"})


def _tried(rule: EarnRule) -> dict[str, Any]:
    if not rule.points_per_event and not (rule.points_per_unit and rule.amount_property):
        return {"sentence": _("The rule gives nothing yet.")}
    preview = earn_rules.preview_rule(rule, at=timezone.now())
    if preview.points is None:
        return {"sentence": earn_rules.in_words(rule), "is_too_long": True}
    counts = (preview.points, preview.member_count, preview.event_count)
    names = ("points", "member_count", "event_count")
    shown = {name: number(count) for name, count in zip(names, counts, strict=True)}
    return {"sentence": earn_rules.in_words(rule), "preview": shown}


def _state(rule: EarnRule) -> SafeString:
    now = timezone.now()
    if not rule.is_enabled:
        return badge(_("off"), "neutral", "pause")
    if rule.ends_at is not None and rule.ends_at <= now:
        return badge(_("over"), "neutral", "event_busy")
    if rule.starts_at is not None and rule.starts_at > now:
        return badge(_("to come"), "info", "schedule")
    return badge(_("in force"), "good", "check_circle")
