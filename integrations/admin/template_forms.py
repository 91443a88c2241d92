"""The form of a template, for each channel, and for one of its translations."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from integrations import templates
from integrations.models import Template
from integrations.template_parts import VARIANT_PARTS, Parts, own_parts, variants_of
from workspace.errors import DomainError

Channel = Template.Channel
FORMATS = {
    "mjml": gettext_lazy("MJML"),
    "html": gettext_lazy("HTML"),
    "text": gettext_lazy("Text only"),
}
_EMAIL = ("subject", "format", "mjml", "html", "text")
_PUSH = ("subject", "text", "link", "icon")
_GAPS: Mapping[str, Any] = {"data-gaps": "", "autocomplete": "off"}
_CODE = {**_GAPS, "rows": 22, "spellcheck": "false", "wrap": "off", "data-code": ""}


class TemplateForm(forms.Form):
    """What may be written of a template; `variant` is the code of a translation, "" for its own."""

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
    channel = forms.ChoiceField(
        choices=Channel.choices, required=False, widget=forms.HiddenInput(), initial=Channel.EMAIL
    )
    language = forms.CharField(
        label=gettext_lazy("Language"),
        required=False,
        max_length=35,
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "template-languages", "autocomplete": "off", "placeholder": "en"}
        ),
        help_text=gettext_lazy("Of these words, as a code. Others get it where nothing suits."),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextInputWidget(attrs=dict(_GAPS)),
    )
    format = forms.ChoiceField(
        label=gettext_lazy("Written in"),
        required=False,
        choices=list(FORMATS.items()),
        widget=UnfoldAdminRadioSelectWidget(),
    )
    mjml = forms.CharField(
        label="MJML",
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs=dict(_CODE)),
    )
    html = forms.CharField(
        label="HTML",
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs=dict(_CODE)),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={**_GAPS, "rows": 8}),
        help_text=gettext_lazy("For readers without HTML. Empty: made of the words of the HTML."),
    )
    link = forms.CharField(
        label=gettext_lazy("Opens"),
        required=False,
        widget=UnfoldAdminTextInputWidget(
            attrs={**_GAPS, "inputmode": "url", "placeholder": "https://"}
        ),
        help_text=gettext_lazy("The page that a press on it opens."),
    )
    icon = forms.CharField(
        label=gettext_lazy("Icon"),
        required=False,
        widget=UnfoldAdminTextInputWidget(
            attrs={**_GAPS, "inputmode": "url", "placeholder": "https://"}
        ),
        help_text=gettext_lazy("The address of a square picture. Empty: that of the browser."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        template: Template | None = None,
        channel: str = Channel.EMAIL,
        variant: str = "",
        own: Parts | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        given = dict(initial or {})
        given.setdefault("channel", channel)
        given.setdefault("format", _format_of(given if any(_bodies(given)) else own or given))
        super().__init__(data, initial=given)
        self.kind, self.variant = channel, variant
        is_push = channel == Channel.PUSH
        shown = {*(_PUSH if is_push else _EMAIL)}
        if variant:
            shown -= {"icon"}
        else:
            shown |= {"name", "language", *(() if template else ("key", "channel"))}
        for name in set(self.fields) - shown:
            del self.fields[name]
        if is_push:
            self.fields["subject"].label = gettext_lazy("Title")
            self.fields["text"].help_text = gettext_lazy("Short: phones show two or three lines.")
            self.fields["text"].widget.attrs["rows"] = 4
        if variant and own is not None:
            for name in ("subject", "text", "link"):
                if name in self.fields and own[name].strip():
                    self.fields[name].widget.attrs["placeholder"] = own[name][:500]

    @classmethod
    def of(cls, data: Any, template: Template, variant: str = "") -> "TemplateForm":
        """The form of a template that there is, or of one of its translations."""
        own = own_parts(template)
        if variant:
            initial: dict[str, Any] = dict(variants_of(template).get(variant, {}))
        else:
            initial = {**own, "name": template.name, "language": template.language}
        return cls(
            data,
            template=template,
            channel=template.channel,
            variant=variant,
            own=own,
            initial=initial,
        )

    def parts(self) -> dict[str, Any]:
        """What the verbs take: of what was written only what the chosen form is made of."""
        # A browser sends lines that end with two characters.
        given = {name: value.replace("\r\n", "\n") for name, value in self.cleaned_data.items()}
        chosen = given.pop("format", "")
        given.pop("channel", None)
        if chosen in FORMATS:
            given |= {name: "" for name in ("mjml", "html") if name != chosen}
        return {
            name: value
            for name, value in given.items()
            if not self.variant or name in VARIANT_PARTS
        }

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of other translations above the form."""
        if not error.problems:
            self.add_error(None, str(error))
        prefix = f"variants.{self.variant}." if self.variant else ""
        for problem in error.problems:
            path = problem.path.removeprefix(prefix)
            is_here = path in self.fields and problem.path.startswith(prefix)
            words = problem.message if is_here or not path else f"{path}: {problem.message}"
            self.add_error(path if is_here else None, words)


def _bodies(parts: Mapping[str, Any]) -> list[str]:
    return [name for name in ("mjml", "html", "text") if str(parts.get(name) or "").strip()]


def _format_of(parts: Mapping[str, Any]) -> str:
    """How a template is written that says this; MJML where it says nothing yet."""
    return next(iter(_bodies(parts)), "html" if "html" in parts and "mjml" not in parts else "mjml")
