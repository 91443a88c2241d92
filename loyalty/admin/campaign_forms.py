"""The form of a campaign, in four steps: its worth, its codes, when they hold, who gets one."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from loyalty.gift_cards.campaign_settings import CODES_LIMIT, NAME_LIMIT
from loyalty.gift_cards.code_patterns import ALPHABETS, read_pattern
from loyalty.models import Campaign
from loyalty.money import digits_of, to_decimal, to_minor
from workspace import access
from workspace.access import Actor
from workspace.errors import DomainError
from workspace.models import UserGroup

_CHARSETS = {
    "unambiguous": gettext_lazy("letters and digits, without those that look alike"),
    "alphanumeric": gettext_lazy("all letters and digits"),
    "alphabetic": gettext_lazy("letters"),
    "numbers": gettext_lazy("digits"),
}
_WEEKDAYS = (
    (1, gettext_lazy("Monday")),
    (2, gettext_lazy("Tuesday")),
    (3, gettext_lazy("Wednesday")),
    (4, gettext_lazy("Thursday")),
    (5, gettext_lazy("Friday")),
    (6, gettext_lazy("Saturday")),
    (7, gettext_lazy("Sunday")),
)
CODES = ("pattern", "charset", "own_charset", "check_digit")
_STEPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("What a card is worth"), ("name", "description", "amount", "currency")),
    (gettext_lazy("How the codes look"), CODES),
    (
        gettext_lazy("When cards are valid"),
        (
            *("starts_at", "ends_at", "valid_after_publication", "weekdays"),
            *("validity_interval", "validity_duration"),
        ),
    ),
    (
        gettext_lazy("Who gets one, and how often it pays"),
        ("join_once", "redemption_limit", "holdout_percent"),
    ),
)
# What the verbs call the fields of the form.
_FIELD_OF = {"amount_minor": "amount", "vouchers_count": "vouchers_count"}


class _MomentInput(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


def _number(label: Any, text: Any = "", *, least: int = 1, most: int = CODES_LIMIT) -> Any:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        max_value=most,
        help_text=text,
        widget=UnfoldAdminIntegerFieldWidget(),
    )


def _text(label: Any, text: Any = "", *, required: bool = False, limit: int = 80) -> Any:
    return forms.CharField(
        label=label,
        required=required,
        max_length=limit,
        help_text=text,
        widget=UnfoldAdminTextInputWidget(),
    )


def _switch(label: Any, text: Any = "") -> Any:
    return forms.BooleanField(
        label=label, required=False, help_text=text, widget=UnfoldBooleanWidget()
    )


def _moment(label: Any) -> Any:
    return forms.DateTimeField(label=label, required=False, widget=_MomentInput())


class CampaignForm(forms.Form):
    """What may be written of a campaign."""

    name = _text(gettext_lazy("Name"), required=True, limit=NAME_LIMIT)
    key = _text(
        gettext_lazy("Key"),
        gettext_lazy("For files and programs. Empty: made of the name. It stays."),
        limit=63,
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
    amount = _text(gettext_lazy("Value"), gettext_lazy("In whole units, as 25.00."), required=True)
    currency = _text(gettext_lazy("Currency"), gettext_lazy("Three letters, as USD."), limit=3)
    pattern = _text(
        gettext_lazy("Pattern"),
        gettext_lazy("Each # is drawn at random; all else stays as it is: REV-########."),
    )
    charset = forms.ChoiceField(
        label=gettext_lazy("Drawn from"),
        required=False,
        choices=[*_CHARSETS.items(), ("own", gettext_lazy("characters of my own"))],
        widget=UnfoldAdminSelectWidget(),
    )
    own_charset = _text(gettext_lazy("Characters of my own"))
    check_digit = _switch(
        gettext_lazy("Check character at the end"),
        gettext_lazy("A till notices a mistyped code without asking (ISO 7064)."),
    )
    vouchers_count = _number(
        gettext_lazy("Number of codes"),
        gettext_lazy("They are made at once, by a worker. More can be added later."),
        least=0,
    )
    refill = _switch(
        gettext_lazy("Never runs dry"), gettext_lazy("More codes are made whenever few are left.")
    )
    refill_below = _number(gettext_lazy("When fewer are left than"))
    refill_count = _number(gettext_lazy("Make so many at a time"))
    is_static = _switch(
        gettext_lazy("Closed"), gettext_lazy("No codes may be added after the first ones.")
    )
    starts_at = _moment(gettext_lazy("From"))
    ends_at = _moment(gettext_lazy("Until"))
    valid_after_publication = _text(
        gettext_lazy("Valid after it was given"),
        gettext_lazy("As P24D (24 days), P6M (6 months), PT12H. Empty: as long as the campaign."),
        limit=40,
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Only on"),
        required=False,
        coerce=int,
        choices=_WEEKDAYS,
        help_text=gettext_lazy("None chosen: every day."),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    validity_interval = _text(
        gettext_lazy("Again and again every"),
        gettext_lazy("As P7D, from the beginning on."),
        limit=40,
    )
    validity_duration = _text(
        gettext_lazy("and then for"), gettext_lazy("As P1D: one day of seven."), limit=40
    )
    join_once = _switch(gettext_lazy("Each contact gets one code at most"))
    redemption_limit = _number(
        gettext_lazy("A card pays so many times"),
        gettext_lazy("Empty: until nothing is left of it."),
        most=1_000_000,
    )
    holdout_percent = _number(
        gettext_lazy("Set aside, in per cent"),
        gettext_lazy("So many of those whom distributions reach get nothing, for comparison."),
        least=0,
        most=90,
    )
    metadata = forms.CharField(
        label=gettext_lazy("Metadata"),
        required=False,
        help_text=gettext_lazy("A JSON object, for programs."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    def __init__(self, data: Any = None, *, actor: Actor, campaign: Campaign | None = None) -> None:
        super().__init__(data, initial=_initial(campaign))
        self.campaign = campaign
        if campaign is not None:
            del self.fields["key"], self.fields["vouchers_count"]
        kept = [] if campaign is None else [group.name for group in campaign.groups.all()]
        _arrange_groups(self, actor, kept)

    @property
    def steps(self) -> list[tuple[Any, list[Any]]]:
        """The fields by steps, for the template."""
        found = [(title, [self[name] for name in names]) for title, names in _STEPS]
        for name in ("key", "groups"):
            if name in self.fields:
                found[0][1].append(self[name])
        amounts = ("vouchers_count", "refill", "refill_below", "refill_count", "is_static")
        found[1][1].extend(self[name] for name in amounts if name in self.fields)
        found[3][1].append(self["metadata"])
        return found

    def clean_metadata(self) -> Any:
        text = self.cleaned_data["metadata"].strip()
        try:
            return json.loads(text) if text else {}
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(
                _("This is no JSON: %(error)s.") % {"error": error}
            ) from error

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        currency = (found.get("currency") or "USD").strip().upper()
        found["currency"] = currency
        if amount := found.get("amount"):
            try:
                found["amount_minor"] = to_minor(amount.strip().replace(",", "."), currency)
            except ValueError:
                words = {"example": f"25.{'0' * digits_of(currency)}".rstrip(".")}
                self.add_error("amount", _("Write an amount as %(example)s.") % words)
        return found

    def settings(self) -> dict[str, Any]:
        """What the verbs take, of a valid form."""
        given = dict(self.cleaned_data)
        given.pop("amount", None)
        given["code_config"] = code_config(given)
        for name in CODES:
            given.pop(name, None)
        if not given.get("vouchers_count"):
            given.pop("vouchers_count", None)
        if not given.get("key"):
            given.pop("key", None)
        # An empty number means what the model has.
        for name in ("refill_below", "refill_count", "holdout_percent"):
            if given.get(name) is None:
                given[name] = _default(name)
        return given

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        if not error.problems:
            self.add_error(None, str(error))
        for problem in error.problems:
            path = problem.path.removeprefix("code_config.")
            name = re.split(r"[.\[]", path)[0]
            name = "pattern" if name in {"length", "prefix", "postfix"} else name
            name = _FIELD_OF.get(name, name)
            self.add_error(name if name in self.fields else None, problem.message)


def code_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the codes that a form says."""
    charset = given.get("charset") or "unambiguous"
    return {
        "pattern": given.get("pattern") or "",
        "charset": given.get("own_charset") or "" if charset == "own" else charset,
        "check_digit": given.get("check_digit") in (True, "on", "true", "True"),
    }


def _initial(campaign: Campaign | None) -> dict[str, Any]:
    if campaign is None:
        names = ("join_once", "refill_below", "refill_count", "holdout_percent")
        fresh = {name: _default(name) for name in names}
        return {**fresh, "currency": "USD", "pattern": "########", "charset": "unambiguous"}
    pattern, _problems = read_pattern(campaign.code_config)
    named = next((name for name, text in ALPHABETS.items() if text == pattern.alphabet), "own")
    same = (
        *("name", "description", "currency", "refill", "refill_below", "refill_count"),
        *("is_static", "valid_after_publication", "weekdays", "validity_interval"),
        *("validity_duration", "join_once", "redemption_limit", "holdout_percent"),
    )
    return {
        **{name: getattr(campaign, name) for name in same},
        "groups": [group.name for group in campaign.groups.all()],
        "amount": str(to_decimal(campaign.amount_minor, campaign.currency)),
        "pattern": pattern.pattern,
        "charset": named,
        "own_charset": pattern.alphabet if named == "own" else "",
        "check_digit": pattern.has_check,
        "starts_at": _local(campaign.starts_at),
        "ends_at": _local(campaign.ends_at),
        "metadata": json.dumps(campaign.metadata, ensure_ascii=False) if campaign.metadata else "",
    }


def _default(name: str) -> Any:
    field: Any = Campaign._meta.get_field(name)
    return field.get_default()


def _local(at: Any) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M") if at else ""


def _arrange_groups(form: CampaignForm, actor: Actor, kept: list[str]) -> None:
    """Let `groups` be those that the actor may choose, and those that are kept."""
    choosable = [group.name for group in access.choosable_groups(actor)]
    names = [*choosable, *(name for name in kept if name not in choosable)]
    groups: Any = form.fields["groups"]
    groups.choices = [(name, name) for name in names]
    if not names:
        del form.fields["groups"]
    elif access.group_required(UserGroup.Entity.CAMPAIGN):
        groups.required = not kept
        groups.help_text = _("Only people of these groups will see it.")
