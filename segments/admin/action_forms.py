"""The form of an action: what, with which tag, category, consent or file, and when."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from contacts.models import Category, ConsentDefinition, Tag
from segments import action_runs, actions
from segments.export_columns import DEFAULT_COLUMNS, available_columns
from segments.models import ExportSettings, Segment, SegmentAction
from workspace.access import Actor
from workspace.errors import DomainError

Kind, Timing = SegmentAction.Kind, SegmentAction.Timing
_OFFERED = 1000
# What is chosen for a kind stands in the field of this name.
FIELD_OF = {
    Kind.ADD_TAG: "tag",
    Kind.REMOVE_TAG: "tag",
    Kind.ADD_CATEGORY: "category",
    Kind.REMOVE_CATEGORY: "category",
    Kind.ADD_CONSENT: "consent",
    Kind.REMOVE_CONSENT: "consent",
}
_NEW = frozenset({Kind.ADD_TAG, Kind.ADD_CATEGORY})
_NOT_OURS = frozenset({"csrfmiddlewaretoken", "step"})
ICONS = {
    Kind.ADD_TAG: "new_label",
    Kind.REMOVE_TAG: "label_off",
    Kind.ADD_CATEGORY: "create_new_folder",
    Kind.REMOVE_CATEGORY: "folder_off",
    Kind.ADD_CONSENT: "thumb_up",
    Kind.REMOVE_CONSENT: "thumb_down",
    Kind.EXPORT: "download",
}
_EXPLAINED = {
    Kind.ADD_TAG: gettext_lazy("All members get a tag."),
    Kind.REMOVE_TAG: gettext_lazy("A tag is taken from all members."),
    Kind.ADD_CATEGORY: gettext_lazy("All members get a category."),
    Kind.REMOVE_CATEGORY: gettext_lazy("A category is taken from all members."),
    Kind.ADD_CONSENT: gettext_lazy("Written as granted, unless the person withdrew it."),
    Kind.REMOVE_CONSENT: gettext_lazy("Written as withdrawn, where it was granted."),
    Kind.EXPORT: gettext_lazy("A file with the members, to download."),
}
_WHEN = {
    Timing.NOW: gettext_lazy("At once"),
    Timing.AT: gettext_lazy("At a time"),
    Timing.AFTER_REFRESH: gettext_lazy("After each refresh"),
}


class _MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


def _searched(name: str, label: Any) -> forms.CharField:
    """A key that is looked for while one writes; the list stands in the template."""
    attributes = {"list": f"known-{name}", "autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(
        label=label,
        required=False,
        max_length=63,
        widget=UnfoldAdminTextInputWidget(attrs=attributes),
    )


class ActionForm(forms.Form):
    """What somebody wants to be done with the members of a segment."""

    kind = forms.ChoiceField(label=gettext_lazy("What shall be done?"), choices=Kind.choices)
    tag = _searched("tag", gettext_lazy("Tag"))
    category = _searched("category", gettext_lazy("Category"))
    consent = forms.ChoiceField(
        label=gettext_lazy("Consent"), required=False, widget=UnfoldAdminSelectWidget()
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy(
            "It stands in the consent history of each contact, with your name: what can you show"
            " if somebody asks?"
        ),
    )
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=ExportSettings.Format.choices,
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    columns = forms.MultipleChoiceField(
        label=gettext_lazy("Columns"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    when = forms.ChoiceField(
        label=gettext_lazy("When?"), choices=tuple(_WHEN.items()), initial=Timing.NOW
    )
    planned_for = forms.DateTimeField(
        label=gettext_lazy("Time"),
        required=False,
        widget=_MomentInput(),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )

    def __init__(self, data: Any = None, *, segment: Segment, actor: Actor, at: datetime) -> None:
        super().__init__(data, initial={"columns": list(DEFAULT_COLUMNS), "format": "csv"})
        self._segment, self._actor, self._at = segment, actor, at
        self.plan: actions.Plan | None = None
        fields: dict[str, Any] = dict(self.fields)
        fields["consent"].choices = [("", "–"), *_known(ConsentDefinition)]
        fields["columns"].choices = [
            (name, column.label) for name, column in available_columns(of_segment=True).items()
        ]
        for name in ("tag", "category"):
            if actor.may(f"contacts.add_{name}"):
                fields[name].help_text = _(
                    "Type to search. A key that does not exist yet is made when you add it."
                )
            else:
                fields[name].help_text = _("Type to search.")

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """The cards to choose from; an export only for who may export."""
        may_export = self._actor.may(action_runs.EXPORT_PERMISSION)
        chosen = self["kind"].value()
        return [
            {
                "value": kind.value,
                "label": str(kind.label).capitalize(),
                "icon": ICONS[kind],
                "text": _EXPLAINED[kind],
                "is_chosen": kind.value == chosen,
            }
            for kind in Kind
            if kind != Kind.EXPORT or may_export
        ]

    @property
    def moments(self) -> list[dict[str, Any]]:
        """When it may be done, to choose from."""
        chosen = self["when"].value()
        texts = {
            Timing.NOW: _("or as soon as the segment is ready"),
            Timing.AT: _("with whoever is in the segment then"),
            Timing.AFTER_REFRESH: _("again and again, from the next one on"),
        }
        return [
            {
                "value": moment.value,
                "label": label,
                "text": texts[moment],
                "is_chosen": moment.value == chosen,
            }
            for moment, label in _WHEN.items()
        ]

    @property
    def known(self) -> dict[str, list[tuple[str, str]]]:
        """The tags and categories that there are, to search in."""
        return {"tag": _known(Tag), "category": _known(Category)}

    def sent_again(self) -> Iterator[tuple[str, str]]:
        """What was sent, for the page that asks whether it is meant."""
        for name, values in self.data.lists() if hasattr(self.data, "lists") else ():
            if name not in _NOT_OURS:
                yield from ((name, value) for value in values)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors:
            self._read(given)
        return given

    def arguments(self) -> dict[str, Any]:
        """What was asked for, as `actions.plan_action` takes it."""
        given = self.cleaned_data
        kind = given["kind"]
        wanted: dict[str, Any] = {"kind": kind, "when": given["when"]}
        if given["when"] == Timing.AT:
            wanted["when"] = given["planned_for"]
        if (name := FIELD_OF.get(kind)) is not None:
            wanted["key"] = given[name].strip()
        if name == "consent":
            wanted["reason"] = given["reason"]
        if kind == Kind.EXPORT:
            wanted["export"] = {"columns": given["columns"], "format": given["format"] or "csv"}
        return wanted

    def may_define(self) -> bool:
        """Whether a tag or category that is not there may be made on the way."""
        kind = self.cleaned_data["kind"]
        return kind in _NEW and self._actor.may(f"contacts.add_{FIELD_OF[kind]}")

    def add_problems(self, error: DomainError) -> None:
        """Show what a verb refused at its place."""
        kind = self.cleaned_data.get("kind", "")
        places: Mapping[str, str] = {
            "key": FIELD_OF.get(kind, "kind"),
            "when": "planned_for",
            "reason": "reason",
        }
        for problem in error.problems:
            place = places.get(problem.path)
            if place is None and problem.path.startswith("export"):
                place = "columns"
            self.add_error(place, problem.message)
        if not error.problems:
            self.add_error(None, str(error))

    def _read(self, given: dict[str, Any]) -> None:
        self.cleaned_data = given
        if given["when"] == Timing.AT and not given.get("planned_for"):
            self.add_error("planned_for", _("Say when."))
            return
        if FIELD_OF.get(given["kind"]) == "consent" and not given["reason"].strip():
            self.add_error("reason", _("Say why: the ledger keeps it."))
            return
        try:
            self.plan = actions.read_plan(
                self._segment,
                actor=self._actor,
                at=self._at,
                may_define=self.may_define(),
                **self.arguments(),
            )
        except DomainError as error:
            self.add_problems(error)


def _known(model: type[Model]) -> list[tuple[str, str]]:
    found = model._default_manager.order_by("key").values_list("key", "label")
    return list(found[:_OFFERED])
