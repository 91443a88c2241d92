"""Templates on the screen: the list, and the form with a preview that follows what is written."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from integrations import template_tests, templates
from integrations.models import Template
from integrations.template_variables import variable_groups
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, PagesAdmin, object_action, page_context
from workspace.errors import DomainError

_CODE = "rg-body-input"


class TemplateForm(forms.Form):
    """What may be written of a template."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"maxlength": templates.NAME_LIMIT}),
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("For programs. Empty: made of the name. It stays."),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs={"data-gaps": ""}),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "data-gaps": ""}),
        help_text=gettext_lazy("For readers without HTML. Empty: made of the words of the HTML."),
    )
    html = forms.CharField(
        label=gettext_lazy("HTML"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 16, "data-gaps": "", "spellcheck": "false"}
        ),
    )

    def __init__(self, data: Any = None, *, template: Template | None = None) -> None:
        initial = {} if template is None else {name: getattr(template, name) for name in _SHOWN}
        super().__init__(data, initial=initial)
        if template is not None:
            del self.fields["key"]

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            self.add_error(problem.path if problem.path in self.fields else None, problem.message)


_SHOWN = ("name", *templates.PARTS)


@admin.register(Template)
class TemplateAdmin(PagesAdmin, ObjectActionsAdmin):
    """Messages with gaps."""

    list_display = ("name_and_key", "subject_line", "channel", "updated_at")
    list_display_links = ("name_and_key",)
    search_fields = ("name", "key", "subject")
    sortable_by = ("name_and_key", "updated_at")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    first_page_label = gettext_lazy("Template")
    add_label = gettext_lazy("New template")
    empty_state = EmptyState(
        gettext_lazy(
            "A template is a message with gaps: “Dear {{ contact.first_name }}, here is your card"
            " {{ voucher.code }}”. Write one, and let distributions send it."
        ),
        icon="draft",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        return [
            path("preview/", view, name="integrations_template_preview"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_key(self, template: Template) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            template.name,
            template.key,
        )

    @admin.display(description=gettext_lazy("subject"))
    def subject_line(self, template: Template) -> SafeString:
        return format_html('<span class="rg-break">{}</span>', template.subject)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new template."""
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
        """A template, to change it or to look at it."""
        return self._form_view(request, self.visible_or_404(request, object_id))

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """What is written in the form, as a contact would get it; answers JSON."""
        given = {name: request.POST.get(name, "") for name in templates.PARTS}
        written = request.POST.get("contact", "").strip()
        if not (written.isascii() and written.isdecimal()) and written:
            return JsonResponse({"faults": [_("Give the number of a contact.")]})
        try:
            seen = templates.preview(
                Template(name="preview", **given),
                actor=actor_of(request),
                contact_id=int(written[:18]) if written else None,
            )
        except DomainError as error:
            told = [problem.message for problem in error.problems] or [str(error)]
            return JsonResponse({"faults": told})
        return JsonResponse(
            {
                "subject": seen.rendered.subject,
                "text": seen.rendered.text,
                "html": seen.rendered.html,
                "remarks": [problem.message for problem in seen.problems],
            }
        )

    def _form_view(self, request: HttpRequest, template: Template | None) -> HttpResponse:
        may_write = template is None or self.has_change_permission(request, template)
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        form = TemplateForm(request.POST if is_post else None, template=template)
        if is_post and form.is_valid() and (kept := self._save(request, form, template)):
            return HttpResponseRedirect(self.page_of(request, kept))
        for name in ("text", "html"):
            form.fields[name].widget.attrs["class"] += f" {_CODE}" if name == "html" else ""
        if not may_write:
            for field in form.fields.values():
                field.disabled = True
        title = template.name if template else _("New template")
        context: dict[str, Any] = page_context(self, request, title=title, thing=template)
        context.update(
            form=form,
            media=self.media + form.media,
            may_write=may_write,
            thing=template,
            groups=variable_groups(),
            uses=templates.uses_of(template) if template else [],
            preview_url=reverse("admin:integrations_template_preview"),
            may_see_contacts=actor_of(request).may("contacts.view_contact"),
        )
        if template is not None:
            context["buttons"] = self.buttons(request, template)
        return TemplateResponse(request, "integrations/template_form.html", context)

    def _save(
        self, request: HttpRequest, form: TemplateForm, template: Template | None
    ) -> Template | None:
        who: Mapping[str, Any] = {"actor": actor_of(request), "at": timezone.now()}
        # A browser sends lines that end with two characters.
        given = {name: value.replace("\r\n", "\n") for name, value in form.cleaned_data.items()}
        try:
            if template is None:
                kept = templates.create_template(**given, **who)
            else:
                kept = templates.update_template(template, **given, **who)
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": kept}, messages.SUCCESS)
        return kept

    @object_action(
        gettext_lazy("Send a test to me"),
        permission="integrations.view_template",
        icon="outgoing_mail",
        consequence=gettext_lazy(
            "The saved template is sent at once to the address of your own account, with an example"
            " in every gap. Nobody else gets anything."
        ),
        confirm=gettext_lazy("Send the test"),
    )
    def send_test(self, request: HttpRequest, template: Template) -> str:
        address = template_tests.send_test(template, actor=actor_of(request), at=timezone.now())
        return _("A test was sent to %(address)s.") % {"address": address}

    @object_action(
        gettext_lazy("Delete"),
        permission="integrations.delete_template",
        icon="delete",
        variant="danger",
        consequence=lambda template: (
            _(
                "“%(name)s” can no longer be sent. Messages that are on their way already are sent"
                " as they are. This cannot be undone."
            )
            % {"name": template}
        ),
    )
    def delete_template(self, request: HttpRequest, template: Template) -> HttpResponse:
        templates.delete_template(template, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": template})
        return HttpResponseRedirect(reverse("admin:integrations_template_changelist"))
