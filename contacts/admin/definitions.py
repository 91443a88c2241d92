"""Attributes, tags, categories, consents and metrics: the words of the workspace."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from contacts.admin import computing, formulas
from contacts.definitions import (
    Kind,
    change_definition,
    create_definition,
    delete_definition,
    is_ready,
)
from contacts.models import AttributeDefinition, Category, ConsentDefinition, MetricDefinition, Tag
from workspace.access import actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, object_action, page_context
from workspace.admin.pictures import badge, chips
from workspace.errors import DomainError, Problem

_CHOICES_SHOWN = 6


class DefinitionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A definition; what the verb refused is shown beside the fields."""

    refusal: DomainError | None = None

    class Meta:
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.refusal is not None:
            for problem in self.refusal.problems or [Problem("", "", str(self.refusal))]:
                name = re.split(r"[.\[]", problem.path)[0]
                self.add_error(name if name in self.fields else None, problem.message)
        return cleaned


class DefinitionAdmin(ObjectActionsAdmin):
    """A key that never changes, with a label that may."""

    kind: Kind
    form = DefinitionForm
    list_display: tuple[str, ...] = ("label_and_key",)
    search_fields = ("key", "label")
    ordering = ("label", "key")
    show_full_result_count = False
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Criteria, files and programs name it by its key.
        return () if obj is None else ("key",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button with a verb behind it: what is used stays.
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError as refusal:
            # Shown in the form that was sent, so that nothing has to be written again.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **options)
        return type(form.__name__, (form,), {"refusal": getattr(request, "refusal", None)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in form.fields}
        arguments: dict[str, Any] = {"actor": actor_of(request), "at": timezone.now()}
        if change:
            saved = change_definition(self.kind, obj.key, values=values, **arguments)
        else:
            saved = create_definition(self.kind, values=values, **arguments)
        obj.pk = saved.pk

    @object_action(
        gettext_lazy("Delete"),
        permission=lambda actor, definition: actor.may(
            f"contacts.delete_{definition._meta.model_name}"
        ),
        icon="delete",
        variant="danger",
        is_offered=lambda definition: (
            not isinstance(definition, MetricDefinition) or not is_ready(definition)
        ),
        consequence=lambda definition: (
            (
                _(
                    "“%(name)s” is deleted with all values that were computed. That is refused"
                    " while something, such as a segment, asks for it."
                )
                if getattr(definition, "is_computed", False)
                else _(
                    "“%(name)s” is deleted. That is refused while contacts have it or something,"
                    " such as a segment, asks for it."
                )
            )
            % {"name": definition}
        ),
    )
    def delete_unused(self, request: HttpRequest, definition: Any) -> HttpResponse:
        delete_definition(self.kind, definition.key, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("“%(name)s” was deleted.") % {"name": definition})
        room = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return HttpResponseRedirect(reverse(room))

    @admin.display(description=gettext_lazy("name"), ordering="label")
    def label_and_key(self, definition: Any) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            definition.label,
            definition.key,
        )


class AttributeForm(DefinitionForm):
    """An attribute, its choices one on each line."""

    choices = forms.CharField(
        label=gettext_lazy("Choices"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=gettext_lazy("The values allowed, one on each line. Empty: any value."),
    )

    class Meta:
        model = AttributeDefinition
        fields = ("key", "label", "type", "choices", "description")
        widgets = DefinitionForm.Meta.widgets

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["choices"] = "\n".join(self.instance.choices)

    def clean_choices(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["choices"].splitlines())
        return list(dict.fromkeys(line for line in lines if line))


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(DefinitionAdmin):
    """What the workspace keeps of contacts besides the factory fields."""

    kind = Kind.ATTRIBUTE
    form = AttributeForm
    list_display = ("label_and_key", "type_badge", "choice_chips", "description")
    list_filter = ("type",)
    fields = ("key", "label", "type", "choices", "description")
    empty_state = EmptyState(
        gettext_lazy(
            "An attribute is something you keep of each contact, such as a favourite colour. It"
            " then appears in profiles, imports, exports, criteria and the API by itself."
        ),
        icon="tune",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Values are kept as the type says.
        return () if obj is None else ("key", "type")

    @admin.display(description=gettext_lazy("type"), ordering="type")
    def type_badge(self, definition: AttributeDefinition) -> SafeString:
        return badge(definition.get_type_display())

    @admin.display(description=gettext_lazy("choices"))
    def choice_chips(self, definition: AttributeDefinition) -> SafeString:
        shown = definition.choices[:_CHOICES_SHOWN]
        more = ["…"] if len(definition.choices) > _CHOICES_SHOWN else []
        return chips([*shown, *more], _("any"))


class _OfContactsAdmin(DefinitionAdmin):
    """A word that contacts carry, with the way to those who do."""

    list_display = ("label_and_key", "contacts")
    fields = ("key", "label")
    parameter = ""

    @admin.display(description=gettext_lazy("contacts"))
    def contacts(self, definition: Any) -> SafeString:
        return format_html(
            '<a class="rg-link" href="{}?{}={}">{}</a>',
            reverse("admin:contacts_contact_changelist"),
            self.parameter,
            definition.key,
            _("show"),
        )


@admin.register(Tag)
class TagAdmin(_OfContactsAdmin):
    """Words that staff or a journey attach."""

    kind = Kind.TAG
    parameter = "tag"
    empty_state = EmptyState(
        gettext_lazy(
            "A tag is a word that you attach to contacts, such as “vip” or “press”. Segments can"
            " ask for it."
        ),
        icon="sell",
    )


@admin.register(Category)
class CategoryAdmin(_OfContactsAdmin):
    """Interests and kinds."""

    kind = Kind.CATEGORY
    parameter = "category"
    empty_state = EmptyState(
        gettext_lazy("A category is an interest or kind that contacts belong to, such as “media”."),
        icon="category",
    )


class ConsentForm(DefinitionForm):
    """A consent, its words in another language on each line."""

    translations = forms.CharField(
        label=gettext_lazy("In other languages"),
        required=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "placeholder": "pl | Biuletyn | Raz w tygodniu."}
        ),
        help_text=gettext_lazy(
            "On each line the code of a language, the title, and the description: pl | Biuletyn |"
            " Raz w tygodniu. Who speaks none of them reads the words above."
        ),
    )

    class Meta:
        model = ConsentDefinition
        fields = ("key", "label", "description", "is_public", "translations")
        widgets = DefinitionForm.Meta.widgets

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = self.instance.translations if self.instance.pk else {}
        self.initial["translations"] = "\n".join(
            " | ".join(filter(None, (code, parts["label"], _in_one_line(parts))))
            for code, parts in known.items()
        )

    def clean_translations(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for line in self.cleaned_data["translations"].splitlines():
            if not line.strip():
                continue
            code, label, description = ([part.strip() for part in line.split("|", 2)] + ["", ""])[
                :3
            ]
            if code in found:
                raise forms.ValidationError(_("“%(code)s” is there twice.") % {"code": code[:20]})
            found[code] = {"label": label} | ({"description": description} if description else {})
        return found


def _in_one_line(parts: Any) -> str:
    return " ".join(parts.get("description", "").split())


@admin.register(ConsentDefinition)
class ConsentDefinitionAdmin(DefinitionAdmin):
    """What contacts may allow."""

    kind = Kind.CONSENT
    form = ConsentForm
    list_display = ("label_and_key", "shown", "languages")
    fields = ("key", "label", "description", "is_public", "translations")
    empty_state = EmptyState(
        gettext_lazy(
            "A consent is something a contact may allow, such as “newsletter”. Each grant and each"
            " withdrawal is kept with its time and source."
        ),
        icon="verified_user",
    )

    @admin.display(description=gettext_lazy("shown to customers"), ordering="is_public")
    def shown(self, definition: ConsentDefinition) -> SafeString:
        if definition.is_public:
            return badge(_("shown"), "good", "visibility")
        return badge(_("internal"), "neutral", "visibility_off")

    @admin.display(description=gettext_lazy("languages"))
    def languages(self, definition: ConsentDefinition) -> SafeString:
        return chips(sorted(definition.translations), _("as written"))


@admin.register(MetricDefinition)
class MetricDefinitionAdmin(DefinitionAdmin):
    """Figures computed per contact."""

    kind = Kind.METRIC
    list_display = ("label_and_key", "type", "source", "description")
    list_select_related = ("computed",)
    fields = ("key", "label", "type", "description")
    change_form_template = "contacts/metric_definition.html"
    change_list_template = "contacts/contact_list.html"
    empty_state = EmptyState(
        gettext_lazy(
            "A metric is a number, date or text computed for each contact, such as the number of"
            " orders in 30 days. Have it computed from events, or write values through the API;"
            " segments can ask for both."
        ),
        icon="monitoring",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Values are kept in the column of the type.
        return () if obj is None else ("key", "type")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[MetricDefinition]":
        metrics: QuerySet[MetricDefinition] = super().get_queryset(request)
        return metrics.select_related("computed__ranked__computed")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "contacts_metricdefinition"
        return [
            path("computing/", view(self.computing_view), name=f"{name}_computing"),
            path("formula/", view(self.new_formula_view), name=f"{name}_new_formula"),
            path("<path:object_id>/formula/", view(self.formula_view), name=f"{name}_formula"),
            *super().get_urls(),
        ]

    def new_formula_view(self, request: HttpRequest) -> HttpResponse:
        """Define a metric that is computed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = page_context(self, request, title=_("Define a computed metric"))
        return formulas.formula_view(request, context, None)

    def formula_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change how a metric is computed."""
        metric = self.get_object(request, object_id)
        if metric is None or not metric.is_computed:
            raise Http404
        if not self.has_change_permission(request, metric):
            raise PermissionDenied
        title = _("How “%(name)s” is computed") % {"name": metric.label}
        context = page_context(self, request, title=title, thing=metric)
        return formulas.formula_view(request, context, metric)

    def computing_view(self, request: HttpRequest) -> HttpResponse:
        """What an order is, and the metrics that follow from it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(self, request, title=_("Metrics from orders"))
        return computing.computing_view(request, context)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = [
            {
                "title": _("Metrics from orders"),
                "icon": "shopping_cart",
                "url": reverse("admin:contacts_metricdefinition_computing"),
            }
        ]
        if self.has_add_permission(request):
            new = {
                "title": _("Define a computed metric"),
                "icon": "function",
                "url": reverse("admin:contacts_metricdefinition_new_formula"),
            }
            links.append(new)
        answer: HttpResponse = super().changelist_view(
            request, {**(extra_context or {}), "links": links}
        )
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        metric = context.get("original")
        if metric is not None:
            may_change = self.has_change_permission(request, metric)
            context.update(computing.metric_context(metric, may_change=may_change))
        return super().render_change_form(request, context, *args, **kwargs)

    @object_action(
        gettext_lazy("Compute now"),
        permission="contacts.change_metricdefinition",
        icon="calculate",
        consequence=gettext_lazy(
            "The metrics of orders are computed anew for all contacts. Segments that ask for them"
            " follow at their next refresh."
        ),
        is_offered=lambda metric: metric.is_computed,
    )
    def compute_now(self, request: HttpRequest, metric: MetricDefinition) -> HttpResponse:
        return computing.request_now(request)

    @admin.display(description=gettext_lazy("values"))
    def source(self, metric: MetricDefinition) -> SafeString:
        if metric.is_computed:
            return badge(_("computed"), "info", "calculate")
        return badge(_("written by API"), "neutral")
