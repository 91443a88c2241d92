"""Correcting a held event before it is replayed: its name, whose it is, or all of its body."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Contact
from integrations.admin.bodies import pretty
from integrations.models import HeldEvent
from integrations.received_events import contact_ids_of
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps, exact_loads

_NAMED = {"track": "event", "page": "name", "screen": "name", "group": "groupId"}
_WITH_EVENT = frozenset({"track", "page", "screen", "group"})
_BODY_LIMIT = 200_000
_INPUT = {"class": "rg-input", "autocomplete": "off", "spellcheck": "false"}


class FixForm(forms.Form):
    """The body, and the two things that are wrong most often in fields of their own.

    A field that was changed counts more than the body.
    """

    name = forms.CharField(
        label=gettext_lazy("Name of the event"),
        required=False,
        strip=True,
        widget=forms.TextInput(attrs=_INPUT),
    )
    user_id = forms.CharField(
        label=gettext_lazy("User id (userId)"),
        required=False,
        strip=True,
        widget=forms.TextInput(attrs=_INPUT),
    )
    contact = forms.CharField(
        label=gettext_lazy("Or a contact: id, external id or e-mail"),
        required=False,
        strip=True,
        widget=forms.TextInput(attrs=_INPUT),
    )
    body = forms.CharField(
        label=gettext_lazy("Body"),
        max_length=_BODY_LIMIT,
        strip=False,
        widget=forms.Textarea(attrs={"class": "rg-input rg-body-input", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "JSON as the source sent it. You may correct type, event, name, userId, anonymousId,"
            " previousId, groupId, properties, traits and timestamp; the rest stays as it is."
        ),
    )

    def __init__(self, data: Any = None, *, event: HeldEvent) -> None:
        self.before = _document(event.body)
        self.key = _NAMED.get(event.type, "")
        initial = {
            "name": _shown(self.before.get(self.key)),
            "user_id": _shown(self.before.get("userId")),
            "body": pretty(event.body),
        }
        super().__init__(data, initial=initial)
        if not self.key:
            del self.fields["name"]
        if event.type not in _WITH_EVENT:
            del self.fields["contact"]

    def clean_body(self) -> dict[str, Any]:
        try:
            document = exact_loads(self.cleaned_data["body"])
        except ValueError as error:
            raise forms.ValidationError(
                _("This is not JSON: %(reason)s.") % {"reason": error}
            ) from error
        if not isinstance(document, dict):
            raise forms.ValidationError(_("The body has to be an object: {“type”: …}."))
        return document

    def clean_contact(self) -> int | None:
        text = self.cleaned_data["contact"]
        if not text:
            return None
        found = contact_ids_of(text)
        known = Contact.objects.filter(pk__in=found, erased_at__isnull=True)
        ids = list(known.values_list("pk", flat=True)[:2])
        if len(ids) != 1:
            message = _("There is no contact “%(text)s”.")
            if ids:
                message = _("“%(text)s” may be several contacts: write #id.")
            raise forms.ValidationError(message % {"text": text[:60]})
        return ids[0]

    def add_refusal(self, error: DomainError) -> None:
        """Show what the verb refused beside the fields."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = "contact" if problem.path == "contact_id" else "body"
            text = problem.message if name == "contact" else f"{problem.path}: {problem.message}"
            self.add_error(name if name in self.fields else None, text)

    def changes(self) -> dict[str, Any]:
        """What is to be different, by the parts of the body; None for a part that goes."""
        after = dict(self.cleaned_data["body"])
        for field, key in (("name", self.key), ("user_id", "userId")):
            if field in self.fields and field in self.changed_data:
                after[key] = self.cleaned_data[field] or None
        changes = {
            key: after.get(key)
            for key in {**self.before, **after}
            if self.before.get(key) != after.get(key)
        }
        if contact_id := self.cleaned_data.get("contact"):
            changes["contact_id"] = contact_id
        return changes


def _document(body: str) -> dict[str, Any]:
    try:
        document = exact_loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else exact_dumps(value)
