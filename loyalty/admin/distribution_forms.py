"""The form of a distribution: trigger, for whom, which campaign, over what."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from integrations.models import Connection, Template
from loyalty.distribution.distribution_settings import (
    OF_CAMPAIGNS,
    OF_SEGMENTS,
    carrying_connections,
    connections_that_hear,
    known_events,
    no_connection_words,
)
from loyalty.gift_cards.campaigns import known_campaigns
from loyalty.models import Campaign, Distribution, Mechanism
from segments.admin.forms import read_document, written
from segments.criteria import MASK
from segments.definitions import NAME_LIMIT
from segments.facts import nameless
from segments.lifecycle import usable_segments
from segments.masks import Mask
from segments.widgets import CriteriaWidget
from workspace.access import Actor
from workspace.errors import DomainError, Problem

Trigger, Channel = Distribution.Trigger, Distribution.Channel
_CHOOSE = ("", "–")
_NOBODY: Any = {"combinator": "and", "rules": []}
# Where a fault of the verb is shown, by the beginning of its path.
_FIELDS = {"trigger.kind": "trigger"}
TRIGGERS = (
    (Trigger.SEGMENT_ENTERED, gettext_lazy("enters a segment")),
    (Trigger.SEGMENT_LEFT, gettext_lazy("leaves a segment")),
    (Trigger.EVENT, gettext_lazy("does something: an event")),
    (Trigger.PUBLICATION, gettext_lazy("gets a card of another campaign")),
    (Trigger.REDEMPTION, gettext_lazy("redeems a card")),
    (Trigger.TIER_CHANGED, gettext_lazy("comes to a tier")),
    (Trigger.MANUAL, gettext_lazy("is in a segment when you send it by hand")),
)


class DistributionForm(forms.Form):
    """What may be written of a distribution."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"maxlength": NAME_LIMIT}),
    )
    trigger = forms.ChoiceField(
        label=gettext_lazy("When a contact"), choices=TRIGGERS, widget=UnfoldAdminSelectWidget()
    )
    segment = forms.ChoiceField(
        label=gettext_lazy("Segment"), required=False, widget=UnfoldAdminSelectWidget()
    )
    include_present = forms.BooleanField(
        label=gettext_lazy("Also who is in it already"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("Those who are in the segment when you activate it."),
    )
    event = forms.CharField(
        label=gettext_lazy("Event"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(
            attrs={"list": "known-events", "placeholder": "review_left", "autocomplete": "off"}
        ),
    )
    of_campaign = forms.ChoiceField(
        label=gettext_lazy("Card of the campaign"),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    tier = forms.ChoiceField(
        label=gettext_lazy("Tier"), required=False, widget=UnfoldAdminSelectWidget()
    )
    audience = forms.CharField(label=gettext_lazy("Only those who"), required=False)
    campaign = forms.ChoiceField(
        label=gettext_lazy("Campaign"), required=False, widget=UnfoldAdminSelectWidget()
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"),
        choices=(
            (Channel.EMAIL, gettext_lazy("an e-mail to the contact")),
            (Channel.WEBHOOK, gettext_lazy("a webhook: your own system tells")),
            (
                Channel.VENDOR,
                gettext_lazy("a connected system gets the code and sends it"),
            ),
            (Channel.NONE, gettext_lazy("nothing: the card is in the wallet")),
        ),
        widget=UnfoldAdminSelectWidget(),
    )
    template = forms.ChoiceField(
        label=gettext_lazy("Template"), required=False, widget=UnfoldAdminSelectWidget()
    )
    webhook = forms.ChoiceField(
        label=gettext_lazy("Webhook"), required=False, widget=UnfoldAdminSelectWidget()
    )
    vendor = forms.ChoiceField(
        label=gettext_lazy("Connection"), required=False, widget=UnfoldAdminSelectWidget()
    )

    def __init__(
        self, data: Any = None, *, actor: Actor, distribution: Distribution | None = None
    ) -> None:
        super().__init__(data, initial=_initial(distribution, actor))
        self.distribution = distribution
        self.builder = CriteriaWidget(actor=actor)
        self.fields["audience"].widget = self.builder
        self.events = known_events()
        self._offer(actor)
        if distribution is not None and distribution.activated_at is not None:
            for name in ("trigger", "segment", "event", "of_campaign", "tier", "campaign"):
                self.fields[name].disabled = True

    def _offer(self, actor: Actor) -> None:
        """The choices of this person; what is chosen already stays among them."""
        given = self.distribution
        campaigns = list(known_campaigns(actor).order_by("name").values_list("key", "name"))
        webhooks = Connection.objects.filter(kind=Connection.Kind.WEBHOOK).order_by("name")
        mails = Template.objects.filter(channel=Template.Channel.EMAIL)
        tiers = Mechanism.objects.filter(kind=Mechanism.Kind.TIER)
        offered: dict[str, list[tuple[Any, Any]]] = {
            "segment": [
                _CHOOSE,
                *usable_segments(actor).order_by("name").values_list("key", "name"),
            ],
            "campaign": [_CHOOSE, *campaigns],
            "of_campaign": [_CHOOSE, *campaigns],
            "tier": [("", _("any")), *tiers.values_list("key", "name")],
            "template": [_CHOOSE, *mails.values_list("key", "name")],
            "webhook": [_CHOOSE, *((str(one.pk), one.name) for one in webhooks)],
            "vendor": [_CHOOSE, *_carrying(given)],
        }
        self.fields["vendor"].help_text = _vendor_help(len(offered["vendor"]) > 1)
        self.hearing = connections_that_hear()
        if given is not None and given.segment is not None:
            is_hidden = Mask(actor).hides(given.segment.key)
            key, name = given.segment.key, given.segment.name
            shown = (f"{MASK}1", nameless()) if is_hidden else (key, name)
            if shown not in offered["segment"]:
                offered["segment"].append(shown)
        for name, choices in offered.items():
            field: Any = self.fields[name]
            field.choices = choices

    def clean_audience(self) -> Any:
        """The document; none where it describes everybody."""
        text = self.cleaned_data["audience"].strip()
        if not text:
            return None
        document, problem = read_document(text)
        if problem is not None:
            self.builder.problems = (problem,)
            raise forms.ValidationError(problem.message)
        return document if isinstance(document, dict) and document.get("rules") else None

    def given(self) -> dict[str, Any]:
        """What the form says, as the verbs take it."""
        told = self.cleaned_data
        kind = told["trigger"]
        if kind in OF_SEGMENTS:
            key = told["segment"]
        elif kind in OF_CAMPAIGNS:
            key = told["of_campaign"]
        else:
            key = told["event"] if kind == Trigger.EVENT else told["tier"]
        connection = told["vendor" if told["channel"] == Channel.VENDOR else "webhook"]
        found = {
            "name": told["name"],
            "trigger": {"kind": kind, "key": key},
            "include_present": told["include_present"],
            "audience": told["audience"],
            "campaign": told["campaign"],
            "channel": told["channel"],
            "template": told["template"],
            "connection": int(connection) if connection else None,
        }
        if self.fields["trigger"].disabled:
            del found["trigger"], found["campaign"]
        return found

    def add_problems(self, error: DomainError) -> None:
        """Show each fault beside its field."""
        if not error.problems:
            self.add_error(None, str(error))
        self.builder.problems = tuple(
            Problem(
                one.path.removeprefix("audience.").removeprefix("audience"), one.code, one.message
            )
            for one in error.problems
            if one.path.startswith("audience")
        )
        for problem in error.problems:
            name = _FIELDS.get(problem.path, problem.path.split(".")[0])
            if problem.path == "trigger.key":
                name = self._key_field()
            elif problem.path == "connection":
                name = "vendor" if self.cleaned_data.get("channel") == Channel.VENDOR else "webhook"
            self.add_error(name if name in self.fields else None, problem.message)

    def _key_field(self) -> str:
        kind = self.cleaned_data.get("trigger")
        if kind in OF_SEGMENTS:
            return "segment"
        if kind in OF_CAMPAIGNS:
            return "of_campaign"
        return "event" if kind == Trigger.EVENT else "tier"


class SendForm(forms.Form):
    """To whom a manual one is sent: empty for everybody in its segment."""

    contact = forms.IntegerField(
        label=gettext_lazy("Only to the contact with the number"),
        required=False,
        min_value=1,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy("Empty: to everybody in the segment."),
    )


def _initial(distribution: Distribution | None, actor: Actor) -> dict[str, Any]:
    if distribution is None:
        return {"audience": written(_NOBODY), "channel": Channel.EMAIL}
    segment, key = distribution.segment, distribution.trigger_key
    campaign: Campaign = distribution.campaign
    shown = ""
    if segment is not None:
        shown = f"{MASK}1" if Mask(actor).hides(segment.key) else segment.key
    kind = distribution.trigger
    return {
        "name": distribution.name,
        "trigger": kind,
        "segment": shown,
        "include_present": distribution.include_present,
        "event": key if kind == Trigger.EVENT else "",
        "of_campaign": key if kind in OF_CAMPAIGNS else "",
        "tier": key if kind == Trigger.TIER_CHANGED else "",
        "audience": written(Mask(actor).of(distribution.audience or _NOBODY)),
        "campaign": campaign.key,
        "channel": distribution.channel,
        "template": distribution.template.key if distribution.template else "",
        "webhook": str(distribution.connection_id or ""),
        "vendor": str(distribution.connection_id or ""),
    }


def _carrying(distribution: Distribution | None) -> list[tuple[str, str]]:
    """The connections that one may choose; what is chosen stays among them, also once revoked."""
    offered = [
        (str(one.pk), one.name if one.is_enabled else _("%(name)s (stopped)") % {"name": one.name})
        for one in carrying_connections()
    ]
    if distribution is not None and distribution.channel == Channel.VENDOR:
        kept = distribution.connection
        if kept is not None and str(kept.pk) not in dict(offered):
            offered.append((str(kept.pk), kept.name))
    return offered


def _vendor_help(is_any: bool) -> str:
    """What becomes of the code there; where no connection is, how one is made."""
    if not is_any:
        return no_connection_words()
    return _(
        "It gets each card as an event “customer.publication.succeeded”, once, with the code in"
        " publication_voucher_code; a destination there brings it to the contact by e-mail or push."
    )
