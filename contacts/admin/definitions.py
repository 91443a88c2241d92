"""Attributes, tags, categories, consents and metrics: the words of the workspace."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from contacts.models import AttributeDefinition, Category, ConsentDefinition, MetricDefinition, Tag
from workspace.admin import AuditedAdmin, EmptyState
from workspace.admin.pictures import badge, chips

_CHOICES_SHOWN = 6


class DefinitionAdmin(AuditedAdmin):
    """A key that never changes, with a label that may."""

    list_display: tuple[str, ...] = ("label_and_key",)
    search_fields = ("key", "label")
    ordering = ("label", "key")
    show_full_result_count = False
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Criteria, files and programs name it by its key.
        return () if obj is None else ("key",)

    @admin.display(description=gettext_lazy("name"), ordering="label")
    def label_and_key(self, definition: Any) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span>{}</span>'
            '<code class="rg-faint rg-small">{}</code></span>',
            definition.label,
            definition.key,
        )


class AttributeForm(forms.ModelForm):  # type: ignore[type-arg]
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

    parameter = "category"
    empty_state = EmptyState(
        gettext_lazy("A category is an interest or kind that contacts belong to, such as “media”."),
        icon="category",
    )


@admin.register(ConsentDefinition)
class ConsentDefinitionAdmin(DefinitionAdmin):
    """What contacts may allow."""

    fields = ("key", "label", "description")
    empty_state = EmptyState(
        gettext_lazy(
            "A consent is something a contact may allow, such as “newsletter”. Each grant and each"
            " withdrawal is kept with its time and source."
        ),
        icon="verified_user",
    )


@admin.register(MetricDefinition)
class MetricDefinitionAdmin(DefinitionAdmin):
    """Figures computed per contact."""

    list_display = ("label_and_key", "type", "description")
    fields = ("key", "label", "type", "description")
    empty_state = EmptyState(
        gettext_lazy(
            "A metric is a number, date or text computed for each contact, such as the number of"
            " orders in 30 days. Write values through the API; segments can ask for them."
        ),
        icon="monitoring",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # Values are kept in the column of the type.
        return () if obj is None else ("key", "type")
