"""A distribution in words, for one reader: what triggers it, for whom, what is given, how told."""

from django.utils.translation import gettext as _

from loyalty.models import Campaign, Distribution
from loyalty.money import money
from segments.errors import CriteriaRefused
from segments.facts import explain_clause, nameless, parse_criteria, reading_catalog
from segments.masks import Mask
from workspace.access import SYSTEM, Actor

Trigger, Channel = Distribution.Trigger, Distribution.Channel


def describe(distribution: Distribution, *, actor: Actor) -> str:
    """The whole of it as sentences."""
    campaign: Campaign = distribution.campaign
    words = {
        "trigger": trigger_words(distribution, actor=actor),
        "worth": money(campaign.amount_minor, campaign.currency),
        "campaign": campaign.name,
        "channel": channel_words(distribution),
    }
    sentence = _("%(trigger)s gets a card of %(worth)s from “%(campaign)s”%(channel)s.") % words
    told = [sentence]
    if distribution.audience is not None:
        told.append(
            _("Only those who: %(criteria)s.") % {"criteria": _audience(distribution, actor)}
        )
    if distribution.include_present:
        told.append(_("So do those who are in the segment when it becomes active."))
    if campaign.join_once:
        told.append(_("Nobody gets more than one."))
    if campaign.holdout_percent:
        message = _("%(percent)d %% are set aside and get nothing, for comparison.")
        told.append(message % {"percent": campaign.holdout_percent})
    return " ".join(told)


def trigger_words(distribution: Distribution, *, actor: Actor) -> str:
    """Who gets a card: “Whoever enters the segment “Reviewers””."""
    key = distribution.trigger_key
    segment = distribution.segment
    name = "" if segment is None else segment.name
    if segment is not None and Mask(actor).hides(segment.key):
        name = nameless()
    match distribution.trigger:
        case Trigger.SEGMENT_ENTERED:
            return _("Whoever enters the segment “%(name)s”") % {"name": name}
        case Trigger.SEGMENT_LEFT:
            return _("Whoever leaves the segment “%(name)s”") % {"name": name}
        case Trigger.MANUAL:
            return _("Whoever is in the segment “%(name)s” when you send it") % {"name": name}
        case Trigger.EVENT:
            return _("Whoever does “%(name)s”, each time,") % {"name": key}
        case Trigger.PUBLICATION:
            return _("Whoever gets a card of the campaign “%(name)s”") % {"name": key}
        case Trigger.REDEMPTION:
            return _("Whoever redeems a card of the campaign “%(name)s”") % {"name": key}
        case _other if key:
            return _("Whoever comes to the tier “%(name)s”") % {"name": key}
    return _("Whoever comes to another tier")


def channel_words(distribution: Distribution) -> str:
    """How it is told, as the end of a sentence."""
    if distribution.channel == Channel.EMAIL and distribution.template is not None:
        return _(", by e-mail: “%(name)s”") % {"name": distribution.template.name}
    if distribution.channel == Channel.WEBHOOK and distribution.connection is not None:
        return _(", and the webhook “%(name)s” is told") % {"name": distribution.connection.name}
    if distribution.channel == Channel.VENDOR and distribution.connection is not None:
        words = {"name": distribution.connection.name}
        return _(", and “%(name)s” gets the code as an event, to send it on") % words
    return _(", and is told nothing: it is in the wallet")


def _audience(distribution: Distribution, actor: Actor) -> str:
    try:
        tree = parse_criteria(distribution.audience, SYSTEM, catalog=reading_catalog(actor))
    except CriteriaRefused as refused:
        return str(refused)
    return explain_clause(tree)
