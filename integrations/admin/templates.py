"""Templates on the screen: the list, what to begin with, and the form with its preview."""

from collections.abc import Mapping
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from contacts.admin.finding import found_ids
from contacts.models import Contact
from integrations import template_tests, templates
from integrations.admin.template_forms import FORMATS, TemplateForm
from integrations.admin.template_trials import TemplateTrials, TestForm, meant
from integrations.models import Template
from integrations.template_languages import name_of, read_language
from integrations.template_parts import VARIANT_PARTS, own_parts, variants_of
from integrations.template_starters import Starter, starter_of, starters
from integrations.template_variables import variable_groups
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, object_action, page_context
from workspace.admin.pictures import badge
from workspace.errors import DomainError

Channel = Template.Channel
_FOUND_LIMIT = 8
# Pictures of a message are on the servers of the shop; the rest of the policy stays.
_with_pictures = csp_update({"img-src": ["https:", "http:"]})


@admin.register(Template)
class TemplateAdmin(TemplateTrials, ObjectActionsAdmin):
    """Messages with gaps."""

    list_display: Any = ("name_and_key", "subject_line", "channel_badge", "tongues", "updated_at")
    list_filter = ("channel",)
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

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(variant_count=Count("variants"))

    def get_urls(self) -> list[URLPattern]:
        look = self.admin_site.admin_view(require_POST(self.preview_view))
        find = self.admin_site.admin_view(require_GET(self.contacts_view))
        return [
            path("preview/", look, name="integrations_template_preview"),
            path("preview/contacts/", find, name="integrations_template_contacts"),
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

    @admin.display(description=gettext_lazy("channel"), ordering="channel")
    def channel_badge(self, template: Template) -> SafeString:
        is_push = template.channel == Channel.PUSH
        icon = "notifications" if is_push else "mail"
        return badge(template.get_channel_display(), "info" if is_push else "neutral", icon)

    @admin.display(description=gettext_lazy("languages"))
    def tongues(self, template: Any) -> SafeString:
        more = f" +{template.variant_count}" if template.variant_count else ""
        return format_html('<span class="rg-faint">{}{}</span>', template.language or "–", more)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    @method_decorator(_with_pictures)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What to begin with; then the form of a new template."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        starter = starter_of(request.GET.get("start", ""))
        if request.method != "POST" and starter is None:
            return self._starters(request)
        channel = request.POST.get("channel") or (starter.channel if starter else Channel.EMAIL)
        channel = channel if channel in Channel.values else Channel.EMAIL
        data = request.POST if request.method == "POST" else None
        form = TemplateForm(data, channel=channel, initial=_begun(starter))
        if data is not None and form.is_valid():
            kept = self._saved(request, form, lambda who: _create(form, channel, who))
            if kept is not None:
                return HttpResponseRedirect(self.page_of(request, kept))
        return self._form_page(request, form, None)

    @method_decorator(_with_pictures)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A template, or its words in `?language=`, to change them or to look at them."""
        template = self.visible_or_404(request, object_id)
        wanted = request.GET.get("language", "")
        code = read_language(wanted)
        if wanted and not code:
            raise Http404
        variant = "" if code == template.language else code
        if request.method != "POST":
            form = TemplateForm.of(None, template, variant)
            if variant and variant not in variants_of(template):
                # Whoever translates writes over what is there.
                own = TemplateForm.of(None, template)
                form.initial = {**own.initial, **own_parts(template)}
            return self._form_page(request, form, template, variant)
        if not self.has_change_permission(request, template):
            raise PermissionDenied
        if variant and "delete_translation" in request.POST:
            return self._delete_translation(request, template, variant)
        form = TemplateForm.of(request.POST, template, variant)
        if form.is_valid():
            kept = self._saved(request, form, lambda who: _change(form, template, variant, who))
            if kept is not None:
                return HttpResponseRedirect(_address(kept, variant))
        return self._form_page(request, form, template, variant)

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """What is written in the form, as a contact would get it; answers JSON."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        number = request.POST.get("contact", "").strip()
        if not (number.isascii() and number.isdecimal()) and number:
            return JsonResponse({"faults": [_("Give the number of a contact.")]})
        try:
            seen = templates.preview(
                **_written(request.POST),
                actor=actor_of(request),
                contact_id=int(number[:18]) if number else None,
            )
        except DomainError as error:
            told = [problem.message for problem in error.problems] or [str(error)]
            return JsonResponse({"faults": told})
        shown = ("subject", "text", "html", "link", "icon", "language")
        return JsonResponse(
            {
                **{name: getattr(seen.rendered, name) for name in shown},
                "snippet": seen.snippet,
                "remarks": [problem.message for problem in seen.problems],
            }
        )

    def contacts_view(self, request: HttpRequest) -> JsonResponse:
        """The contacts that one may mean by what he types; answers JSON."""
        if not actor_of(request).may("contacts.view_contact"):
            raise PermissionDenied
        term = request.GET.get("q", "").strip()[:200]
        found = Contact.objects.filter(
            pk__in=found_ids(term), erased_at=None, merged_into__isnull=True
        )
        return JsonResponse(
            {
                "contacts": [
                    {
                        "id": one.pk,
                        "name": f"{one.first_name} {one.last_name}".strip(),
                        "email": one.email,
                        "language": one.language,
                    }
                    for one in found.order_by("pk")[:_FOUND_LIMIT]
                ]
            }
        )

    def _starters(self, request: HttpRequest) -> HttpResponse:
        context = page_context(self, request, title=_("New template"))
        offered = starters()
        context["groups"] = [
            (label, [one for one in offered if one.channel == channel])
            for channel, label in ((Channel.EMAIL, _("E-mail")), (Channel.PUSH, _("Push message")))
        ]
        return TemplateResponse(request, "integrations/template_starters.html", context)

    def _form_page(
        self,
        request: HttpRequest,
        form: TemplateForm,
        template: Template | None,
        variant: str = "",
    ) -> HttpResponse:
        may_write = template is None or self.has_change_permission(request, template)
        if not may_write:
            for field in form.fields.values():
                field.disabled = True
        title = template.name if template else _("New template")
        context: dict[str, Any] = page_context(self, request, title=title, thing=template)
        context.update(
            form=form,
            formats=FORMATS,
            media=self.media + form.media,
            may_write=may_write,
            thing=template,
            variant=variant,
            variant_name=name_of(variant) if variant else "",
            is_push=form.kind == Channel.PUSH,
            is_new_variant=bool(variant and template and variant not in variants_of(template)),
            groups=variable_groups(),
            uses=templates.uses_of(template) if template else [],
            preview_url=reverse("admin:integrations_template_preview"),
            contacts_url=reverse("admin:integrations_template_contacts"),
            may_see_contacts=actor_of(request).may("contacts.view_contact"),
            sender=settings.DEFAULT_FROM_EMAIL,
            languages=_offered_languages(),
        )
        if template is not None and form.kind == Channel.PUSH:
            context["trial_url"] = reverse("admin:integrations_template_trial", args=[template.pk])
        if template is not None:
            context["buttons"] = self.buttons(request, template)
            context["thing_tabs"] = _tabs(template, variant) if may_write or variant else []
        return TemplateResponse(request, "integrations/template_form.html", context)

    def _saved(self, request: HttpRequest, form: TemplateForm, write: Any) -> Template | None:
        """What the verb made of the form; None where it refused, with the faults in the form."""
        try:
            kept: Template = write({"actor": actor_of(request), "at": timezone.now()})
        except DomainError as error:
            form.add_problems(error)
            return None
        self.message_user(request, _("“%(name)s” was saved.") % {"name": kept}, messages.SUCCESS)
        return kept

    def _delete_translation(
        self, request: HttpRequest, template: Template, variant: str
    ) -> HttpResponse:
        try:
            templates.delete_variant(
                template, language=variant, actor=actor_of(request), at=timezone.now()
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            words = _("The translation into %(language)s was deleted.")
            self.message_user(request, words % {"language": name_of(variant)}, messages.SUCCESS)
        return HttpResponseRedirect(_address(template))

    @object_action(
        gettext_lazy("Send a test to me"),
        permission="integrations.view_template",
        icon="outgoing_mail",
        consequence=gettext_lazy(
            "The saved template is sent at once to the address of your own account, with the values"
            " of a contact or an example in every gap. Nobody else gets anything."
        ),
        confirm=gettext_lazy("Send the test"),
        is_offered=lambda template: template.channel == Channel.EMAIL,
        form_class=TestForm,
    )
    def send_test(self, request: HttpRequest, template: Template, form: TestForm) -> str:
        actor, term = actor_of(request), form.cleaned_data["contact"].strip()
        address = template_tests.send_test(
            template,
            actor=actor,
            at=timezone.now(),
            contact_id=meant(term) if term and actor.may("contacts.view_contact") else None,
            language=form.cleaned_data["language"],
        )
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


def _begun(starter: Starter | None) -> dict[str, Any]:
    if starter is None:
        return {}
    is_empty = starter.key.startswith("empty")
    name = "" if is_empty else starter.name
    return {**starter.parts, "name": name, "language": starter.language}


def _create(form: TemplateForm, channel: str, who: Mapping[str, Any]) -> Template:
    return templates.create_template(channel=channel, **form.parts(), **who)


def _change(
    form: TemplateForm, template: Template, variant: str, who: Mapping[str, Any]
) -> Template:
    if variant:
        return templates.update_variant(template, language=variant, **form.parts(), **who)
    return templates.update_template(template, **form.parts(), **who)


def _written(given: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, as `templates.preview` takes it."""
    channel, variant = given.get("channel", ""), read_language(given.get("variant", ""))
    # A browser sends lines that end with two characters.
    parts = {name: given.get(name, "").replace("\r\n", "\n") for name in templates.PARTS}
    number = given.get("template", "")
    saved = None
    if number.isascii() and number.isdecimal():
        saved = Template.objects.filter(pk=int(number[:9])).first()
    if saved is not None and variant:
        own = {name: text for name, text in parts.items() if name in VARIANT_PARTS}
        return {"template": saved, "language": variant, "variants": {variant: own}}
    language = read_language(given.get("language", ""))
    known = channel if channel in Channel.values else Channel.EMAIL
    template = Template(name="preview", channel=known, language=language, **parts)
    return {"template": template, "language": language, "variants": {}}


def _address(template: Template, variant: str = "") -> str:
    page = reverse("admin:integrations_template_change", args=[template.pk])
    return f"{page}?language={variant}" if variant else page


def _tabs(template: Template, variant: str) -> list[dict[str, Any]]:
    """The languages of a template."""
    codes = list(variants_of(template))
    if variant and variant not in codes:
        codes.append(variant)
    own = name_of(template.language) if template.language else _("Original")
    return [
        {"title": own, "url": _address(template), "is_current": not variant},
        *(
            {"title": name_of(code), "url": _address(template, code), "is_current": code == variant}
            for code in codes
        ),
    ]


def _offered_languages() -> list[tuple[str, str]]:
    """Codes that somebody may want, with their names."""
    codes = ("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it", "lt")
    more = ("lv", "nl", "no", "pl", "pt", "pt-BR", "ro", "sk", "sl", "sr", "sv", "tr", "uk")
    return [(code, name_of(code)) for code in (*codes, *more)]
