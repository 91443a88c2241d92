"""The rules by which contacts are told apart: one page for all namespaces, one for each."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from contacts.errors import RuleInvalid
from contacts.identity_rules import (
    BLOCKED,
    DEFAULTS,
    NUMBER_LIMIT,
    OTHER,
    Rule,
    changed_rules,
    reset_rule,
    save_rule,
)
from contacts.models import IdentityRule
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.errors import DomainError


class RuleForm(forms.Form):
    """What holds for the identities of a namespace."""

    namespace = forms.CharField(
        label=gettext_lazy("Namespace"),
        max_length=40,
        help_text=gettext_lazy("As sources name it: card_number, ipresso_id."),
        widget=UnfoldAdminTextInputWidget(),
    )
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=1,
        max_value=NUMBER_LIMIT,
        help_text=gettext_lazy(
            "The smaller, the stronger: where names contradict, the weaker one is left out."
        ),
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    value_limit = forms.IntegerField(
        label=gettext_lazy("Values per contact"),
        min_value=1,
        max_value=NUMBER_LIMIT,
        help_text=gettext_lazy("Contacts that would have more together are not made one."),
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    merges = forms.BooleanField(
        label=gettext_lazy("Makes one contact of two"),
        required=False,
        help_text=gettext_lazy(
            "Off: a name that another contact has stays with that one, and nobody is merged."
        ),
        widget=UnfoldBooleanSwitchWidget(),
    )
    blocked_values = forms.CharField(
        label=gettext_lazy("Blocked values"),
        required=False,
        help_text=gettext_lazy("One per line, besides those blocked everywhere. Case is ignored."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )

    def rule(self) -> Rule:
        """The rule that was written."""
        given = self.cleaned_data
        lines = (line.strip().lower() for line in given["blocked_values"].splitlines())
        return Rule(
            given["priority"],
            given["value_limit"],
            given["merges"],
            frozenset(line for line in lines if line),
        )

    def add_problems(self, error: RuleInvalid) -> None:
        """Show what the verb refused beside the fields."""
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


@admin.register(IdentityRule)
class IdentityRuleAdmin(ModelAdmin):
    """Which names may make one contact of two."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("add/", wrap(self.rule_view), name="contacts_identityrule_add"),
            path(
                "<str:object_id>/change/", wrap(self.rule_view), name="contacts_identityrule_change"
            ),
            path("", wrap(self.list_view), name="contacts_identityrule_changelist"),
        ]

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """The rules of all namespaces, the strongest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        changed = changed_rules()
        rules = {**DEFAULTS, **changed}
        rows = [
            {
                "namespace": namespace,
                "rule": rule,
                "blocked": sorted(rule.blocked_values),
                "is_changed": namespace in changed,
                "url": reverse("admin:contacts_identityrule_change", args=[namespace]),
            }
            for namespace, rule in sorted(rules.items(), key=lambda one: (one[1].priority, one[0]))
        ]
        may_change = actor_of(request).is_admin
        links = [
            {
                "title": _("Add a namespace"),
                "icon": "add",
                "url": reverse("admin:contacts_identityrule_add"),
            }
        ]
        return TemplateResponse(
            request,
            "contacts/identity_rules.html",
            {
                **page_context(self, request, title=_("Identities")),
                "rows": rows,
                "other": OTHER,
                "blocked": sorted(BLOCKED),
                "may_change": may_change,
                "links": links if may_change else [],
            },
        )

    def rule_view(self, request: HttpRequest, object_id: str = "") -> HttpResponse:
        """The rule of one namespace."""
        if not self.has_view_permission(request) or not actor_of(request).is_admin:
            raise PermissionDenied
        changed = changed_rules()
        rule = {**DEFAULTS, **changed}.get(object_id)
        if rule is None and object_id:
            raise Http404
        form = RuleForm(
            request.POST if request.method == "POST" else None,
            initial=_initial(object_id, rule or OTHER),
        )
        if object_id:
            del form.fields["namespace"]
        if request.method == "POST" and self._save(request, form, object_id):
            return HttpResponseRedirect(reverse("admin:contacts_identityrule_changelist"))
        return TemplateResponse(
            request,
            "contacts/identity_rule.html",
            {
                **page_context(self, request, title=object_id or _("Add a namespace")),
                "form": form,
                "media": self.media + form.media,
                "namespace": object_id,
                "is_changed": object_id in changed,
                "is_default": object_id in DEFAULTS,
            },
        )

    def _save(self, request: HttpRequest, form: RuleForm, namespace: str) -> bool:
        actor, at = actor_of(request), timezone.now()
        if namespace and "reset" in request.POST:
            reset_rule(namespace, actor=actor, at=at)
            told = _("The default holds for “%(name)s” again.")
            self.message_user(request, told % {"name": namespace}, messages.SUCCESS)
            return True
        if not form.is_valid():
            return False
        name = namespace or form.cleaned_data["namespace"].strip()
        try:
            save_rule(name, form.rule(), actor=actor, at=at)
        except RuleInvalid as error:
            form.add_problems(error)
            return False
        except DomainError as error:
            form.add_error(None, str(error))
            return False
        told = _("The rule of “%(name)s” holds from now on.")
        self.message_user(request, told % {"name": name}, messages.SUCCESS)
        return True


def _initial(namespace: str, rule: Rule) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "priority": rule.priority,
        "value_limit": rule.value_limit,
        "merges": rule.merges,
        "blocked_values": "\n".join(sorted(rule.blocked_values)),
    }
