"""The form of a mechanism: what its kind has of its own, and the block that all kinds share."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from loyalty.models import Mechanism
from loyalty.rewards.mechanism_settings import MEASURES, REWARD_TYPES
from loyalty.rewards.mechanisms import MESSAGE_LIMIT, PLAIN, known_mechanisms
from loyalty.segment_choice import offered_lists, offered_segments
from segments.admin.forms import read_document, written
from segments.definitions import NAME_LIMIT
from segments.masks import Mask
from segments.models import Segment, everyone
from segments.widgets import CriteriaWidget
from workspace import access
from workspace.access import Actor
from workspace.errors import DomainError, Problem
from workspace.models import UserGroup

Kind = Mechanism.Kind
_OFFERED = 500
_LIMITS = ("stock", "member_limit", "period_limit", "period", "cost_points")
# The fields of the settings of each kind, as the form has them.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    Kind.REWARD: ("type", "instructions"),
    Kind.OFFER: ("assigned_only", "valid_days"),
    Kind.CHALLENGE: (
        *("event", "measure", "sum_of", "threshold", "goal_period", "bonus_points", "where"),
    ),
    Kind.TIER: ("threshold",),
}
# Settings whose names other things have here already: as the form calls them.
_SETTING_OF = {"goal_period": "period", "sum_of": "property"}
_FIELD_OF = {f"settings.{setting}": name for name, setting in _SETTING_OF.items()}
LIMITS: Mapping[str, tuple[str, ...]] = {
    Kind.REWARD_CATEGORY: (),
    Kind.TIER: (),
    Kind.CHALLENGE: ("stock",),
}


class _MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


def _moment(label: Any) -> forms.DateTimeField:
    return forms.DateTimeField(label=label, required=False, widget=_MomentInput())


def _number(label: Any, text: Any = "", *, least: int = 1) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        max_value=2**31 - 1,
        help_text=text,
        widget=UnfoldAdminIntegerFieldWidget(),
    )


def _select(label: Any, choices: Any, text: Any = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=list(choices),
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text=text,
    )


def _several(label: Any, text: Any = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, required=False, widget=UnfoldAdminSelect2MultipleWidget(), help_text=text
    )


def _text(label: Any, limit: int, text: Any = "", **attrs: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=limit,
        widget=UnfoldAdminTextInputWidget(attrs=attrs),
        help_text=text,
    )


class MechanismForm(forms.Form):
    """What may be written of a mechanism of a kind; `given` is what the verbs take."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget()
    )
    key = _text(
        gettext_lazy("Key"), 63, gettext_lazy("For programs. Empty: made of the name. It stays.")
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("User groups"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    category = _select(
        gettext_lazy("Category"), (), gettext_lazy("It minds whom the category is for, too.")
    )
    type = _select(gettext_lazy("What it is"), REWARD_TYPES.items())
    instructions = forms.CharField(
        label=gettext_lazy("How one gets it"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    assigned_only = forms.BooleanField(
        label=gettext_lazy("Only for whom it is given"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy("By people, or by a program. Else for all whom it is for."),
    )
    valid_days = _number(
        gettext_lazy("Valid for, in days"), gettext_lazy("Empty: as long as the offer lasts.")
    )
    event = _text(
        gettext_lazy("Event"),
        200,
        gettext_lazy("As sources send it, such as “purchase”."),
        list="known-events",
        autocomplete="off",
    )
    measure = _select(gettext_lazy("What is counted"), MEASURES.items())
    sum_of = _text(
        gettext_lazy("Property of the sum"), 200, gettext_lazy("Such as “amount” or “total.gross”.")
    )
    threshold = forms.CharField(
        label=gettext_lazy("Goal"),
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    goal_period = _select(
        gettext_lazy("Within"),
        [("", gettext_lazy("all time")), *Mechanism.Period.choices],
        gettext_lazy("Each calendar period begins anew, and can be reached once."),
    )
    bonus_points = _number(gettext_lazy("Bonus points"), least=0)
    where = forms.CharField(label=gettext_lazy("Which events count"), required=False)
    segments = _several(
        gettext_lazy("Segments"), gettext_lazy("Empty: for all members of the programme.")
    )
    segment_match = _select(gettext_lazy("A member has to be in"), Mechanism.Match.choices)
    lists = _several(
        gettext_lazy("Lists"), gettext_lazy("Besides, a member has to stand on one of these.")
    )
    hide_restricted = forms.BooleanField(
        label=gettext_lazy("Hide from others"), required=False, widget=UnfoldBooleanWidget()
    )
    restricted_message = _text(
        gettext_lazy("Message for others"),
        MESSAGE_LIMIT,
        gettext_lazy("Such as “For gold members. Join by earning 500 points.”"),
    )
    stock = _number(
        gettext_lazy("Stock"), gettext_lazy("How many there are in all. Empty: any."), least=0
    )
    member_limit = _number(gettext_lazy("For each member at most"))
    period_limit = _number(gettext_lazy("For each member and period at most"))
    period = _select(
        gettext_lazy("Period"),
        [("", "–"), *Mechanism.Period.choices],
        gettext_lazy("Of the calendar, in the workspace's time zone."),
    )
    cost_points = _number(gettext_lazy("Cost in points"), least=0)
    starts_at = _moment(gettext_lazy("From"))
    ends_at = _moment(gettext_lazy("Until"))

    def __init__(
        self,
        data: Any = None,
        *,
        actor: Actor,
        kind: str,
        mechanism: Mechanism | None = None,
        event: str = "",
    ) -> None:
        super().__init__(data, initial=_initial(mechanism, event))
        self.kind, self.actor, self.mechanism = kind, actor, mechanism
        self.hidden_count = 0
        self.builder: CriteriaWidget | None = None
        self._keep_only_of_kind()
        self._arrange_groups()
        self._arrange_segments()
        if "category" in self.fields:
            self._arrange_category()
        if "where" in self.fields:
            name = event or (mechanism.settings.get("event", "") if mechanism else "") or "event"
            self.builder = CriteriaWidget(actor=actor, event=name)
            self.fields["where"].widget = self.builder

    @property
    def of_kind(self) -> list[Any]:
        """The fields that only this kind has, in their order, without the builder."""
        names = [name for name in SETTINGS.get(self.kind, ()) if name != "where"]
        if "category" in self.fields:
            names.insert(0, "category")
        return [self[name] for name in names]

    @property
    def limits(self) -> list[Any]:
        """The fields about stock, limits and cost that make sense for the kind."""
        return [self[name] for name in _LIMITS if name in self.fields]

    def clean_where(self) -> Any:
        text = self.cleaned_data["where"]
        document, problem = read_document(text) if text else (None, None)
        if problem is not None and self.builder is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document

    def given(self) -> dict[str, Any]:
        """What the verbs take."""
        cleaned = self.cleaned_data
        given = {name: cleaned[name] for name in PLAIN if name in self.fields}
        given["segment_match"] = cleaned.get("segment_match") or Mechanism.Match.ANY
        given.update(segments=cleaned["segments"], lists=cleaned["lists"])
        if "cost_points" in given:
            given["cost_points"] = given["cost_points"] or 0
        for name in ("groups", "category", "key"):
            if name in self.fields:
                given[name] = cleaned[name]
        return {**given, "settings": self._settings()}

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field; those of the conditions beside their paths."""
        of_where = []
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            place, is_inside, rest = problem.path.partition("settings.where")
            if is_inside and not place:
                of_where.append(Problem(rest.lstrip("."), problem.code, problem.message))
            name = self._field_of(problem.path)
            self.add_error(name, problem.message)
        if self.builder is not None:
            self.builder.problems = tuple(of_where)

    def _field_of(self, path: str) -> str | None:
        name = _FIELD_OF.get(path) or path.removeprefix("settings.").split("[")[0].split(".")[0]
        return name if name in self.fields else None

    def _settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in SETTINGS.get(self.kind, ()):
            found[_SETTING_OF.get(name, name)] = self.cleaned_data.get(name)
        if self.kind == Kind.TIER and str(found["threshold"]).isdecimal():
            found["threshold"] = int(found["threshold"])
        return {name: value for name, value in found.items() if value not in (None, "")}

    def _keep_only_of_kind(self) -> None:
        own = SETTINGS.get(self.kind, ())
        for name in {name for names in SETTINGS.values() for name in names} - set(own):
            del self.fields[name]
        for name in set(_LIMITS) - set(LIMITS.get(self.kind, _LIMITS)):
            del self.fields[name]
        if self.kind != Kind.REWARD:
            del self.fields["category"]
        if self.mechanism is not None:
            del self.fields["key"]
        if self.kind == Kind.TIER:
            self.fields["threshold"].label = _("From how many points on")

    def _arrange_groups(self) -> None:
        kept = [] if self.mechanism is None else [g.name for g in self.mechanism.groups.all()]
        choosable = [group.name for group in access.choosable_groups(self.actor)]
        names = [*choosable, *(name for name in kept if name not in choosable)]
        groups: Any = self.fields["groups"]
        groups.choices = [(name, name) for name in names]
        if not names:
            del self.fields["groups"]
        elif access.group_required(UserGroup.Entity.MECHANISM):
            groups.required = not kept
            groups.help_text = _("Only people of these groups will see it.")

    def _arrange_segments(self) -> None:
        mask = Mask(self.actor)
        for name, offered in (
            ("segments", offered_segments(self.actor)),
            ("lists", offered_lists(self.actor)),
        ):
            present = list(getattr(self.mechanism, name).all()) if self.mechanism else []
            seen = [segment for segment in present if not mask.hides(segment.key)]
            self.hidden_count += len(present) - len(seen)
            field: Any = self.fields[name]
            choices = {one.key: one.name for one in offered.order_by("name", "pk")[:_OFFERED]}
            choices |= {one.key: _named(one) for one in seen}
            field.choices = list(choices.items())
            self.initial[name] = [one.key for one in seen]

    def _arrange_category(self) -> None:
        categories = known_mechanisms(self.actor).filter(kind=Kind.REWARD_CATEGORY)
        living = categories.exclude(status=Mechanism.Status.ARCHIVED)
        choices = [("", "–"), *living.order_by("name").values_list("key", "name")[:_OFFERED]]
        category: Any = self.fields["category"]
        category.choices = choices


def _named(segment: Segment) -> str:
    if segment.status == Segment.Status.ACTIVE:
        return segment.name
    return f"{segment.name} ({segment.get_status_display()})"


def _initial(mechanism: Mechanism | None, event: str) -> dict[str, Any]:
    if mechanism is None:
        return {"event": event, "where": written(everyone()), "segment_match": "any"}
    settings = mechanism.settings
    initial = {name: getattr(mechanism, name) for name in PLAIN}
    for name in ("starts_at", "ends_at"):
        if initial[name] is not None:
            initial[name] = timezone.localtime(initial[name]).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        **initial,
        **{name: value for name, value in settings.items() if name not in {"period", "property"}},
        **{name: settings.get(setting, "") for name, setting in _SETTING_OF.items()},
        "where": written(settings.get("where") or everyone()),
        "groups": [group.name for group in mechanism.groups.all()],
        "category": mechanism.category.key if mechanism.category else "",
    }
