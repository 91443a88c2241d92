"""The form of an export: whose rows, which columns, written how, once or again and again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from contacts.models import ConsentDefinition, Tag
from segments import lifecycle
from segments.admin.forms import read_document, written
from segments.definitions import EVERY_LIMIT, NAME_LIMIT
from segments.documents import is_same
from segments.errors import CriteriaRefused
from segments.export_columns import DEFAULT_COLUMNS, available_columns, column_groups
from segments.export_files import Layout
from segments.export_settings import Wanted, wanted_of
from segments.masks import mask_criteria
from segments.models import Export, ExportSchedule, ExportSettings, Segment, everyone
from segments.widgets import CriteriaWidget
from workspace import access
from workspace.access import Actor
from workspace.admin.pictures import number
from workspace.errors import DomainError
from workspace.models import User, UserGroup

ONCE = "once"
FILTERS = ("tag", "consent", "created_from", "created_until")
_LAYOUT = ("separator", "encoding", "unfitting", "decimal_mark")
_FIELD_OF = {
    "every": "amount",
    "every.amount": "amount",
    "every.unit": "unit",
    "criteria": "criteria",
}


class _DateInput(UnfoldAdminTextInputWidget):
    input_type = "date"


class _MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


def _select(label: Any, choices: Any, initial: Any = None, text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=choices,
        initial=initial,
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=text,
    )


class ExportForm(forms.Form):
    """What may be asked of an export; `wanted` and `timing` are what the verbs take.

    Columns stand in the order of the inputs named `columns`, each with its heading in the input
    named `headers` at the same place.
    """

    segment = _select(gettext_lazy("Segment"), ())
    tag = _select(gettext_lazy("Has the tag"), ())
    consent = _select(gettext_lazy("Has given the consent"), ())
    created_from = forms.DateField(
        label=gettext_lazy("Created from"),
        required=False,
        widget=_DateInput(),
        help_text=gettext_lazy("This day included."),
    )
    created_until = forms.DateField(
        label=gettext_lazy("Created until"),
        required=False,
        widget=_DateInput(),
        help_text=gettext_lazy("This day included."),
    )
    criteria = forms.CharField(label=gettext_lazy("Any other criteria"), required=False)
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=ExportSettings.Format.choices,
        initial=ExportSettings.Format.CSV,
        widget=UnfoldAdminSelectWidget(),
    )
    separator = _select(
        gettext_lazy("Separator"), ExportSettings.Separator.choices, ExportSettings.Separator.COMMA
    )
    encoding = _select(
        gettext_lazy("Encoding"), ExportSettings.Encoding.choices, ExportSettings.Encoding.UTF_8
    )
    unfitting = _select(
        gettext_lazy("Letters that the encoding lacks"),
        ExportSettings.Unfitting.choices,
        ExportSettings.Unfitting.REFUSE,
        gettext_lazy("Only UTF-8 has every letter. Ł is in Windows-1250, but not in Windows-1252."),
    )
    decimal_mark = _select(
        gettext_lazy("Decimal mark"),
        ExportSettings.DecimalMark.choices,
        ExportSettings.DecimalMark.POINT,
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=gettext_lazy("People of these groups see the file. Without one only you do."),
    )
    mode = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=[(ONCE, gettext_lazy("once, now")), *ExportSchedule.Mode.choices],
        initial=ONCE,
        required=False,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    name = forms.CharField(
        label=gettext_lazy("Name of the schedule"),
        required=False,
        max_length=NAME_LIMIT,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Empty: the name of the segment."),
    )
    amount = forms.IntegerField(
        label=gettext_lazy("Every"),
        required=False,
        initial=1,
        min_value=1,
        max_value=EVERY_LIMIT,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    unit = _select(gettext_lazy("Unit"), Segment.Unit.choices, Segment.Unit.DAY)
    first_run_at = forms.DateTimeField(
        label=gettext_lazy("First time"),
        required=False,
        widget=_MomentInput(),
        help_text=gettext_lazy("Empty: now."),
    )
    mail_when_ready = forms.BooleanField(
        label=gettext_lazy("Mail me when the file is ready"),
        required=False,
        widget=UnfoldBooleanWidget(),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        actor: Actor,
        kept: ExportSettings | None = None,
        segment: Segment | None = None,
    ) -> None:
        """`kept` is the export or schedule to begin with, `segment` the one to begin with."""
        self.actor = actor
        self.kept = kept
        self.schedule = kept if isinstance(kept, ExportSchedule) else None
        initial = {} if kept is None else _initial(kept, actor)
        if segment is not None:
            initial["segment"] = segment.key
        super().__init__(data, initial={"criteria": written(everyone()), **initial})
        self.builder = CriteriaWidget(actor=actor)
        self.fields["criteria"].widget = self.builder
        if self.schedule is not None:
            self._choices("mode", ExportSchedule.Mode.choices)
            self.fields["first_run_at"].label = _("Next time")
            self.fields["first_run_at"].help_text = _("Empty: as it is.")
        self._segments: dict[str, Segment] = {}
        self._offer_segments(segment)
        self._offer_labels()
        self._offer_groups()
        self.columns: list[str] = []
        self.headers: dict[str, str] = {}
        self.problems: dict[str, list[str]] = {}

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        self._read_columns()
        self.document, problem = None, None
        if text := given.get("criteria", "").strip():
            self.document, problem = read_document(text)
        if problem is not None:
            self.builder.problems = (problem,)
            self.add_error("criteria", problem.message)
        elif is_same(self.document, everyone()):
            self.document = None
        if given.get("format") != ExportSettings.Format.CSV:
            # The page hides what only a CSV has; what stood there says nothing.
            given.update(dict.fromkeys(_LAYOUT, ""))
        for name in (*_LAYOUT, "unit", "mode"):
            given[name] = given.get(name) or self.fields[name].initial
        start, end = given.get("created_from"), given.get("created_until")
        if start and end and end < start:
            self.add_error("created_until", _("This is before the first day."))
        return given

    def wanted(self) -> Wanted:
        """What is asked for."""
        given = self.cleaned_data
        return Wanted(
            segment=self._segments.get(given["segment"]),
            criteria=self._criteria(),
            columns=tuple(self.columns),
            headers=self.headers,
            file_format=given["format"],
            layout=Layout(*(given[name] for name in _LAYOUT)),
            groups=given.get("groups", []),
            mail_when_ready=given.get("mail_when_ready", False),
        )

    def timing(self) -> dict[str, Any]:
        """When a schedule runs; empty for an export that is made once."""
        given = self.cleaned_data
        if given["mode"] == ONCE:
            return {}
        names = ("name", "mode", "amount", "unit", "first_run_at")
        return {name: given[name] for name in names}

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        if isinstance(error, CriteriaRefused):
            self.builder.problems = error.criteria_problems
            self.add_error("criteria", str(error))
            return
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            name = problem.path.split("[")[0].split("headers.")[0] or "columns"
            name = "columns" if name == "headers" else _FIELD_OF.get(name, name)
            if name == "columns":
                self.problems.setdefault("columns", []).append(problem.message)
            self.add_error(name if name in self.fields else None, problem.message)

    def chosen_columns(self) -> list[dict[str, str]]:
        """The columns in their order, with their headings, for the page."""
        if self.is_bound:
            names, headings = self._sent()
            pairs = [
                (name, headings[n] if n < len(headings) else name) for n, name in enumerate(names)
            ]
        elif self.kept is not None:
            pairs = [(name, self.kept.headers.get(name, name)) for name in self.kept.columns]
        else:
            pairs = [(name, name) for name in DEFAULT_COLUMNS]
        return described(pairs)

    def _sent(self) -> tuple[list[str], list[str]]:
        data: Any = self.data
        return data.getlist("columns"), data.getlist("headers")

    def _read_columns(self) -> None:
        names, headings = self._sent()
        self.columns = list(dict.fromkeys(names))
        for name, heading in zip(names, headings, strict=False):
            if heading.strip() not in {"", name}:
                self.headers[name] = heading.strip()

    def _criteria(self) -> Any:
        """All filters as one document; None without any."""
        given = self.cleaned_data
        rules: list[dict[str, Any]] = []
        if given.get("tag"):
            rules.append({"field": "tag", "operator": "in", "value": [given["tag"]]})
        if given.get("consent"):
            field = f"consent.{given['consent']}"
            rules.append({"field": field, "operator": "=", "value": "granted"})
        rules += list(_created(given.get("created_from"), given.get("created_until")))
        if not rules:
            return self.document
        if self.document is not None:
            rules.append(self.document)
        return {"combinator": "and", "rules": rules}

    def _offer_segments(self, first: Segment | None) -> None:
        offered = list(lifecycle.usable_segments(self.actor).defer("criteria").order_by("name"))
        kept = first or (self.kept.segment if self.kept else None)
        if kept is not None and kept not in offered:
            # It cannot be exported any more; the answer of the verb says why.
            offered.append(kept)
        self._segments = {segment.key: segment for segment in offered}
        choices = [(s.key, f"{s.name} ({number(s.member_count)})") for s in offered]
        everyone = []
        if self.actor.may("contacts.view_contact"):
            everyone = [("", _("All contacts"))]
        else:
            self.fields["segment"].required = True
        self._choices("segment", [*everyone, *choices])

    def _offer_labels(self) -> None:
        whatever = ("", _("any"))
        tags = Tag.objects.order_by("label").values_list("key", "label")
        consents = ConsentDefinition.objects.order_by("label").values_list("key", "label")
        self._choices("tag", [whatever, *tags])
        self._choices("consent", [whatever, *consents])

    def _offer_groups(self) -> None:
        names = [group.name for group in access.choosable_groups(self.actor)]
        self._choices("groups", [(name, name) for name in names])
        if not names:
            del self.fields["groups"]
        elif access.group_required(UserGroup.Entity.EXPORT):
            self.fields["groups"].required = True
            self.fields["groups"].help_text = _("Only people of these groups will see the file.")

    def _choices(self, name: str, choices: Iterable[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = list(choices)


def offered_columns() -> list[dict[str, Any]]:
    """All columns in their groups, for the palette of the page."""
    return [
        {
            "title": title,
            "columns": [{"name": column.name, "label": column.label} for column in columns],
        }
        for title, columns in column_groups(available_columns(of_segment=True).values())
    ]


def described(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Columns by name and heading, with their labels; those that are gone keep their names."""
    known = available_columns(of_segment=True)
    return [
        {"name": name, "header": header, "label": known[name].label if name in known else name}
        for name, header in pairs
    ]


def last_columns(actor: Actor) -> list[dict[str, str]]:
    """The columns that a person chose last; none for somebody who exported nothing yet."""
    if actor.id is None:
        return []
    last = Export.objects.filter(user_id=actor.id).order_by("-pk").first()
    if last is None:
        return []
    return described((name, last.headers.get(name, name)) for name in last.columns)


def can_be_mailed(actor: Actor) -> bool:
    """Whether we know where to write to a person."""
    if actor.id is None:
        return False
    return User.objects.filter(pk=actor.id).exclude(email="").exists()


def _created(start: Any, end: Any) -> Iterable[dict[str, Any]]:
    field = "contact.created_at"
    if start:
        yield {"field": field, "operator": ">=", "value": start.isoformat()}
    if end:
        # The first moment of the day after, in the workspace's time zone.
        after = datetime.fromordinal(end.toordinal() + 1).date()
        yield {"field": field, "operator": "<", "value": after.isoformat()}


def _initial(kept: ExportSettings, actor: Actor) -> dict[str, Any]:
    wanted = wanted_of(kept)
    wanted = replace(wanted, criteria=mask_criteria(wanted.criteria, actor))
    initial = wanted.fields()
    initial |= {
        "segment": kept.segment.key if kept.segment else "",
        "criteria": written(everyone() if wanted.criteria is None else wanted.criteria),
        "groups": list(wanted.groups or ()),
    }
    if isinstance(kept, ExportSchedule):
        initial |= {name: getattr(kept, name) for name in ("name", "mode", "amount")}
        initial["unit"] = kept.unit or Segment.Unit.DAY
    return initial
