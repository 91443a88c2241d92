"""What a distribution is: which trigger, for whom, which campaign, over what."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.models import EventDefinition
from integrations import announcements
from integrations.mail import mail_connection
from integrations.models import Connection, Template, VendorConnection
from integrations.vendors import registry
from loyalty.gift_cards.campaigns import known_campaigns
from loyalty.models import Campaign, Distribution, Mechanism
from segments.criteria import MASK
from segments.definitions import NAME_LIMIT, Faults
from segments.documents import named_segments
from segments.errors import CriteriaRefused, SegmentArchived, SegmentInactive, SegmentUnknown
from segments.facts import parse_criteria
from segments.lifecycle import known_segments, require_usable
from segments.masks import Mask
from segments.models import Segment
from workspace.access import Actor

Trigger, Channel = Distribution.Trigger, Distribution.Channel
OF_SEGMENTS = frozenset({Trigger.SEGMENT_ENTERED, Trigger.SEGMENT_LEFT, Trigger.MANUAL})
OF_CAMPAIGNS = frozenset({Trigger.PUBLICATION, Trigger.REDEMPTION})
# What happens once a card was given or used: an event of the contact, which has the campaign's key.
EVENT_OF: Mapping[str, str] = {
    Trigger.PUBLICATION: "customer.publication.succeeded",
    Trigger.REDEMPTION: "redemption.succeeded",
}
SETTINGS = (
    *("name", "trigger", "campaign", "channel", "connection", "template"),
    *("include_present", "audience"),
)
# What stays as it was once it has been active: what it gave goes by them.
FIXED = frozenset({"trigger", "campaign"})
_EVENT_LIMIT = 200
# So many names of connections are told.
_NAMES = 3


def apply(
    distribution: Distribution, given: Mapping[str, Any], actor: Actor, faults: Faults
) -> None:
    """Put what is given into a distribution; `faults` gets what cannot be.

    `trigger` is {"kind", "key"}, `campaign` and `template` are keys, `connection` is an id,
    `audience` a criteria document or None.
    """
    if "name" in given:
        _name(distribution, given["name"], faults)
    if "trigger" in given:
        _trigger(distribution, given["trigger"], actor, faults)
    if "campaign" in given:
        _campaign(distribution, given["campaign"], actor, faults)
    if "include_present" in given:
        distribution.include_present = bool(given["include_present"])
    if "audience" in given:
        _audience(distribution, given["audience"], actor, faults)
    if given.keys() & {"channel", "connection", "template"}:
        _channel(distribution, given, faults)
    if distribution.trigger != Trigger.SEGMENT_ENTERED:
        distribution.include_present = False
    is_chosen = bool(distribution.campaign_id)
    if (
        distribution.trigger == Trigger.PUBLICATION
        and is_chosen
        and distribution.campaign.key == distribution.trigger_key
    ):
        message = _("A card would bring the next one, for ever: choose another campaign.")
        faults.add("trigger.key", "endless", message)


def _name(distribution: Distribution, name: Any, faults: Faults) -> None:
    distribution.name = str(name).strip()
    if not distribution.name:
        faults.add("name", "required", _("Give it a name."))
    elif len(distribution.name) > NAME_LIMIT or "\0" in distribution.name:
        message = _("At most %(limit)d characters.") % {"limit": NAME_LIMIT}
        faults.add("name", "too_long", message)


def _trigger(distribution: Distribution, given: Any, actor: Actor, faults: Faults) -> None:
    kind = given.get("kind") if isinstance(given, Mapping) else None
    key = str(given.get("key") or "").strip() if isinstance(given, Mapping) else ""
    if kind not in Trigger.values:
        message = _("The trigger is one of: %(known)s.") % {"known": ", ".join(Trigger.values)}
        faults.add("trigger.kind", "invalid_choice", message)
        return
    distribution.trigger = kind
    if kind in OF_SEGMENTS:
        _segment(distribution, key, actor, faults)
        return
    distribution.segment, distribution.trigger_key = None, key
    if kind == Trigger.EVENT:
        _event(key, faults)
    elif kind in OF_CAMPAIGNS:
        if not known_campaigns(actor).filter(key=key).exists():
            faults.add("trigger.key", "campaign_unknown", _("Choose the campaign of the cards."))
    elif kind == Trigger.TIER_CHANGED and key:
        tiers = Mechanism.objects.filter(kind=Mechanism.Kind.TIER, key=key)
        if not tiers.exists():
            message = _("There is no tier “%(key)s”.") % {"key": key[:63]}
            faults.add("trigger.key", "tier_unknown", message)


def _segment(distribution: Distribution, key: str, actor: Actor, faults: Faults) -> None:
    present = distribution.segment
    distribution.trigger_key = ""
    if present is not None and (key == present.key or key.startswith(MASK)):
        # What stands there may stay, also where it went out of use or is another group's.
        return
    if not key:
        faults.add("trigger.key", "required", _("Choose a segment."))
        return
    found = known_segments(actor).filter(key=key).first()
    try:
        if found is None:
            raise SegmentUnknown(key)
        distribution.segment = require_usable(found, actor=actor)
    except (SegmentUnknown, SegmentInactive, SegmentArchived) as refused:
        faults.add("trigger.key", refused.code, str(refused))


def _event(key: str, faults: Faults) -> None:
    if not key or len(key) > _EVENT_LIMIT or "\0" in key:
        faults.add("trigger.key", "required", _("Say which event: its name, as “review_left”."))
    elif key in EVENT_OF.values():
        message = _("There is a trigger of its own for what happens with cards: choose that.")
        faults.add("trigger.key", "invalid_choice", message)


def _campaign(distribution: Distribution, key: Any, actor: Actor, faults: Faults) -> None:
    found = known_campaigns(actor).filter(key=str(key or "")).first()
    if found is None:
        message = _("Choose the campaign of which a card is given.")
        faults.add("campaign", "campaign_unknown", message)
        return
    distribution.campaign = found


def _audience(distribution: Distribution, document: Any, actor: Actor, faults: Faults) -> None:
    if document is None or document == {}:
        distribution.audience = None
        return
    mask = Mask(actor)
    if mask.is_unchanged(document, distribution.audience):
        return
    document = mask.lifted(document, distribution.audience)
    try:
        parse_criteria(document, actor)
    except CriteriaRefused as refused:
        for problem in refused.criteria_problems:
            faults.add(f"audience.{problem.path}".rstrip("."), problem.code, problem.message)
        return
    before = named_segments(distribution.audience) if distribution.audience else frozenset()
    for segment in Segment.objects.filter(key__in=named_segments(document) - before):
        try:
            # A handful, each locked so that nobody takes it out of use meanwhile.
            require_usable(segment, actor=actor)
        except (SegmentUnknown, SegmentInactive, SegmentArchived) as refused:
            faults.add("audience", refused.code, str(refused))
    distribution.audience = document


def _channel(distribution: Distribution, given: Mapping[str, Any], faults: Faults) -> None:
    channel = given.get("channel", distribution.channel)
    if channel not in Channel.values:
        message = _("The channel is one of: %(known)s.") % {"known": ", ".join(Channel.values)}
        faults.add("channel", "invalid_choice", message)
        return
    distribution.channel = channel
    if channel == Channel.EMAIL:
        distribution.connection = mail_connection()
        _template(distribution, given, faults)
    else:
        distribution.template = None
    if channel == Channel.WEBHOOK:
        _webhook(distribution, given, faults)
    elif channel == Channel.VENDOR:
        _vendor(distribution, given, faults)
    elif channel == Channel.NONE:
        distribution.connection = None


def _template(distribution: Distribution, given: Mapping[str, Any], faults: Faults) -> None:
    if "template" in given or distribution.template_id is None:
        mails = Template.objects.filter(channel=Template.Channel.EMAIL)
        found = mails.filter(key=str(given.get("template") or "")).first()
        if found is None:
            faults.add("template", "template_unknown", _("Choose the template of the e-mail."))
        distribution.template = found


def _webhook(distribution: Distribution, given: Mapping[str, Any], faults: Faults) -> None:
    present = distribution.connection
    webhooks = Connection.objects.filter(kind=Connection.Kind.WEBHOOK)
    if "connection" in given or present is None or present.kind != Connection.Kind.WEBHOOK:
        wanted = given.get("connection")
        found = webhooks.filter(pk=wanted).first() if isinstance(wanted, int) else None
        if found is None:
            faults.add("connection", "webhook_unknown", _("Choose the webhook that is told."))
        elif not found.is_enabled and found != present:
            message = _("“%(name)s” is disabled: enable it first.") % {"name": found.name}
            faults.add("connection", "webhook_disabled", message)
        distribution.connection = found


def _vendor(distribution: Distribution, given: Mapping[str, Any], faults: Faults) -> None:
    present, offered = distribution.connection_id, carrying_connections()
    if "connection" not in given and present and offered.filter(pk=present).exists():
        return
    wanted = given.get("connection")
    found = offered.filter(pk=wanted).first() if isinstance(wanted, int) else None
    if found is None:
        message = _("Choose the connection that carries the code.")
        if not offered.exists():
            message = no_connection_words()
        faults.add("connection", "connection_unknown", message)
    elif not found.is_enabled and found.pk != present:
        message = _("Nothing is sent over “%(name)s” at present: let it go on first.")
        faults.add("connection", "connection_disabled", message % {"name": found.name})
    distribution.connection = found and found.connection


def carrying_connections() -> "QuerySet[VendorConnection]":
    """Connections to systems that take a card's code as an event, and bring it to the contact."""
    kinds = announcements.hearing_kinds()
    found = VendorConnection.objects.filter(kind__in=kinds, revoked_at=None)
    return found.select_related("connection").order_by("name", "pk")


def carrying_systems() -> str:
    """The systems to which such connections can be made, by their names."""
    known = (registry.find_vendor(kind) for kind in announcements.hearing_kinds())
    return ", ".join(vendor.label for vendor in known if vendor is not None)


def no_connection_words() -> str:
    """That there is no connection that carries codes, and where one is made."""
    message = _("No such connection yet: connect %(systems)s under Data › External authorizations.")
    return message % {"systems": carrying_systems()}


def connections_that_hear() -> list[str]:
    """The names of connected systems that hear of each card that is given, whatever the channel."""
    hearing = carrying_connections().filter(
        is_enabled=True, event_types__contains=[EVENT_OF[Trigger.PUBLICATION]]
    )
    return list(hearing.values_list("name", flat=True)[:_NAMES])


def told_of(distribution: Distribution) -> dict[str, Any]:
    """What the audit trail tells of it."""
    segment: Segment | None = distribution.segment
    campaign: Campaign = distribution.campaign
    return {
        "name": distribution.name,
        "trigger": distribution.trigger,
        "trigger_key": distribution.trigger_key,
        # As criteria, in which the trail hides what a reader may not know of.
        "segment": _criteria_of(segment) if segment else None,
        "include_present": distribution.include_present,
        "audience": distribution.audience,
        "campaign": campaign.key,
        "channel": distribution.channel,
        "connection": distribution.connection.name if distribution.connection else None,
        "template": distribution.template.key if distribution.template else None,
    }


def _criteria_of(segment: Segment) -> dict[str, Any]:
    rule = {"field": "segment", "operator": "in", "value": [segment.key]}
    return {"combinator": "and", "rules": [rule]}


def known_events() -> list[str]:
    """The names of events that there were, for the form."""
    found = EventDefinition.objects.exclude(name__in=EVENT_OF.values()).order_by("name")
    return list(found.values_list("name", flat=True)[:500])
