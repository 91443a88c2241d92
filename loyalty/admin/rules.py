"""Validation rules on the screen: the list and the form with the builder."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from loyalty.admin.rule_pages import RulePages
from loyalty.errors import RuleInvalid
from loyalty.models import ValidationRule
from loyalty.validation_rules import rules
from loyalty.validation_rules.rule_documents import MESSAGE_LIMIT, everything, segments_out_of_use
from loyalty.validation_rules.rule_fields import with_own
from loyalty.validation_rules.rule_widget import RuleWidget
from loyalty.validation_rules.rule_words import describe_in, describe_rule
from segments import facts
from segments.admin.forms import read_document, written
from segments.definitions import NAME_LIMIT
from segments.facts import nameless
from segments.masks import Mask
from workspace import access
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.admin.pictures import badge
from workspace.errors import DomainError


class RuleForm(forms.Form):
    """What may be written of a rule."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget()
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For programs. Empty: made of the name. It stays."),
    )
    message = forms.CharField(
        label=gettext_lazy("Message"),
        required=False,
        max_length=MESSAGE_LIMIT,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy(
            "What a customer is told whom it refuses, where the condition that refused has no"
            " message of its own."
        ),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    document = forms.CharField(label=gettext_lazy("Conditions"))

    def __init__(
        self, data: Any = None, *, actor: Actor, rule: ValidationRule | None = None
    ) -> None:
        super().__init__(data, initial=_initial(rule, actor))
        self.builder = RuleWidget(actor=actor)
        self.fields["document"].widget = self.builder
        if rule is not None:
            del self.fields["key"]

    def clean_document(self) -> Any:
        document, problem = read_document(self.cleaned_data["document"])
        if problem is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of the document beside their paths."""
        if isinstance(error, RuleInvalid):
            self.builder.problems = error.document_problems
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = "document" if problem.path == "conditions" else problem.path
            self.add_error(name if name in self.fields else None, problem.message)


@admin.register(ValidationRule)
class ValidationRuleAdmin(RulePages, PagesAdmin, ObjectActionsAdmin):
    """Under which conditions cards are given and pay."""

    list_display = ("name_and_key", "holds_for", "updated_at")
    list_display_links = ("name_and_key",)
    search_fields = ("name", "key", "description")
    sortable_by = ("name_and_key", "updated_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    first_page_label = gettext_lazy("Conditions")
    thing_pages = (
        ("assignments", gettext_lazy("Where it holds"), "assignments_page"),
        ("try", gettext_lazy("Try it out"), "try_page"),
    )
    empty_state = EmptyState(
        gettext_lazy(
            "A validation rule says under which conditions a card is given and pays: who the"
            " customer is, what is in the order, how much was redeemed so far, on which day. Build"
            " one, then let it hold for campaigns, single cards or distributions."
        ),
        icon="rule",
        steps=(
            (
                gettext_lazy("New validation rule"),
                "admin:loyalty_validationrule_add",
                "add",
                "loyalty.add_validationrule",
            ),
        ),
    )

    class Media:
        js = ("segments/segment_form.js",)
        css = {"all": ("segments/segment_form.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ValidationRule]":
        found: QuerySet[ValidationRule] = super().get_queryset(request)
        return found.annotate(assignment_count=Count("assignments"))

    def get_list_display(self, request: HttpRequest) -> Any:
        # One catalog for all rows, for who reads them.
        catalog = with_own(facts.reading_catalog(actor_of(request)))

        @admin.display(description=gettext_lazy("in words"))
        def sentence(rule: ValidationRule) -> SafeString:
            return format_html(
                '<span class="rg-break">{}</span>', describe_in(rule.document, catalog)
            )

        name, *others = self.list_display
        return (name, sentence, *others)

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, rule: ValidationRule) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            rule.name,
            rule.key,
        )

    @admin.display(description=gettext_lazy("holds for"))
    def holds_for(self, rule: Any) -> SafeString:
        count = rule.assignment_count
        if not count:
            return badge(_("nothing yet"))
        told = ngettext("%(count)d thing", "%(count)d things", count) % {"count": count}
        return badge(told, "good", "rule")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

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

    def _form_view(self, request: HttpRequest, rule: ValidationRule | None) -> HttpResponse:
        actor = actor_of(request)
        may_write = rule is None or self.has_change_permission(request, rule)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = RuleForm(request.POST if is_post else None, actor=actor, rule=rule)
        if is_post and form.is_valid() and (kept := self._save(request, form, rule)):
            return HttpResponseRedirect(self.page_of(request, kept))
        form.builder.is_read_only = not may_write
        title = rule.name if rule else _("New validation rule")
        context: dict[str, Any] = page_context(self, request, title=title, thing=rule)
        context.update(form=form, media=self.media + form.media, may_write=may_write, thing=rule)
        if rule is not None:
            context.update(
                buttons=self.buttons(request, rule),
                thing_tabs=self.tabs_of(request, rule),
                sentence=describe_rule(rule.document, actor=actor),
                out_of_use=_named(rule, actor),
                assigned=rules.describe_assigned(rules.assigned_to(rule, actor=actor)),
            )
        return TemplateResponse(request, "loyalty/rule_form.html", context)

    def _save(
        self, request: HttpRequest, form: RuleForm, rule: ValidationRule | None
    ) -> ValidationRule | None:
        given: dict[str, Any] = {
            **form.cleaned_data,
            "actor": actor_of(request),
            "at": timezone.now(),
        }
        try:
            save = rules.create_rule if rule is None else partial(rules.update_rule, rule)
            kept = save(**given)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": kept}, messages.SUCCESS)
        return kept

    @object_action(
        gettext_lazy("Delete"),
        permission="loyalty.delete_validationrule",
        icon="delete",
        variant="danger",
        consequence=lambda rule: (
            _("“%(name)s” is forgotten for ever. That is possible only while it holds for nothing.")
            % {"name": rule}
        ),
    )
    def delete_rule(self, request: HttpRequest, rule: ValidationRule) -> HttpResponse:
        rules.delete_rule(rule, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": rule})
        return HttpResponseRedirect(reverse("admin:loyalty_validationrule_changelist"))


def _initial(rule: ValidationRule | None, actor: Actor) -> dict[str, Any]:
    if rule is None:
        return {"document": written(everything())}
    return {
        "name": rule.name,
        "message": rule.message,
        "description": rule.description,
        "document": written(Mask(actor).of(rule.document)),
    }


def _named(rule: ValidationRule, actor: Actor) -> list[str]:
    """The names of the segments because of which the rule refuses everybody."""
    found = segments_out_of_use(rule.document)
    return [one.name if access.is_visible(one, actor) else nameless() for one in found]
